-- name: execution_facts
-- What only executions have, for these jobs; read after the jobs are locked.
select job_id, definition, commit, attempt, status, node, claim, exit_signal
from executions where job_id = any(:ids::uuid[]);

-- name: execution_rows
-- The same for jobs of which the row may be missing; found says whether they have it.
select j.id, e.job_id is not null as found, e.execution, e.definition, e.commit, e.attempt,
    e.status, e.node, e.claim, e.exit_signal
from jobs j left join executions e on e.job_id = j.id
where j.id = any(:ids::uuid[]);

-- name: save_execution_facts!
-- Write what the fold says of what only executions have.
insert into executions (job_id, execution, definition, commit, attempt, status, node, claim,
    exit_signal)
select *
from unnest(:job_id::uuid[], :execution::bigint[], :definition::text[], :commit::text[],
    :attempt::integer[], :status::text[], :node::text[], :claim::bigint[],
    :exit_signal::bigint[])
on conflict (job_id) do update set definition = excluded.definition, commit = excluded.commit,
    attempt = excluded.attempt, status = excluded.status, node = excluded.node,
    claim = excluded.claim, exit_signal = excluded.exit_signal;

-- name: execution_record^
-- An execution by its definition and its id in microseconds.
select j.id as job_id, x.execution, x.definition, x.commit, x.attempt, x.status, x.node,
    x.exit_signal, j.state, j.phase, j.closed, j.submitter, j.submitted_at, j.started_at,
    j.finished_at, j.exit_code, j.reason
from executions x join jobs j on j.id = x.job_id
where x.execution = :execution and x.definition = :definition;

-- name: execution_attempts
-- The attempts of an execution that were begun, the first one first.
select attempt, node, boot, begun_at, sequence, settled_at, stdout_bytes, stderr_bytes,
    missing_bytes, removed_at
from execution_attempts where job_id = :job_id order by attempt;
