-- name: insert_nonce!
-- Keep a new nonce by its hash.
insert into nonces (id, sha256, note, job_id, max_uses, expires_at)
values (:id, :sha256, :note, :job_id, :max_uses, :expires_at);

-- name: use_nonce^
-- Count one use of a nonce that may be used; gives for which job, null for every one. Two at once
-- wait for each other at the row, so that none is used more often than it may be.
update nonces n set uses = uses + 1
where sha256 = :sha256 and revoked_at is null
    and (expires_at is null or expires_at > now())
    and (max_uses is null or uses < max_uses)
returning n.id, (select key from jobs where jobs.id = n.job_id) as job;

-- name: nonces
-- A page of nonces, the newest first, without what would let anybody in.
select n.id, n.note, j.key as job, n.uses, n.max_uses, n.created_at, n.expires_at, n.revoked_at
from nonces n left join jobs j on j.id = n.job_id
where :before::text is null
    or (n.created_at, n.id) < (select created_at, id from nonces where id = :before)
order by n.created_at desc, n.id desc
limit :limit;

-- name: revoke_nonce!
-- End a nonce; nothing happens to one that has ended.
update nonces set revoked_at = now() where id = :id and revoked_at is null;

-- name: revoke_nonces_of!
-- End the nonces of one job.
update nonces set revoked_at = now() where job_id = :job_id and revoked_at is null;
