-- name: hold_name$
-- Take the name for this session; false where another live process has it.
select pg_try_advisory_lock(hashtext(:lock_class), hashtext(:lock_name));

-- name: note_node!
-- Say that this process lives.
insert into nodes (name, role, url, version, pid)
values (:name, :role, :url, :version, :pid)
on conflict (name, role) do update set
    url = excluded.url, version = excluded.version, pid = excluded.pid,
    started_at = case when nodes.pid = excluded.pid then nodes.started_at else now() end,
    seen_at = now();

-- name: ping$
-- Answer, if the connection still lives.
select 1;
