-- name: one_snapshot!
-- What follows in this transaction sees one moment, however long it takes.
set transaction isolation level repeatable read read only;
set local statement_timeout to 0;

-- name: count_jobs$
-- How many jobs there are to look at; each filter may be null.
select count(*)
from jobs
where (:keys::text[] is null or (kind = any(:kinds::text[]) and key = any(:keys::text[])))
    and (:kinds::text[] is null or kind = any(:kinds::text[]))
    and (:since::timestamptz is null or coalesce(submitted_at, created_at) >= :since)
    and (:until::timestamptz is null or coalesce(submitted_at, created_at) < :until);

-- name: page_of_jobs
-- Jobs as they stand, behind the one with the id ``after``, in the order of their ids.
select id, kind, key, source, sealed_seq, state, closed, submitter, submitted_at, started_at,
    finished_at, exit_code, reason, phase, fold_at, fold_rank, fold_checksum, fold_log,
    fold_offset, fold_logs
from jobs
where id > :after
    and (:keys::text[] is null or (kind = any(:kinds::text[]) and key = any(:keys::text[])))
    and (:kinds::text[] is null or kind = any(:kinds::text[]))
    and (:since::timestamptz is null or coalesce(submitted_at, created_at) >= :since)
    and (:until::timestamptz is null or coalesce(submitted_at, created_at) < :until)
order by id
limit :limit;

-- name: stories_of
-- The events of these jobs, job by job, as ``story`` has them, and what their identity is of.
select e.job_id, e.seq, e.source, e.raw, e.name, e.occurred_at, e.occurred_offset,
    e.occurred_alt, e.checksum, e.data, p.log, p."offset"
from events e
left join lateral (
    select log, "offset" from event_positions where seq = e.seq order by log collate "C" limit 1
) p on true
where coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid) = any(:ids::uuid[])
order by coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid);

-- name: stories_between
-- The same for all jobs behind ``after`` up to ``last``, whether there is such a job or not.
select e.job_id, e.seq, e.source, e.raw, e.name, e.occurred_at, e.occurred_offset,
    e.occurred_alt, e.checksum, e.data, p.log, p."offset"
from events e
left join lateral (
    select log, "offset" from event_positions where seq = e.seq order by log collate "C" limit 1
) p on true
where coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid) > :after
    and coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid) <= :last
order by coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid);

-- name: events_of_no_job
-- A page of the events that belong to no job, in the order of their checksums.
select seq, source, raw, name, checksum
from events
where coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid)
        = '00000000-0000-0000-0000-000000000000'
    and checksum > :after
order by checksum
limit :limit;
