-- name: insert_rejects!
-- Keep what could not be accepted, with every reason.
insert into rejects (received_at, origin, source, credential, reasons, properties, body, size,
    sha256, cut)
select received_at, origin, source, credential, reasons::jsonb, properties::jsonb, body, size,
    sha256, cut
from unnest(
    :received_at::timestamptz[], :origin::text[], :source::text[], :credential::text[],
    :reasons::text[], :properties::text[], :body::bytea[], :size::bigint[], :sha256::bytea[],
    :cut::boolean[]
) as new (received_at, origin, source, credential, reasons, properties, body, size, sha256, cut);

-- name: find_rejects
-- A page of rejects, the newest first; it ends early past max_bytes of bodies. found says how
-- many rows it would have without that.
select * from (
    select page.*, count(*) over () as found,
        sum(octet_length(body)) over (order by id desc) - octet_length(body) as bytes_before
    from (
        select id, received_at, origin, source, credential, reasons, properties, body, size,
            sha256, cut
        from rejects
        where (:origin::text is null or origin = :origin)
            and (:before::bigint is null or id < :before)
        order by id desc
        limit :limit
    ) page
) counted
where bytes_before < :max_bytes
order by id desc;
