-- name: lock_definition
-- Keep others from asking for executions of this job until this transaction ends.
select pg_advisory_xact_lock(hashtext('jexevents job ' || current_schema()), hashtext(:name));

-- name: lock_claims
-- Keep others from claiming until this transaction ends: so of those that exclude each other one
-- is taken, whoever looks.
select pg_advisory_xact_lock(hashtext('jexevents claims'), hashtext(current_schema()));

-- name: inactive_jobs
-- Which of these jobs are off the active list, and since when.
select name, changed_at from definition_states where name = any(:names::text[]) and not active;

-- name: going_on
-- The executions of a job that are not over, the first asked for first.
select execution, node, begun_at from execution_queue where definition = :definition
    and execution <> all(:but::bigint[])
order by execution
limit 20;

-- name: enqueue!
-- Have executions wait for somebody who takes them; delays are seconds.
insert into execution_queue (job_id, execution, definition, attempt, priority, exclusive, due_at,
    run)
select job_id, execution, definition, 1, priority, exclusive, clock_timestamp(), run::jsonb
from unnest(:job_ids::uuid[], :executions::bigint[], :definitions::text[],
    :priorities::integer[], :exclusives::boolean[], :runs::text[])
    as new (job_id, execution, definition, priority, exclusive, run);

-- name: next_due_execution$
-- In how many seconds the first of what waits may be begun; null if nothing waits. With later, of
-- what may not be begun yet.
select extract(epoch from min(due_at) - clock_timestamp())::float8
from execution_queue where node is null and (not :later or due_at > clock_timestamp());

-- name: next_in_line
-- What can be claimed now, in its order, locked. Of those that exclude each other it is the first:
-- what is tried again has begun, and goes before all.
select q.job_id, q.execution, q.definition, q.attempt, q.claim + 1 as claim, q.run
from execution_queue q
where q.node is null and q.due_at <= clock_timestamp()
    and q.run->>'commit' <> all(:but_commits::text[])
    and not (q.exclusive and exists (
        select
        from execution_queue other
        where other.definition = q.definition and other.job_id <> q.job_id
            and (other.node is not null
                or (other.attempt > 1, other.priority, -other.execution)
                    > (q.attempt > 1, q.priority, -q.execution))
    ))
order by q.priority desc, q.execution
limit :limit
for update of q skip locked;

-- name: take!
-- Note who has claimed these, and for how long.
update execution_queue q set node = :node, claim = q.claim + 1,
    lease_until = clock_timestamp() + :lease_seconds::float8 * interval '1 second'
where job_id = any(:job_ids::uuid[]);

-- name: begin_attempt$
-- Note that what was claimed begins now, if it is ours still: from here on no lease frees it. So its
-- commit can be had: what was noted of others on it is taken back, save where somebody has them now.
with ours as (
    update execution_queue set begun_at = clock_timestamp(), refused_at = null, refusal = null
    where job_id = :job_id and attempt = :attempt and node = :node and claim = :claim
        and begun_at is null
    returning job_id, attempt, node, begun_at, run->>'commit' as commit
), refused as (
    select q.job_id
    from execution_queue q join ours on q.run->>'commit' = ours.commit
    where q.refused_at is not null and q.job_id <> :job_id
    for update of q skip locked
), well as (
    update execution_queue q set refused_at = null, refusal = null
    from refused where q.job_id = refused.job_id
)
insert into execution_attempts (job_id, attempt, node, boot, begun_at)
select job_id, attempt, node, :boot, begun_at from ours
returning true;

-- name: give_back!
-- Let others have what was claimed and not begun, at once or in so many seconds.
update execution_queue set node = null, lease_until = null,
    due_at = clock_timestamp() + :delay_seconds::float8 * interval '1 second'
where job_id = any(:job_ids::uuid[]) and node = :node and begun_at is null;

-- name: note_refusal!
-- Note why what waits on a commit was not begun; if the refusal counts, since when that commit
-- cannot be had. What somebody has just now is noted the next time.
update execution_queue q set
    refused_at = case when :counts then coalesce(q.refused_at, clock_timestamp())
        else q.refused_at end,
    refusal = case when :counts or q.refused_at is null then :why else q.refusal end
where q.job_id in (
    select waiting.job_id from execution_queue waiting
    where waiting.node is null and waiting.due_at <= clock_timestamp()
        and waiting.run->>'commit' = :commit
    for update skip locked
);

-- name: refused_for
-- What waits on a commit that was first refused so long ago, locked.
select q.job_id, q.execution, q.definition, q.attempt, q.priority, q.node, q.claim, q.begun_at,
    q.run, q.refusal, extract(epoch from clock_timestamp() - q.refused_at)::float8 as ago
from execution_queue q
where q.node is null and q.run->>'commit' = :commit
    and q.refused_at <= clock_timestamp() - :seconds::float8 * interval '1 second'
order by q.job_id
limit :limit
for update skip locked;

-- name: give_back_all!
-- Let others have all that this node claimed, in an earlier life, and did not begin.
update execution_queue set node = null, lease_until = null
where node = :node and begun_at is null;

-- name: unsettled
-- The attempts that were begun on a node and whose end is not known, with what runs.
select a.job_id, a.attempt, a.boot, a.sequence, x.execution, x.definition, q.run,
    q.job_id is not null as current
from execution_attempts a
join executions x on x.job_id = a.job_id
left join execution_queue q
    on q.job_id = a.job_id and q.attempt = a.attempt and q.node = a.node
where a.node = :node and a.settled_at is null
order by x.execution;

-- name: lock_queued
-- What waits or is begun of these executions, locked.
select job_id, execution, definition, attempt, priority, node, claim, begun_at, run
from execution_queue where job_id = any(:job_ids::uuid[])
order by job_id
for update;

-- name: note_reports!
-- Note how far attempts are known, how much they wrote, and which of them are over.
update execution_attempts a set
    sequence = greatest(a.sequence, r.sequence),
    stdout_bytes = coalesce(r.stdout_bytes, a.stdout_bytes),
    stderr_bytes = coalesce(r.stderr_bytes, a.stderr_bytes),
    missing_bytes = coalesce(r.missing_bytes, a.missing_bytes),
    settled_at = case when r.settled then coalesce(a.settled_at, clock_timestamp())
        else a.settled_at end
from unnest(:job_ids::uuid[], :attempts::integer[], :sequences::bigint[],
    :stdouts::bigint[], :stderrs::bigint[], :missings::bigint[], :settled::boolean[])
    as r (job_id, attempt, sequence, stdout_bytes, stderr_bytes, missing_bytes, settled)
where a.job_id = r.job_id and a.attempt = r.attempt;

-- name: leave_queue!
-- Take out what is over.
delete from execution_queue where job_id = any(:job_ids::uuid[]);

-- name: try_again!
-- Have an execution wait for its next attempt.
update execution_queue set attempt = :attempt, claim = 0, node = null, lease_until = null,
    begun_at = null,
    due_at = clock_timestamp() + :delay_seconds::float8 * interval '1 second'
where job_id = :job_id;

-- name: known_sequence$
-- The last number that is known of an attempt's own events; null where it was not begun.
select sequence from execution_attempts where job_id = :job_id and attempt = :attempt;

-- name: judge^
-- Note that somebody looks, and say whether leases and nodes can be judged: not before a whole
-- lease has passed in which PostgreSQL was there. Others may have looked a moment ago.
update runner_state set
    judged_from = case
        when judged_at is null
            or abs(extract(epoch from clock_timestamp() - judged_at)) > :gap_seconds::float8
            then clock_timestamp() + :lease_seconds::float8 * interval '1 second'
        else judged_from
    end,
    judged_at = clock_timestamp()
returning clock_timestamp() >= judged_from
    and clock_timestamp() >= pg_postmaster_start_time()
        + :lease_seconds::float8 * interval '1 second' as may_judge;

-- name: free_expired
-- Let others have what was claimed, not begun, and not heard of since.
update execution_queue set node = null, lease_until = null
where begun_at is null and lease_until < clock_timestamp()
returning execution, definition;

-- name: silent
-- What was begun on nodes that have not been heard of for so long.
select q.job_id, q.execution, q.definition, q.attempt, q.node, q.run,
    extract(epoch from clock_timestamp() - coalesce(n.seen_at, q.begun_at))::float8 as seconds
from execution_queue q
left join nodes n on n.name = q.node and n.role = 'daemon'
where q.begun_at is not null
    and coalesce(n.seen_at, q.begun_at)
        < clock_timestamp() - :lease_seconds::float8 * interval '1 second'
    and q.begun_at < clock_timestamp() - :lease_seconds::float8 * interval '1 second'
order by q.execution
limit 100;

-- name: replaced
-- What has to make room for a newer execution of its job that replaces those before it; of all
-- jobs where no names are given.
select old.job_id, old.execution, old.definition, old.attempt, old.node, old.begun_at,
    max(new.execution) as newer
from execution_queue old
join execution_queue new
    on new.definition = old.definition and new.execution > old.execution
    and new.run->>'concurrency' = 'replace' and new.node is null
where :definitions::text[] is null or old.definition = any(:definitions::text[])
group by old.job_id
order by old.execution
limit 100;

-- name: held_by
-- The attempts that a node has, begun or not.
select job_id, attempt from execution_queue where node = :node;

-- name: queue_depth^
-- How many executions wait, and how many are in somebody's hands.
select count(*) filter (where node is null) as waiting, count(node) as held from execution_queue;

-- name: order!
-- Ask the node that has an execution for a signal or an event, once by one id.
insert into execution_orders (id, job_id, attempt, node, event, cause, credential)
values (:id, :job_id, :attempt, :node, :event, :cause, :credential)
on conflict (id) do nothing;

-- name: known_order^
-- What was ordered by this id.
select id, job_id, attempt, event, cause, credential from execution_orders where id = :id;

-- name: ordered_seconds_ago$
-- How long ago this was first asked of an attempt; null where it was not.
select extract(epoch from clock_timestamp() - min(asked_at))::float8
from execution_orders
where job_id = :job_id and attempt = :attempt and event = :event;

-- name: has_order$
-- Whether this was asked of an attempt already.
select exists (
    select from execution_orders
    where job_id = :job_id and attempt = :attempt and event = :event
);

-- name: asked_to_end$
-- Whether somebody wants this attempt to end, be the order carried out or not.
select exists (
    select from execution_orders
    where job_id = :job_id and attempt = :attempt and event in ('terminate', 'kill')
);

-- name: open_orders
-- What a node was asked for and has not done.
select id, job_id, attempt, event, cause, credential
from execution_orders where node = :node and done_at is null
order by asked_at
limit 100;

-- name: order_done!
-- Note what became of an order.
update execution_orders set done_at = clock_timestamp(), answer = :answer::jsonb where id = :id;

-- name: order_answer$
-- What became of an order; null while it is open.
select answer from execution_orders where id = :id;

-- name: outdated
-- The attempts whose files on a node have been kept for long enough.
select job_id, attempt from execution_attempts
where node = :node and removed_at is null
    and settled_at < clock_timestamp() - :keep_seconds::float8 * interval '1 second'
order by settled_at
limit 100;

-- name: files_removed!
-- Note that the files of attempts are gone.
update execution_attempts a set removed_at = clock_timestamp()
from unnest(:job_ids::uuid[], :attempts::integer[]) as gone (job_id, attempt)
where a.job_id = gone.job_id and a.attempt = gone.attempt;

-- name: forget_orders!
-- Remove orders that were done long ago.
delete from execution_orders where done_at < clock_timestamp() - interval '7 days';

-- name: kept_on
-- The attempts that have files on a node.
select job_id, attempt, settled_at from execution_attempts
where node = :node and removed_at is null;
