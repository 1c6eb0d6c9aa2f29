-- name: insert_deliveries!
-- Put deliveries into the outbox, in this order.
insert into hook_deliveries (hook, message_id, seq, kind, job_id, job)
select hook, message_id, seq, kind, job_id, job::jsonb
from unnest(:hooks::text[], :message_ids::uuid[], :seqs::bigint[], :kinds::text[],
    :job_ids::uuid[], :jobs::text[])
    with ordinality as new (hook, message_id, seq, kind, job_id, job, place)
order by place;

-- name: lock_hooks
-- Keep others from claiming and finishing deliveries of these hooks until this transaction ends;
-- in one order, so that nobody waits crosswise. What comes in does not ask for this lock.
select pg_advisory_xact_lock(hashtext('jexevents hook'), place)
from (
    select distinct hashtext(hook) as place from unnest(:hooks::text[]) as asked (hook)
    order by place
) places;

-- name: claim_deliveries
-- Take what is due of a hook, in the order of the numbers, for so long. Of one job only those are
-- free that have none before them which waits or is somebody else's; what is met of the others is
-- parked. What is sent again is free always. It ends early past max_bytes of what the events say.
with due as materialized (
    select id, case when not redelivered then job_id end as job_id
    from hook_deliveries
    where hook = :hook and state = 'pending' and not parked
        and due_at <= statement_timestamp()
        and (claimed_until is null or claimed_until <= statement_timestamp())
        and not exists (select from hooks where name = :hook and disabled_at is not null)
    order by due_at, id
    limit :look
),
lines as (
    select place.id, bool_and(place.free) over (partition by jobs.job_id order by place.id) as free
    from (select distinct job_id from due where job_id is not null) jobs
    cross join lateral (
        select id, due_at <= statement_timestamp()
            and (claimed_until is null or claimed_until <= statement_timestamp()) as free
        from hook_deliveries
        where hook = :hook and job_id = jobs.job_id and state = 'pending' and not redelivered
        order by id
        limit :limit
    ) place
),
free as materialized (
    select id from lines where free
    union all
    select id from due where job_id is null
),
parked as (
    update hook_deliveries set parked = true
    where id in (
        select id from due where job_id is not null except select id from free
    )
),
first as materialized (
    -- As text, for on the disk they are compressed.
    select d.id, d.seq, octet_length(e.data::text) as bytes
    from (select id from free order by id limit :limit) free
    join hook_deliveries d on d.id = free.id
    left join events e on e.seq = d.seq
),
taken as (
    select * from (
        select id, seq, sum(bytes) over (order by id) - bytes as before from first
    ) measured
    where coalesce(before, 0) < :max_bytes
)
update hook_deliveries d set
    claimed_by = :by, parked = false,
    claimed_until = statement_timestamp() + :lease_seconds::float8 * interval '1 second'
from taken left join events e on e.seq = taken.seq
where d.id = taken.id
returning d.id, d.hook, d.message_id, d.seq, d.kind, d.job_id, d.job, d.created_at,
    d.tried_first_at, extract(epoch from statement_timestamp() - d.tried_first_at)::float8,
    d.attempts, d.claimed_by, d.claimed_until, e.source, e.name, e.occurred_at,
    e.occurred_offset, e.received_at, e.data, e.checksum,
    exists (select from event_identities i where i.seq = e.seq), d.redelivered;

-- name: is_anything_due$
-- Whether there is anything of a hook that the next claim would look at.
select exists (
    select
    from hook_deliveries
    where hook = :hook and state = 'pending' and not parked
        and due_at <= statement_timestamp()
        and (claimed_until is null or claimed_until <= statement_timestamp())
        and not exists (select from hooks where name = :hook and disabled_at is not null)
);

-- name: next_due$
-- In how many seconds something of a hook is to be looked at; null if nothing waits.
select extract(epoch from least(
    (
        select due_at
        from hook_deliveries
        where hook = :hook and state = 'pending' and not parked and claimed_until is null
        order by due_at
        limit 1
    ),
    (
        select claimed_until
        from hook_deliveries
        where hook = :hook and claimed_until is not null
        order by claimed_until
        limit 1
    )
) - statement_timestamp())::float8
where not exists (select from hooks where name = :hook and disabled_at is not null);

-- name: finish_deliveries
-- Note what became of claimed deliveries; gives the numbers of those that were the claimer's still.
update hook_deliveries d set
    state = result.state, parked = false, claimed_by = null, claimed_until = null,
    attempts = attempts + 1, tried_at = statement_timestamp(),
    tried_first_at = coalesce(
        tried_first_at, statement_timestamp() - result.seconds * interval '1 second'),
    due_at = case
        when result.state <> 'pending' then due_at
        else statement_timestamp() + result.retry_in_seconds * interval '1 second'
    end,
    finished_at = case when result.state <> 'pending' then statement_timestamp() end,
    status = result.status, error = result.error, answer = result.answer,
    seconds = result.seconds
from unnest(:ids::bigint[], :bys::text[], :untils::timestamptz[], :states::text[],
    :retries::float8[], :statuses::integer[], :errors::text[], :answers::text[],
    :seconds::float8[])
    as result (id, claimed_by, claimed_until, state, retry_in_seconds, status, error, answer,
    seconds)
where d.id = result.id and d.state = 'pending' and d.claimed_by = result.claimed_by
    and d.claimed_until = result.claimed_until
returning d.id;

-- name: unpark!
-- Have the next ones looked at of the jobs that these deliveries were about.
update hook_deliveries set parked = false
where parked and id in (
    select follower.id
    from (
        select distinct hook, job_id
        from hook_deliveries
        where id = any(:ids::bigint[]) and job_id is not null and not redelivered
    ) line
    cross join lateral (
        select id
        from hook_deliveries d
        where d.hook = line.hook and d.job_id = line.job_id and d.state = 'pending'
            and not d.redelivered
        order by d.id
        limit :ahead
    ) follower
);

-- name: release_deliveries!
-- Give claimed deliveries back untried.
update hook_deliveries d set claimed_by = null, claimed_until = null
from unnest(:ids::bigint[], :bys::text[], :untils::timestamptz[])
    as claim (id, claimed_by, claimed_until)
where d.id = claim.id and d.state = 'pending' and d.claimed_by = claim.claimed_by
    and d.claimed_until = claim.claimed_until;

-- name: disable_hook!
-- Send nothing by a hook any more; the first reason stays.
insert into hooks as known (name, disabled_at, reason) values (:name, now(), :reason)
on conflict (name) do update set disabled_at = excluded.disabled_at, reason = excluded.reason
    where known.disabled_at is null;

-- name: enable_hook!
-- Send by a hook again.
update hooks set disabled_at = null, reason = null
where name = :name and disabled_at is not null;

-- name: unpark_first!
-- Have the first one looked at of each job that has deliveries of a hook which wait.
update hook_deliveries set parked = false
where parked and id in (
    select distinct on (job_id) id
    from hook_deliveries
    where hook = :hook and state = 'pending' and job_id is not null and not redelivered
    order by job_id, id
);

-- name: disabled_hook^
-- When and why a hook was disabled.
select disabled_at, reason from hooks where name = :name and disabled_at is not null;

-- name: give_up_deliveries
-- Give up some of what waits of a hook that is disabled, and is in nobody's hands.
update hook_deliveries set
    state = 'dead', parked = false, claimed_by = null, claimed_until = null,
    finished_at = statement_timestamp(), error = :error
where id = any(array(
    select id
    from hook_deliveries
    where hook = :hook and state = 'pending'
        and (claimed_until is null or claimed_until <= statement_timestamp())
        and exists (select from hooks where name = :hook and disabled_at is not null)
    order by id
    limit :limit
))
returning id;

-- name: count_deliveries
-- How many deliveries each hook has in each state, since when the oldest one waits, and where a hook
-- of definitions leads; hooks that are disabled have a row of their own even without any.
select coalesce(counted.hook, hooks.name) as hook,
    coalesce(counted.pending, 0) as pending, coalesce(counted.delivered, 0) as delivered,
    coalesce(counted.dead, 0) as dead, (
        select created_at
        from hook_deliveries d
        where d.hook = counted.hook and d.state = 'pending'
        order by d.id
        limit 1
    ) as oldest_pending_at,
    hooks.disabled_at, hooks.reason, hooks.url
from (
    select hook, count(*) filter (where state = 'pending') as pending,
        count(*) filter (where state = 'delivered') as delivered,
        count(*) filter (where state = 'dead') as dead
    from hook_deliveries
    group by hook
) counted
full join hooks on hooks.name = counted.hook
where counted.hook is not null or hooks.disabled_at is not null
order by 1;

-- name: count_pending
-- How many deliveries of each hook wait.
select hook, count(*) from hook_deliveries where state = 'pending' group by hook;

-- name: find_deliveries
-- A page of a hook's deliveries, the newest first, older than the one with the number ``before``.
-- What is compared as a row has one index alone: by the hook and the state apart, the planner walks
-- over all deliveries by their numbers where it takes a state for a common one.
select d.id, d.hook, d.message_id, d.seq, d.kind, e.source, e.name, e.occurred_at, d.job_id,
    d.job, d.created_at, d.state, d.attempts, d.tried_first_at, d.tried_at, d.due_at,
    coalesce(d.claimed_until > statement_timestamp(), false) as is_being_sent, d.finished_at,
    d.status, d.error, d.answer, d.seconds
from unnest(:states::text[]) as wanted (state)
cross join lateral (
    select *
    from hook_deliveries
    where (hook, state, id) > (:hook, wanted.state, 0)
        and (hook, state, id)
            < (:hook, wanted.state, coalesce(:before::bigint, 9223372036854775807))
    order by hook desc, state desc, id desc
    limit :limit
) d
left join events e on e.seq = d.seq
order by d.id desc
limit :limit;

-- name: lock_delivery^
-- One delivery of a hook: its state, whether it is being sent, and whether its event is there.
select state, coalesce(claimed_until > statement_timestamp(), false),
    exists (select from events e where e.seq = d.seq)
from hook_deliveries d
where id = :id and hook = :hook
for update;

-- name: renew_tries!
-- Have deliveries tried as if they were new ones. What was over goes outside of its job's order.
update hook_deliveries set
    redelivered = redelivered or state <> 'pending',
    state = 'pending', parked = false, due_at = statement_timestamp(), attempts = 0,
    tried_first_at = null, finished_at = null, claimed_by = null, claimed_until = null
where id = any(:ids::bigint[]);

-- name: dead_deliveries
-- Some of a hook's dead deliveries behind ``after``, with ``needs_event`` only those whose events are
-- there still.
select id
from hook_deliveries d
where hook = :hook and state = 'dead' and id > :after
    and (not :needs_event or exists (select from events e where e.seq = d.seq))
order by id
limit :limit
for update;
