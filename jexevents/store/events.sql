-- name: copy_events!
-- Store events that the ledger does not have; see literals.copy.
copy events (seq, job_id, checksum, source, name, occurred_at, occurred_offset, occurred_alt,
    received_at, data, raw) from stdin;

-- name: insert_event$
-- Store one event, as copy_events does; gives its number.
insert into events (job_id, checksum, source, name, occurred_at, occurred_offset, occurred_alt,
    received_at, data, raw)
values (:job_id::uuid, :checksum::bytea, :source::text, :name::text, :occurred_at::timestamptz,
    :occurred_offset::text, :occurred_alt::timestamptz, :received_at::timestamptz, :data::jsonb,
    :raw::bytea)
returning seq;

-- name: next_seqs$
-- Take numbers for so many events, the lowest first.
select array_agg(nextval(sequence))
from (select pg_get_serial_sequence('events', 'seq')::regclass as sequence) numbers,
    generate_series(1, :count);

-- name: lock_jobless
-- Keep others from storing these events of no job until this transaction ends; in one order, so
-- that two writers never wait for each other crosswise.
select pg_advisory_xact_lock(hashtext('jexevents events of no job'), stripe)
from (
    select distinct get_byte(checksum, 0) / 4 as stripe
    from unnest(:checksums::bytea[]) as new (checksum)
    order by stripe
) stripes;

-- name: find_seqs
-- Those of these events that the ledger has, by job and checksum.
select e.seq, e.job_id, e.checksum
from unnest(:job_ids::uuid[], :checksums::bytea[]) as known (job_id, checksum)
join events e on e.checksum = known.checksum
    and coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid)
        = coalesce(known.job_id, '00000000-0000-0000-0000-000000000000'::uuid);

-- name: claim_identities
-- Take identities that are one over their source for events that are stored next; gives those that
-- nobody had. In one order, so that two writers never wait for each other crosswise.
insert into event_identities (source, checksum, seq, format, name)
select source, checksum, seq, format, name
from unnest(
    :sources::text[], :checksums::bytea[], :seqs::bigint[], :formats::text[], :names::text[]
) as new (source, checksum, seq, format, name)
order by source, checksum
on conflict do nothing
returning seq;

-- name: identified
-- The events that have these identities.
select i.source, i.checksum, i.seq
from unnest(:sources::text[], :checksums::bytea[]) as asked (source, checksum)
join event_identities i on i.source = asked.source and i.checksum = asked.checksum;

-- name: data_of_identity$
-- What the event says that has this identity, which is one over its source.
select e.data
from event_identities i join events e on e.seq = i.seq
where i.source = :source and i.checksum = :checksum::bytea;

-- name: add_positions
-- Note where events stand in a log; gives the numbers of those for which that was news.
insert into event_positions as known (seq, log, "offset")
select seq, log, min("offset")
from unnest(:seqs::bigint[], :logs::text[], :offsets::bigint[]) as new (seq, log, "offset")
group by seq, log
order by seq, log
on conflict (seq, md5(log)) do update set "offset" = excluded."offset"
    where excluded."offset" < known."offset"
returning seq;

-- name: story
-- All that the fold needs of the events of these jobs with these names. Where several logs hold an
-- event, one of them, always the same, says its position.
select e.job_id, e.name, e.occurred_at, e.occurred_offset, e.occurred_alt, e.checksum, e.data,
    p.log, p."offset"
from events e
left join lateral (
    select log, "offset" from event_positions where seq = e.seq order by log collate "C" limit 1
) p on true
where coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid) = any(:ids::uuid[])
    and (:names::text[] is null or e.name = any(:names::text[]));

-- name: latest_of_name
-- The data of the latest event of that name, for each of these jobs.
select distinct on (job_id, name) job_id, name, data, seq
from events
where coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid) = any(:ids::uuid[])
    and name = any(:names::text[])
order by job_id, name, received_at desc, seq desc;

-- name: events_of_job
-- A page of a job's events, the last stored first; it ends early past max_bytes of raw text.
-- found says how many rows it would have without that.
select * from (
    select page.*, count(*) over () as found,
        sum(octet_length(raw)) over (order by seq desc) - octet_length(raw) as bytes_before
    from (
        select e.seq, e.job_id, e.checksum, e.source, e.name, e.occurred_at, e.occurred_offset,
            e.occurred_alt, e.received_at, e.data, e.raw, p.log, p."offset"
        from events e
        left join lateral (
            select log, "offset" from event_positions where seq = e.seq order by log collate "C" limit 1
        ) p on true
        where coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid) = :job_id
            and (:name::text is null or e.name = :name)
            and (:before::bigint is null or e.seq < :before)
        order by e.seq desc
        limit :limit
    ) page
) counted
where bytes_before < :max_bytes
order by seq desc;

-- name: events_said
-- What some events say.
select seq, data from events where seq = any(:seqs::bigint[]);

-- name: event_said^
-- What one event says.
select name, data from events where seq = :seq;

-- name: latest_events
-- A page of all events, those of no job included, the last stored first; bounded as above.
select * from (
    select page.*, count(*) over () as found,
        sum(octet_length(raw)) over (order by seq desc) - octet_length(raw) as bytes_before
    from (
        select e.seq, e.job_id, e.checksum, e.source, e.name, e.occurred_at, e.occurred_offset,
            e.occurred_alt, e.received_at, e.data, e.raw, p.log, p."offset"
        from events e
        left join lateral (
            select log, "offset" from event_positions where seq = e.seq order by log collate "C" limit 1
        ) p on true
        where (:name::text is null or e.name = :name)
            and (:source::text is null or e.source = :source)
            and (:before::bigint is null or e.seq < :before)
        order by e.seq desc
        limit :limit
    ) page
) counted
where bytes_before < :max_bytes
order by seq desc;

-- name: event_times
-- The names and times of the last events of a job, the last that happened first.
select name, occurred_at
from events
where coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid) = :job_id
order by occurred_at desc, seq desc
limit :limit;

-- name: newest_seq$
-- The highest number that any event has, 0 while there is none.
select coalesce(max(seq), 0) from events;

-- name: seqs_behind
-- The numbers of events behind this one, the lowest first.
select seq from events where seq > :seq order by seq;

-- name: events_within
-- Events with numbers in these ranges, the lowest first, and their jobs as they stand now. What one
-- says is left out where it came in more than most_bytes.
select e.seq, e.name, e.source, e.occurred_at, e.received_at, e.job_id, j.kind, j.key, j.state,
    j.phase, case when e.size <= :most_bytes then e.data end as data
from unnest(:lows::bigint[], :highs::bigint[]) as range (low, high)
cross join lateral (
    select seq, name, source, occurred_at, received_at, job_id, data, octet_length(raw) as size
    from events
    where seq between low and high
    order by seq
    limit :limit
) e
left join jobs j on j.id = e.job_id
order by e.seq
limit :limit;
