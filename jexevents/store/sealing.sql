-- name: find_sealable
-- Jobs behind ``after`` whose story can be sealed, in the order of their ids.
select id
from jobs
where id > :after and closed and sealed_seq is null and finished_at < :before
order by id
limit :limit;

-- name: lock_sealable
-- Lock these jobs, in the order in which all writers do; give those that can still be sealed.
select id, kind, key, source, sealed_seq, state, closed, submitter, submitted_at, started_at,
    finished_at, exit_code, reason, phase, fold_at, fold_rank, fold_checksum, fold_log,
    fold_offset, fold_logs
from jobs
where id = any(:ids::uuid[]) and closed and sealed_seq is null and finished_at < :before
order by kind, key
for update;

-- name: drop_stories!
-- Remove all events of these jobs, and with them where they stand in their logs.
delete from events
where coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid) = any(:job_ids::uuid[]);

-- name: insert_sealed!
-- Put one event in the place of each story, and its number into the job.
with sealed as (
    insert into events (job_id, checksum, source, name, occurred_at, received_at, data, raw)
    select job_id, checksum, source, :name, now(), now(), data::jsonb, ''
    from unnest(:job_ids::uuid[], :checksums::bytea[], :sources::text[], :data::text[])
        as new (job_id, checksum, source, data)
    returning seq, job_id
)
update jobs set sealed_seq = sealed.seq
from sealed
where jobs.id = sealed.job_id;
