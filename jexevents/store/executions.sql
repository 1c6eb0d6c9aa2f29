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
-- An execution by its definition and its id in microseconds; due_at while nobody has it. What it
-- waits for: behind is another one of its job, in the order of next_in_line.
select j.id as job_id, x.execution, x.definition, x.commit, x.attempt, x.status, x.node,
    x.exit_signal, j.state, j.phase, j.closed, j.submitter, j.submitted_at, j.started_at,
    j.finished_at, j.exit_code, j.reason, case when q.node is null then q.due_at end as due_at,
    case when q.begun_at is null then q.refused_at end as refused_at,
    case when q.begun_at is null then q.refusal end as refusal,
    q.node is null and q.due_at > clock_timestamp() as is_early, ahead.execution as behind
from executions x
join jobs j on j.id = x.job_id
left join execution_queue q on q.job_id = x.job_id
left join lateral (
    select other.execution
    from execution_queue other
    where q.exclusive and q.node is null
        and other.definition = q.definition and other.job_id <> q.job_id
        and (other.node is not null
            or (other.attempt > 1, other.priority, -other.execution)
                > (q.attempt > 1, q.priority, -q.execution))
    order by other.node is null, other.attempt = 1, other.priority desc, other.execution
    limit 1
) ahead on true
where x.execution = :execution and x.definition = :definition;

-- name: execution_attempts
-- The attempts of an execution that were begun, the first one first.
select attempt, node, boot, begun_at, sequence, settled_at, stdout_bytes, stderr_bytes,
    missing_bytes, removed_at
from execution_attempts where job_id = :job_id order by attempt;

-- name: execution_of_event^
-- The execution that an event made, and what it was asked for with.
select x.job_id, x.execution, e.data
from events e join executions x on x.job_id = e.job_id
where e.seq = :seq;

-- name: execution_story
-- The events of an execution, the first stored first, behind the number ``after``.
select e.seq, e.name, e.occurred_at, e.received_at, e.data
from events e
where e.job_id = :job_id and e.seq > :after
order by e.seq
limit :limit;

-- name: last_named^
-- The event of this name that an execution had last, and how many it has had.
select e.seq, e.name, e.occurred_at, e.received_at, e.data, count(*) over () as found
from events e
where e.job_id = :job_id and e.name = :name
order by (e.data->>'attempt')::bigint desc, (e.data->>'sequence')::bigint desc, e.seq desc
limit 1;

-- name: execution_event^
-- The event of an execution with this identity.
select name, data from events where job_id = :job_id and checksum = :checksum;

-- name: asked_with$
-- What an execution was asked for with; null once its events were pruned.
select e.data from events e
where e.job_id = :job_id and e.name = 'requested' and e.data->>'auto' = 'true'
order by e.seq
limit 1;

-- name: find_executions
-- A page of the executions of a job, the newest first; each filter may be null.
select j.id as job_id, x.execution, x.definition, x.commit, x.attempt, x.status, x.node,
    x.exit_signal, j.state, j.phase, j.closed, j.submitter, j.submitted_at, j.started_at,
    j.finished_at, j.exit_code, j.reason
from executions x join jobs j on j.id = x.job_id
where x.definition = :definition
    and (:state::text is null or j.state = :state)
    and (:phase::text is null or j.phase = :phase)
    and (:before::bigint is null or x.execution < :before)
order by x.execution desc
limit :limit;

-- name: last_executions
-- The newest execution of each of these jobs.
select name, j.state, j.phase, j.closed, x.execution, j.started_at, j.finished_at
from unnest(:names::text[]) as asked (name)
cross join lateral (
    select * from executions where definition = name order by execution desc limit 1
) x
join jobs j on j.id = x.job_id;

-- name: queued^
-- Where an execution that is not over stands.
select attempt, node, claim, lease_until, begun_at, due_at
from execution_queue where job_id = :job_id;

-- name: definition_states
-- Which jobs were taken off the active list or put back, when and by whom.
select name, active, changed_at, credential from definition_states;

-- name: set_active!
-- Take a job off the active list, or put it back; nothing changes if it is so already.
insert into definition_states (name, active, credential) values (:name, :active, :credential)
on conflict (name) do update set active = excluded.active, changed_at = clock_timestamp(),
    credential = excluded.credential
where definition_states.active <> excluded.active;

-- name: commit_in_force^
-- Which definitions are in force for all daemons.
select commit, commit_since, commit_node from runner_state;

-- name: put_commit_in_force!
-- Note that a daemon has put these definitions in force, for all.
update runner_state set commit = :commit, commit_since = clock_timestamp(), commit_node = :node
where commit is distinct from :commit and (:first::boolean is false or commit is null);

-- name: execution_details^
-- What only an execution has.
select definition, commit, attempt, status, node, exit_signal from executions where job_id = :id;
