-- name: lock_jobs
-- Find and lock the jobs with these kinds and keys, in the order of their keys, so that two
-- writers never wait for each other crosswise.
select id, kind, key, sealed_seq, state, closed, submitter, submitted_at, started_at, finished_at,
    exit_code, reason, fold_at, fold_rank, fold_checksum, fold_log, fold_offset, fold_logs
from jobs
where (kind, key) in (select * from unnest(:kinds::text[], :keys::text[]))
order by kind, key
for update;

-- name: insert_jobs
-- Make jobs with the state that their first events give; who was first with a key stays.
insert into jobs (id, kind, key, source, state, phase, closed, submitter, submitted_at, started_at,
    finished_at, exit_code, reason, fold_at, fold_rank, fold_checksum, fold_log, fold_offset,
    fold_logs)
select * from unnest(
    :id::uuid[], :kind::text[], :key::text[], :source::text[], :state::text[], :phase::text[],
    :closed::boolean[], :submitter::text[], :submitted_at::timestamptz[],
    :started_at::timestamptz[], :finished_at::timestamptz[], :exit_code::bigint[],
    :reason::text[], :fold_at::timestamptz[], :fold_rank::smallint[], :fold_checksum::bytea[],
    :fold_log::text[], :fold_offset::bigint[], :fold_logs::boolean[])
on conflict (kind, key) do nothing
returning id;

-- name: update_jobs!
-- Write the folded states of jobs that are locked.
update jobs set
    state = new.state, phase = new.phase, closed = new.closed, submitter = new.submitter,
    submitted_at = new.submitted_at, started_at = new.started_at,
    finished_at = new.finished_at, exit_code = new.exit_code, reason = new.reason,
    fold_at = new.fold_at, fold_rank = new.fold_rank, fold_checksum = new.fold_checksum,
    fold_log = new.fold_log, fold_offset = new.fold_offset, fold_logs = new.fold_logs,
    updated_at = now()
from unnest(
    :id::uuid[], :state::text[], :phase::text[], :closed::boolean[], :submitter::text[],
    :submitted_at::timestamptz[], :started_at::timestamptz[], :finished_at::timestamptz[],
    :exit_code::bigint[], :reason::text[], :fold_at::timestamptz[], :fold_rank::smallint[],
    :fold_checksum::bytea[], :fold_log::text[], :fold_offset::bigint[], :fold_logs::boolean[]
) as new (id, state, phase, closed, submitter, submitted_at, started_at, finished_at, exit_code,
    reason, fold_at, fold_rank, fold_checksum, fold_log, fold_offset, fold_logs)
where jobs.id = new.id;

-- name: job_by_id^
-- One job of any kind.
select id, kind, key, source, state, phase, closed, submitter, submitted_at, started_at,
    finished_at, exit_code, reason, sealed_seq is not null as sealed, created_at, updated_at
from jobs
where id = :id;

-- name: find_jobs
-- A page of jobs, the newest rows of the ledger first; each filter may be null.
select id, kind, key, source, state, phase, closed, submitter, submitted_at, started_at,
    finished_at, exit_code, reason, sealed_seq is not null as sealed, created_at, updated_at
from jobs
where (:kind::text is null or kind = :kind)
    and (:phase::text is null or phase = :phase)
    and (:state::text is null or state = :state)
    and (:key::text is null or key = :key)
    and (:source::text is null or source = :source)
    and (:submitter::text is null or submitter = :submitter)
    and (:since::timestamptz is null or coalesce(submitted_at, created_at) >= :since)
    and (:until::timestamptz is null or coalesce(submitted_at, created_at) < :until)
    and (:before::uuid is null or id < :before)
order by id desc
limit :limit;

-- name: state_of^
-- What is asked most: how it stands with the job that an invocation id stands for (the rule is
-- that of job_of_invocation), or that has this id itself.
select j.phase, j.finished_at
from jobs j
where j.id = coalesce(
    (
        select k.id
        from invocations i join jobs k on k.id = i.job_id join condor_jobs c on c.job_id = k.id
        where i.invocation_id = :asked
        order by k.submitted_at desc nulls last, c.cluster desc, c.proc desc, k.key
        limit 1
    ),
    :asked);

-- name: search_jobs
-- Jobs between two ids, the newest first; each filter may be null, and so may the ids.
select id, kind, key, source, state, phase, closed, submitter, submitted_at, started_at,
    finished_at, exit_code, reason, created_at, updated_at
from jobs
where (:kind::text is null or kind = :kind)
    and (:phase::text is null or phase = :phase)
    and (:state::text is null or state = :state)
    and (:source::text is null or source = :source)
    and (:submitter::text is null or submitter = :submitter)
    and (:since::timestamptz is null or coalesce(submitted_at, created_at) >= :since)
    and (:until::timestamptz is null or coalesce(submitted_at, created_at) < :until)
    and (:text::text is null or strpos(lower(key), lower(:text)) > 0
        or strpos(lower(submitter), lower(:text)) > 0
        or strpos(lower(source), lower(:text)) > 0)
    and (:before::uuid is null or id < :before)
    and (:floor::uuid is null or id >= :floor)
order by id desc
limit :limit;

-- name: nth_job$
-- The id of the job behind so many others, from the newest on; of one submitter where one is given.
select id
from jobs
where (:before::uuid is null or id < :before)
    and (:submitter::text is null or submitter = :submitter)
order by id desc
offset :span limit 1;

-- name: jobs_within$
-- How many jobs were submitted within a time (arrived, where that is unknown), :most at most.
select count(*)
from (
    select from jobs
    where (:since::timestamptz is null or coalesce(submitted_at, created_at) >= :since)
        and (:until::timestamptz is null or coalesce(submitted_at, created_at) < :until)
    limit :most
) few;

-- name: jobs_named
-- Jobs of which this is the key, the number in HTCondor (where no source stands before it), the id
-- or an invocation id; filters as in search_jobs.
select id, kind, key, source, state, phase, closed, submitter, submitted_at, started_at,
    finished_at, exit_code, reason, created_at, updated_at
from jobs
where id in (
        select id from jobs where key = :key
        union all select :uuid::uuid
        union all select job_id from invocations where invocation_id = :uuid::uuid)
    and (:kind::text is null or kind = :kind)
    and (:phase::text is null or phase = :phase)
    and (:state::text is null or state = :state)
    and (:source::text is null or source = :source)
    and (:submitter::text is null or submitter = :submitter)
    and (:since::timestamptz is null or coalesce(submitted_at, created_at) >= :since)
    and (:until::timestamptz is null or coalesce(submitted_at, created_at) < :until)
order by id desc
limit 10;
