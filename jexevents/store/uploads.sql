-- name: insert_upload!
-- Note a file that is about to be in its place.
insert into uploads (id, system, node, path, filename, field, size, sha256, bundle_type,
    bundle_version, manifest, credential, received_at)
values (:id, :system, :node, :path, :filename, :field, :size, :sha256, :bundle_type,
    :bundle_version, :manifest, :credential, :received_at);

-- name: upload_by_id^
-- One upload.
select id, seq, system, node, path, filename, field, size, sha256, bundle_type, bundle_version,
    manifest, credential, received_at
from uploads
where id = :id;

-- name: find_uploads
-- A page of uploads, the newest first; each filter may be null.
select id, seq, system, node, path, filename, field, size, sha256, bundle_type, bundle_version,
    credential, received_at
from uploads
where (:system::text is null or system = :system)
    and (:type::text is null or bundle_type = :type)
    and (:since::timestamptz is null or received_at >= :since)
    and (:until::timestamptz is null or received_at < :until)
    and (:before::bigint is null or seq < :before)
order by seq desc
limit :limit;

-- name: known_uploads
-- Which of these ids are uploads, whoever has their files: a folder may be shared, or a node renamed.
select id from uploads where id = any(:ids::uuid[]);

-- name: url_of_node$
-- Where a node answers HTTP, null where it says nothing of that.
select url from nodes where name = :node and url is not null order by seen_at desc limit 1;

-- name: count_uploads$
-- How many uploads of a node are old.
select count(*) from uploads where node = :node and received_at < :before;

-- name: count_uploads_elsewhere$
-- How many uploads of other nodes are old.
select count(*) from uploads where node <> :node and received_at < :before;

-- name: drop_uploads
-- Forget some old uploads of a node; give where their files are.
delete from uploads
where id = any(array(
    select id
    from uploads
    where node = :node and received_at < :before
    order by received_at
    limit :limit
    for update skip locked
))
returning path;
