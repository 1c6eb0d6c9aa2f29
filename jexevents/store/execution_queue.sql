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
select execution, node, begun_at from execution_queue
where definition = :definition and kind = 'command'
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

-- name: enqueue_containers!
-- Have runs of one task wait for a worker that has these labels.
insert into execution_queue (job_id, execution, definition, attempt, priority, exclusive, due_at,
    run, kind, detail, labels)
select job_id, execution, :task, 1, :priority, false, clock_timestamp(), :run::jsonb, 'container',
    detail, :labels::text[]
from unnest(:job_ids::uuid[], :executions::bigint[], :details::text[])
    as new (job_id, execution, detail);

-- name: next_due_execution$
-- In how many seconds the first of what waits may be begun; null if nothing waits. With later, of
-- what may not be begun yet.
select extract(epoch from min(due_at) - clock_timestamp())::float8
from execution_queue
where node is null and (not :later or due_at > clock_timestamp())
    and kind = any(:kinds::text[]) and labels <@ :labels::text[]
    and coalesce(run->>'commit', run->>'image') <> all(:but::text[]);

-- name: next_in_line
-- What a node can claim now, in its order, locked; nothing while it is drained. Of those that exclude each other it is the first:
-- what is tried again has begun, and goes before all.
select q.job_id, q.execution, q.definition, q.detail, q.attempt, q.claim + 1 as claim, q.run
from execution_queue q
where q.node is null and q.due_at <= clock_timestamp()
    and q.kind = any(:kinds::text[]) and q.labels <@ :labels::text[]
    and coalesce(q.run->>'commit', q.run->>'image') <> all(:but::text[])
    and not exists (select from nodes where name = :node and draining)
    and not (q.exclusive and exists (
        select
        from execution_queue other
        where other.definition = q.definition and other.kind = q.kind
            and other.job_id <> q.job_id
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
-- commit or image can be had: what was noted of others that need it is taken back, save where
-- somebody has them now. Gives for how many seconds it was due; null where it is not ours.
with ours as (
    update execution_queue set begun_at = clock_timestamp(), refused_at = null, refusal = null,
        refused_by = '{}'
    where job_id = :job_id and attempt = :attempt and node = :node and claim = :claim
        and begun_at is null
    returning job_id, attempt, node, begun_at, due_at,
        coalesce(run->>'commit', run->>'image') as needs
), refused as (
    select q.job_id
    from execution_queue q
    join ours on coalesce(q.run->>'commit', q.run->>'image') = ours.needs
    where q.refused_at is not null and q.job_id <> :job_id
    for update of q skip locked
), well as (
    update execution_queue q set refused_at = null, refusal = null, refused_by = '{}'
    from refused where q.job_id = refused.job_id
)
insert into execution_attempts (job_id, attempt, node, boot, begun_at)
select job_id, attempt, node, :boot, begun_at from ours
returning (select extract(epoch from begun_at - due_at)::float8 from ours);

-- name: renew!
-- Have leases of what was claimed and not begun last longer.
update execution_queue set
    lease_until = clock_timestamp() + :lease_seconds::float8 * interval '1 second'
where job_id = any(:job_ids::uuid[]) and node = :node and begun_at is null;

-- name: give_back_one!
-- Let others have one that was claimed and not begun.
update execution_queue set node = null, lease_until = null, due_at = clock_timestamp()
where job_id = :job_id and node = :node and begun_at is null;

-- name: note_refusal!
-- Note why what waits on a commit or image was not begun; if the refusal counts, since when and by
-- whom that cannot be had. What somebody has just now is noted the next time.
update execution_queue q set
    refused_at = case when :counts then coalesce(q.refused_at, clock_timestamp())
        else q.refused_at end,
    refused_by = case when not :counts or :node = any(q.refused_by) then q.refused_by
        else q.refused_by || :node::text end,
    refusal = case when :counts or q.refused_at is null then :why else q.refusal end
where q.job_id in (
    select waiting.job_id from execution_queue waiting
    where waiting.node is null and waiting.due_at <= clock_timestamp()
        and coalesce(waiting.run->>'commit', waiting.run->>'image') = :needs
    for update skip locked
);

-- name: refused_for
-- What waits on a commit or image that was first refused so long ago, locked; an image has to be
-- refused by each worker that lives, has an engine and the labels, and not so long.
select q.job_id, q.execution, q.definition, q.attempt, q.priority, q.node, q.claim, q.begun_at,
    q.run, q.detail, q.refusal, extract(epoch from clock_timestamp() - q.refused_at)::float8 as ago
from execution_queue q
where q.node is null and coalesce(q.run->>'commit', q.run->>'image') = :needs
    and (q.refused_at <= clock_timestamp() - :seconds::float8 * interval '1 second'
        or (q.kind = 'container'
            and q.refused_at <= clock_timestamp() - :image_seconds::float8 * interval '1 second'
            and not exists (
                select from nodes n
                where n.seen_at > clock_timestamp() - interval '60 seconds'
                    and 'container' = any(n.kinds) and n.engine is not null
                    and q.labels <@ n.labels and not n.draining
                    and n.name <> all(q.refused_by))))
order by q.job_id
limit :limit
for update skip locked;

-- name: give_back!
-- Let others have all that this node claimed and did not begin, but for these.
update execution_queue set node = null, lease_until = null
where node = :node and begun_at is null and job_id <> all(:but::uuid[]);

-- name: unsettled
-- The attempts that were begun on a node and whose end is not known, with what runs.
select a.job_id, x.execution, coalesce(x.definition, x.task), coalesce(x.result_id || '/' || x.number, ''),
    a.attempt, a.boot, a.sequence, q.run, q.job_id is not null as current
from execution_attempts a
join executions x on x.job_id = a.job_id
left join execution_queue q
    on q.job_id = a.job_id and q.attempt = a.attempt and q.node = a.node
where a.node = :node and a.settled_at is null
order by x.execution;

-- name: lock_queued
-- What waits or is begun of these executions, locked.
select job_id, execution, definition, attempt, priority, node, claim, begun_at, run, detail
from execution_queue where job_id = any(:job_ids::uuid[])
order by job_id
for update;

-- name: lock_waiting_of_result
-- The same for those of a result, or the one of this number, that were not begun.
select q.job_id, q.execution, q.definition, q.attempt, q.priority, q.node, q.claim, q.begun_at,
    q.run, q.detail
from executions x
join execution_queue q on q.job_id = x.job_id
where x.result_id = :result_id and (:number::bigint is null or x.number = :number)
    and q.begun_at is null
order by q.job_id
for update of q;

-- name: note_reports
-- Note how far attempts are known, how much they wrote, and which of them are over; of those that
-- just came to be it, for how many seconds they had begun.
with before as (
    select job_id, attempt from execution_attempts
    where job_id = any(:job_ids::uuid[]) and settled_at is null
)
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
where a.job_id = r.job_id and a.attempt = r.attempt
returning a.job_id, a.attempt,
    case when r.settled and exists (
        select from before b where b.job_id = a.job_id and b.attempt = a.attempt
    ) then extract(epoch from a.settled_at - a.begun_at)::float8 end;

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
returning execution, definition, detail;

-- name: silent
-- What was begun on nodes that have not been heard of for so long.
select q.job_id, q.execution, q.definition, q.detail, q.attempt, q.node, q.run,
    extract(epoch from clock_timestamp() - coalesce(n.seen_at, q.begun_at))::float8 as seconds
from execution_queue q
left join lateral (select max(seen_at) as seen_at from nodes where name = q.node) n on true
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
    on new.definition = old.definition and new.kind = old.kind and new.execution > old.execution
    and new.run->>'concurrency' = 'replace' and new.node is null
where :definitions::text[] is null or old.definition = any(:definitions::text[])
group by old.job_id
order by old.execution
limit 100;

-- name: held_by
-- The attempts that a node has, begun or not.
select job_id, attempt from execution_queue where node = :node;

-- name: begun_of
-- Which of these attempts are begun, and not over or given up.
select q.job_id, q.attempt
from unnest(:job_ids::uuid[], :attempts::integer[]) as asked (job_id, attempt)
join execution_queue q on q.job_id = asked.job_id and q.attempt = asked.attempt
where q.begun_at is not null;

-- name: ledger_id$
-- What this ledger is called among others.
select ledger::text from runner_state;

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
