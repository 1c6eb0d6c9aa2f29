-- name: register_task$
-- Register a task, unless one that is not deleted has its name, or one was made with this key.
insert into tasks (name, repository, pull, credential, request_key)
values (:name, :repository, :pull, :credential, :request_key)
on conflict do nothing
returning id;

-- name: task_named$
-- The task of this name that is not deleted.
select id from tasks where name = :name and deleted_at is null;

-- name: task_of_key^
-- The task that a request with this key made, which may be deleted.
select id, deleted_at is not null as deleted, name, repository, pull from tasks where request_key = :request_key;

-- name: task^
-- One task that is not deleted.
select id, name, repository, pull, status, image, image_id, only_local, size_bytes, error,
    progress, node, credential, registered_at, changed_at
from tasks where id = :id and deleted_at is null;

-- name: find_tasks
-- A page of tasks that are not deleted, the newest first; each filter may be null.
select id, name, repository, pull, status, image, image_id, only_local, size_bytes, error,
    progress, node, credential, registered_at, changed_at
from tasks
where deleted_at is null
    and (:status::text is null or status = :status)
    and (:name::text is null or name = :name)
    and (:before::bigint is null or id < :before)
order by id desc
limit :limit;

-- name: lock_task^
-- What a run needs of a task, which stays as it is until the transaction ends.
select name, repository, status, image, only_local, error
from tasks where id = :id and deleted_at is null
for share;

-- name: delete_task$
-- Take a task away; gives its name.
update tasks set deleted_at = clock_timestamp(), node = null, lease_until = null
where id = :id and deleted_at is null
returning name;

-- name: import_again$
-- Have the image of a task imported again, if it is not being imported; gives its name then.
update tasks set status = 'SUBMITTED', tried = '{}', error = null, progress = null, node = null,
    lease_until = null, changed_at = clock_timestamp()
where id = :id and deleted_at is null and status in ('READY', 'ERROR')
returning name;

-- name: take_import^
-- Take the next import for a node: one that waits for it, or one of which nothing is heard any more.
update tasks set status = 'IMPORTING', node = :node, progress = null,
    lease_until = clock_timestamp() + :lease_seconds::float8 * interval '1 second',
    changed_at = clock_timestamp()
where id = (
    select id
    from tasks
    where deleted_at is null and not :node = any(tried)
        and (status = 'SUBMITTED' or (status = 'IMPORTING' and lease_until < clock_timestamp()))
    order by id
    limit 1
    for update skip locked
)
returning id, name, repository, pull;

-- name: note_progress$
-- Note how far an import has come, and keep it; null where it is not this node's any more.
update tasks set progress = :progress::jsonb,
    lease_until = clock_timestamp() + :lease_seconds::float8 * interval '1 second'
where id = :id and node = :node and status = 'IMPORTING' and deleted_at is null
returning true;

-- name: import_ready$
-- Note that a node has got the image; null where the import is not its any more.
update tasks set status = 'READY', image = :image, image_id = :image_id,
    only_local = :only_local, size_bytes = :size_bytes, error = null, progress = null,
    lease_until = null, changed_at = clock_timestamp()
where id = :id and node = :node and status = 'IMPORTING' and deleted_at is null
returning true;

-- name: import_failed$
-- Note that a node could not get the image, in the engine's words; null where the import is not its
-- any more. It waits for another worker that lives and has an engine, if there is one.
update tasks t set
    status = case when exists (
        select from nodes n
        where n.engine is not null and 'container' = any(n.kinds) and not n.draining
            and n.seen_at > clock_timestamp() - :seen_seconds::float8 * interval '1 second'
            and n.name <> :node and not n.name = any(t.tried)
    ) then 'SUBMITTED' else 'ERROR' end,
    tried = case when :node = any(t.tried) then t.tried else t.tried || :node::text end,
    error = :words, lease_until = null, changed_at = clock_timestamp()
where t.id = :id and t.node = :node and t.status = 'IMPORTING' and t.deleted_at is null
returning t.status;

-- name: give_back_imports!
-- Let others import what a node has taken, but for these.
update tasks set status = 'SUBMITTED', node = null, lease_until = null, progress = null,
    changed_at = clock_timestamp()
where node = :node and status = 'IMPORTING' and id <> all(:but::bigint[]);

-- name: judge_imports
-- End what was tried somewhere, and waits for a worker that nobody hears of any more.
update tasks t set status = 'ERROR', lease_until = null, changed_at = clock_timestamp()
where t.deleted_at is null and t.tried <> '{}'
    and (t.status = 'SUBMITTED' or (t.status = 'IMPORTING' and t.lease_until < clock_timestamp()))
    and not exists (
        select from nodes n
        where n.engine is not null and 'container' = any(n.kinds) and not n.draining
            and n.seen_at > clock_timestamp() - :seen_seconds::float8 * interval '1 second'
            and not n.name = any(t.tried)
    )
returning t.id, t.name;
