-- name: count_workers
-- The processes that run executions by how they stand, and their slots. Those that ended in good order
-- or were not heard of for a week are left out; a name that had another role before is one still.
select state, count(*), coalesce(sum(slots), 0)::bigint
from (
    select n.slots,
        case
            when not (n.seen_at > now() - :seen_seconds::float8 * interval '1 second'
                or exists (
                    select from pg_locks l
                    where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
                        and l.database
                            = (select oid from pg_database where datname = current_database())
                        and l.classid::bigint
                            = hashtext(:lock_prefix || n.role)::bigint & 4294967295
                        and l.objid::bigint = hashtext(n.name)::bigint & 4294967295
                )) then 'away'
            when n.draining then 'draining'
            else 'working'
        end as state
    from nodes n
    where n.slots is not null and n.ended_at is null and n.seen_at > now() - interval '7 days'
        and not exists (
            select from nodes later
            where later.name = n.name and later.slots is not null
                and (later.seen_at, later.role) > (n.seen_at, n.role)
        )
) standing
group by state;

-- name: count_tasks
-- The tasks that are not deleted, by status.
select status, count(*) from tasks where deleted_at is null group by status;

-- name: count_schedules$
-- The schedules of the definitions in force.
select count(*) from schedules where gone_at is null;

-- name: disabled_hooks
-- The hooks whose receivers want no more.
select name from hooks where disabled_at is not null order by name limit 1000;
