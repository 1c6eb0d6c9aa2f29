-- name: insert_result$
-- Make a result; null where the same key has made one of this task.
insert into results (task_id, times, run, parameters, request, repeats, credential, request_key)
values (:task_id, :times, :run::jsonb, :parameters::jsonb, :request::jsonb, :repeats, :credential,
    :request_key)
on conflict (task_id, request_key) do nothing
returning id;

-- name: result_of_key^
-- The result that a request with this key made of a task, and what was asked for.
select id, request from results where task_id = :task_id and request_key = :request_key;

-- name: result_asked^
-- What a result runs, and whether its task is there still.
select t.name, r.run, t.deleted_at is not null as deleted
from results r join tasks t on t.id = r.task_id
where r.id = :id;

-- name: find_results
-- A page of results, the newest first, each with the sums over its runs, which are kept of what is
-- over; filters may be null. Of a run that is tried again, the first attempt is when it began.
select r.id, r.task_id, t.name as task, r.times, r.parameters, r.run->>'image' as image, r.repeats,
    r.credential, r.submitted_at, s.queued, s.running, s.waiting_again, s.found,
    coalesce(r.complete, s.complete) as complete, coalesce(r.error, s.error) as error,
    coalesce(r.cancelled, s.cancelled) as cancelled, coalesce(r.killed, s.killed) as killed,
    coalesce(r.started_at, s.started_at) as started_at,
    coalesce(r.finished_at, s.finished_at) as finished_at
from (
    select *
    from results
    where (:id::bigint is null or id = :id)
        and (:task_id::bigint is null or task_id = :task_id)
        and (:before::bigint is null or id < :before)
    order by id desc
    limit :limit
) r
join tasks t on t.id = r.task_id
cross join lateral (
    select count(*) as found,
        count(*) filter (where j.phase = 'QUEUED') as queued,
        count(*) filter (where j.phase = 'RUNNING') as running,
        count(*) filter (where j.phase = 'COMPLETE') as complete,
        count(*) filter (where j.phase = 'ERROR') as error,
        count(*) filter (where j.state = 'CANCELLED') as cancelled,
        count(*) filter (where j.state = 'KILLED') as killed,
        count(*) filter (where j.phase = 'QUEUED' and x.attempt > 1) as waiting_again,
        min(case when x.attempt > 1 then (
                select min(a.begun_at) from execution_attempts a where a.job_id = x.job_id
            ) else j.started_at end) as started_at,
        max(j.finished_at) as finished_at
    from executions x
    join jobs j on j.id = x.job_id
    where x.result_id = r.id and r.finished_at is null
) s
order by r.id desc;

-- name: keep_sums!
-- Keep the sums over the runs of results that are over.
update results r set complete = s.complete, error = s.error, cancelled = s.cancelled,
    killed = s.killed, started_at = s.started_at, finished_at = s.finished_at
from unnest(:id::bigint[], :complete::integer[], :error::integer[], :cancelled::integer[],
    :killed::integer[], :started_at::timestamptz[], :finished_at::timestamptz[])
    as s (id, complete, error, cancelled, killed, started_at, finished_at)
where r.id = s.id and r.finished_at is null;

-- name: find_details
-- A page of the runs of a result by their numbers, from behind one; states may be null.
select j.id as job_id, r.task_id, x.result_id, x.number, x.task, x.image, x.attempt, x.node,
    x.exit_signal, j.state, j.phase, j.closed, j.submitted_at, j.started_at, j.finished_at,
    j.exit_code, j.reason
from executions x
join jobs j on j.id = x.job_id
join results r on r.id = x.result_id
where x.result_id = :result_id
    and (:after::bigint is null or x.number > :after)
    and (:states::text[] is null or j.state = any(:states::text[]))
order by x.number
limit :limit;

-- name: detail^
-- One run of a result, and what it waits for while nobody has it: its image, which was refused; the
-- time at which it is due; or a worker, where has_worker says whether one lives that may take it.
select j.id as job_id, r.task_id, x.result_id, x.number, x.task, x.image, x.attempt, x.node,
    x.exit_signal, j.state, j.phase, j.closed, j.submitted_at, j.started_at, j.finished_at,
    j.exit_code, j.reason, case when q.node is null then q.due_at end as due_at,
    case when q.begun_at is null then q.refused_at end as refused_at,
    case when q.begun_at is null then q.refusal end as refusal, q.labels,
    q.node is null and q.due_at > clock_timestamp() as is_early,
    exists (
        select from nodes n
        where n.seen_at > clock_timestamp() - interval '60 seconds' and n.ended_at is null
            and 'container' = any(n.kinds) and q.labels <@ n.labels and not n.draining
    ) as has_worker
from executions x
join jobs j on j.id = x.job_id
join results r on r.id = x.result_id
left join execution_queue q on q.job_id = x.job_id
where x.result_id = :result_id and x.number = :number;

-- name: begun_of_result
-- The runs of a result, or the one of this number, that were begun and are not over.
select q.job_id
from executions x
join execution_queue q on q.job_id = x.job_id
where x.result_id = :result_id and (:number::bigint is null or x.number = :number)
    and q.begun_at is not null
order by x.number;
