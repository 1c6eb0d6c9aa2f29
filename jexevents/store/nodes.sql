-- name: hold_name$
-- Take the name for this session; false where another live process has it.
select pg_try_advisory_lock(hashtext(:lock_class), hashtext(:lock_name));

-- name: note_node$
-- Say that this process lives, and how it stands; gives whether it is to claim nothing. What was
-- said to an earlier process of this name is not for this one.
insert into nodes (name, role, url, version, pid, slots, running, labels, kinds, engine, local_url,
    machine)
values (:name, :role, :url, :version, :pid, :slots, :running, :labels::text[], :kinds::text[],
    :engine::jsonb, :local_url, :machine)
on conflict (name, role) do update set
    url = excluded.url, version = excluded.version, pid = excluded.pid, slots = excluded.slots,
    running = excluded.running, labels = excluded.labels, kinds = excluded.kinds,
    engine = excluded.engine, local_url = excluded.local_url, machine = excluded.machine,
    started_at = case when :is_first then now() else nodes.started_at end,
    draining = nodes.draining and not :is_first,
    seen_at = now(), ended_at = null
returning draining;

-- name: resume_others!
-- Forget that processes of this name that were of other roles should claim nothing.
update nodes set draining = false where name = :name and role <> :role and draining;

-- name: ping$
-- Answer, if the connection still lives, whether this process is to claim nothing.
select coalesce((select draining from nodes where name = :name and role = :role), false);

-- name: node_ended!
-- Note that this process ends in good order.
update nodes set ended_at = now(), running = 0 where name = :name and role = :role;

-- name: workers
-- The processes that run executions, and what each does now. Those that were last heard of a week
-- ago are left out, unless something is noted as theirs.
select n.name, n.role, n.version, coalesce(n.url, n.local_url) as url, n.slots, n.running, n.labels,
    n.kinds, n.engine, n.draining, n.started_at, n.seen_at, n.ended_at,
    n.ended_at is null and (n.seen_at > now() - :seen_seconds::float8 * interval '1 second'
        or exists (
            select from pg_locks l
            where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
                and l.database = (select oid from pg_database where datname = current_database())
                and l.classid::bigint
                    = hashtext(:lock_prefix || n.role)::bigint & 4294967295
                and l.objid::bigint = hashtext(n.name)::bigint & 4294967295
        )) as alive,
    coalesce(held.executions, '[]'::jsonb) as executions, coalesce(held.number, 0) as held
from nodes n
left join lateral (
    select count(*) as number,
        jsonb_agg(to_jsonb(one) - 'place' order by place) filter (where place <= :most)
            as executions
    from (
        select job_id as uuid, kind, execution, definition, nullif(detail, '') as detail, attempt,
            begun_at is not null as begun, begun_at as since,
            row_number() over (order by begun_at nulls last, execution) as place
        from execution_queue where node = n.name
    ) one
) held on true
where n.slots is not null and (:name::text is null or n.name = :name)
    and (n.seen_at > now() - interval '7 days' or held.number > 0)
    -- A name that had another role before is one worker still.
    and not exists (
        select from nodes later
        where later.name = n.name and later.slots is not null
            and (later.seen_at, later.role) > (n.seen_at, n.role)
    )
order by n.name
limit 1000;

-- name: set_draining$
-- Have a worker claim nothing, or take that back; gives its name, null where there is none that
-- lives.
update nodes set draining = :draining
where name = :name and slots is not null and ended_at is null
returning name;

-- name: held_by_worker$
-- How many executions a node has, begun or not.
select count(*) from execution_queue where node = :name;
