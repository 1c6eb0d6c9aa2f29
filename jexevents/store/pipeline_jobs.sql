-- name: pipeline_facts
-- What only PipelineJobs have, for these jobs; read after the jobs are locked.
select job_id, pipeline_uuid, archive_path, archive_system, session, agent, task, data, last_event,
    updated_at, after_error, sent
from pipeline_jobs
where job_id = any(:ids::uuid[]);

-- name: pipeline_rows
-- The same for jobs of which the row may be missing; found says whether they have it.
select j.id, p.job_id is not null as found, p.pipeline_uuid, p.archive_path, p.archive_system,
    p.session, p.agent, p.task, p.data, p.last_event, p.updated_at, p.after_error, p.sent
from jobs j left join pipeline_jobs p on p.job_id = j.id
where j.id = any(:ids::uuid[]);

-- name: save_pipeline_facts!
-- Write what the fold says of what only PipelineJobs have.
insert into pipeline_jobs (job_id, pipeline_uuid, archive_path, archive_system, session, agent,
    task, data, last_event, updated_at, after_error, sent)
select job_id, pipeline_uuid, archive_path, archive_system, session, agent, task, data::jsonb,
    last_event, updated_at, after_error, sent
from unnest(
    :job_id::uuid[], :pipeline_uuid::text[], :archive_path::text[], :archive_system::text[],
    :session::text[], :agent::text[], :task::text[], :data::text[], :last_event::text[],
    :updated_at::timestamptz[], :after_error::boolean[], :sent::text[]
) as new (job_id, pipeline_uuid, archive_path, archive_system, session, agent, task, data,
    last_event, updated_at, after_error, sent)
on conflict (job_id) do update set
    pipeline_uuid = excluded.pipeline_uuid, archive_path = excluded.archive_path,
    archive_system = excluded.archive_system, session = excluded.session,
    agent = excluded.agent, task = excluded.task, data = excluded.data,
    last_event = excluded.last_event, updated_at = excluded.updated_at,
    after_error = excluded.after_error, sent = excluded.sent;

-- name: job_tokens
-- The hashes of the own tokens of the jobs with these keys.
select j.key, p.token_sha256
from jobs j join pipeline_jobs p on p.job_id = j.id
where j.kind = 'pipeline' and j.key = any(:keys::text[]);

-- name: give_token!
-- Give a job its token, in the place of the one that it had.
update pipeline_jobs set token_sha256 = :sha256 where job_id = :id;

-- name: show!
-- Have a job that is hidden shown again.
update pipeline_jobs set hidden_at = null where job_id = :id and hidden_at is not null;

-- name: pipeline_job^
-- One PipelineJob whole, by its UUID.
select j.id, j.key, j.state, j.phase, j.submitter, j.submitted_at, j.started_at, j.finished_at,
    j.reason, j.sealed_seq is not null as sealed, p.pipeline_uuid, p.archive_path,
    p.archive_system, p.session, p.agent, p.task, p.data, p.last_event, p.updated_at, p.hidden_at
from jobs j join pipeline_jobs p on p.job_id = j.id
where j.kind = 'pipeline' and j.key = :key;

-- name: find_pipeline_jobs
-- A page of PipelineJobs, the newest rows of the ledger first; each filter may be null.
select j.id, j.key, j.state, j.phase, j.submitter, j.submitted_at, j.started_at, j.finished_at,
    j.reason, j.sealed_seq is not null as sealed, p.pipeline_uuid, p.archive_path,
    p.archive_system, p.session, p.agent, p.task, p.data, p.last_event, p.updated_at, p.hidden_at
from jobs j join pipeline_jobs p on p.job_id = j.id
where (:hidden or p.hidden_at is null)
    and (:state::text is null or j.state = :state)
    and (:pipeline::text is null or p.pipeline_uuid = :pipeline)
    and (:session::text is null or p.session = :session)
    and (:since::timestamptz is null or j.submitted_at >= :since)
    and (:until::timestamptz is null or j.submitted_at < :until)
    and (:before::uuid is null or j.id < :before)
order by j.id desc
limit :limit;

-- name: outline
-- All events of a job, for the fold that shows its steps: without what they say, save the sealed
-- one, which says what came before it. bytes is about how long what they say is.
select e.name, e.occurred_at, e.occurred_offset, e.occurred_alt, e.checksum,
    case when e.name = 'sealed' then e.data else '{}' end as data, p.log, p."offset",
    e.seq, octet_length(e.raw) as bytes
from events e
left join lateral (
    select log, "offset" from event_positions where seq = e.seq order by log collate "C" limit 1
) p on true
where coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid) = :job_id
order by e.seq;

-- name: told
-- What some events say, and when and from whom it came.
select seq, source, name, occurred_at, received_at, checksum, data
from events
where seq = any(:seqs::bigint[]);

-- name: hide!
-- Leave a job out of what is shown.
update pipeline_jobs set hidden_at = now() where job_id = :id and hidden_at is null;

-- name: lock_job
-- Hold a job, so that nobody adds to it.
select id from jobs where id = :id for update;

-- name: remove_events!
-- Remove all events of a job.
delete from events
where coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid) = :id;

-- name: remove_job!
-- Remove a job, and what only its kind has of it.
delete from jobs where id = :id;
