-- name: insert_rejects!
-- Keep what could not be accepted, with every reason; what is kept already counts one time more.
insert into rejects as known (received_at, last_at, times, origin, source, credential, reason,
    reasons, properties, body, size, sha256, cut, checksum)
select received_at, last_at, times, origin, source, credential, reason, reasons::jsonb,
    properties::jsonb, body, size, sha256, cut, checksum
from unnest(
    :received_at::timestamptz[], :last_at::timestamptz[], :times::bigint[], :origin::text[],
    :source::text[], :credential::text[], :reason::text[], :reasons::text[], :properties::text[],
    :body::bytea[], :size::bigint[], :sha256::bytea[], :cut::boolean[], :checksum::bytea[]
) as new (received_at, last_at, times, origin, source, credential, reason, reasons, properties,
    body, size, sha256, cut, checksum)
order by checksum
on conflict (checksum) do update set
    times = known.times + excluded.times,
    received_at = least(known.received_at, excluded.received_at),
    last_at = greatest(known.last_at, excluded.last_at),
    reason = excluded.reason,
    reasons = excluded.reasons;

-- name: lock_rejects
-- Hold those of these rejects that are still there, in the order in which they are inserted.
select id from rejects where id = any(:ids::bigint[]) order by checksum for update;

-- name: delete_rejects!
-- Take rejects off the list.
delete from rejects where id = any(:ids::bigint[]);

-- name: renew_rejects!
-- Say anew why these are rejected, and that they were tried just now.
update rejects set reason = new.reason, reasons = new.reasons::jsonb, tried_at = now()
from unnest(:ids::bigint[], :reason::text[], :reasons::text[]) as new (id, reason, reasons)
where rejects.id = new.id;

-- name: find_rejects
-- A page of rejects, the newest first; it ends early past max_bytes of bodies. found says how
-- many rows it would have without that.
select * from (
    select page.*, count(*) over () as found,
        sum(octet_length(body)) over (order by id desc) - octet_length(body) as bytes_before
    from (
        select id, received_at, last_at, times, tried_at, origin, source, credential, reason,
            reasons, properties, body, size, sha256, cut
        from rejects
        where (:reason::text is null or reason = :reason)
            and (:origin::text is null or origin = :origin)
            and (:since::timestamptz is null or received_at >= :since)
            and (:until::timestamptz is null or received_at < :until)
            and (:before::bigint is null or id < :before)
        order by id desc
        limit :limit
    ) page
) counted
where bytes_before < :max_bytes
order by id desc;

-- name: reject_by_id
-- One reject.
select id, received_at, last_at, times, tried_at, origin, source, credential, reason, reasons,
    properties, body, size, sha256, cut
from rejects
where id = :id;

-- name: count_rejects
-- How many rejects are chosen, by reason; how many of them are cut, how often they came, and
-- the highest number among them.
select reason, count(*) as rejects, count(*) filter (where cut) as cut,
    sum(times)::bigint as times, max(id) as last_id
from rejects
where (:ids::bigint[] is null or id = any(:ids::bigint[]))
    and (:reason::text is null or reason = :reason)
    and (:origin::text is null or origin = :origin)
    and (:since::timestamptz is null or received_at >= :since)
    and (:until::timestamptz is null or received_at < :until)
    and (:tried_before::timestamptz is null or tried_at is null or tried_at < :tried_before)
group by reason
order by count(*) desc, reason;

-- name: newest_rejects
-- The newest of the chosen rejects before a number (null for all), without their bodies.
select id, received_at, last_at, times, tried_at, origin, source, credential, reason, reasons,
    properties, size, sha256, cut
from rejects
where (:ids::bigint[] is null or id = any(:ids::bigint[]))
    and (:reason::text is null or reason = :reason)
    and (:origin::text is null or origin = :origin)
    and (:since::timestamptz is null or received_at >= :since)
    and (:until::timestamptz is null or received_at < :until)
    and (:tried_before::timestamptz is null or tried_at is null or tried_at < :tried_before)
    and (:before::bigint is null or id < :before)
order by id desc
limit :limit;

-- name: reasons_of_newest
-- How many of the newest of the chosen rejects have which reason.
select reason, count(*) from (
    select reason
    from rejects
    where (:ids::bigint[] is null or id = any(:ids::bigint[]))
        and (:reason::text is null or reason = :reason)
        and (:origin::text is null or origin = :origin)
        and (:since::timestamptz is null or received_at >= :since)
        and (:until::timestamptz is null or received_at < :until)
        and (:tried_before::timestamptz is null or tried_at is null or tried_at < :tried_before)
    order by id desc
    limit :most
) newest
group by reason
order by count(*) desc, reason;

-- name: next_rejects
-- The next of the chosen rejects in the order of their numbers, behind one number and up to
-- another; it ends early past max_bytes of bodies.
select * from (
    select page.*, sum(octet_length(body)) over (order by id) - octet_length(body) as bytes_before
    from (
        select id, received_at, last_at, times, tried_at, origin, source, credential, reason,
            reasons, properties, body, size, sha256, cut
        from rejects
        where (:ids::bigint[] is null or id = any(:ids::bigint[]))
            and (:reason::text is null or reason = :reason)
            and (:origin::text is null or origin = :origin)
            and (:since::timestamptz is null or received_at >= :since)
            and (:until::timestamptz is null or received_at < :until)
            and (:tried_before::timestamptz is null or tried_at is null or tried_at < :tried_before)
            and id > :after and id <= :last
        order by id
        limit :limit
    ) page
) counted
where bytes_before < :max_bytes
order by id;

-- name: next_reject_ids
-- The numbers of the next of the chosen rejects, as above.
select id
from rejects
where (:ids::bigint[] is null or id = any(:ids::bigint[]))
    and (:reason::text is null or reason = :reason)
    and (:origin::text is null or origin = :origin)
    and (:since::timestamptz is null or received_at >= :since)
    and (:until::timestamptz is null or received_at < :until)
    and (:tried_before::timestamptz is null or tried_at is null or tried_at < :tried_before)
    and id > :after and id <= :last
order by id
limit :limit;

-- name: known_reject_ids
-- Those of these numbers that rejects have.
select id from rejects where id = any(:ids::bigint[]);
