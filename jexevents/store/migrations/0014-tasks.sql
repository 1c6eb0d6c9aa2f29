-- Container tasks (seed stevedore): images that are registered, results of their runs, and who runs
-- what. A run of a container is an execution, as one of a command is.

create table tasks (
    id            bigint generated always as identity primary key,
    name          text not null,
    repository    text not null,             -- as it was registered
    pull          text not null check (pull in ('missing', 'always')),
    status        text not null default 'SUBMITTED'
        check (status in ('SUBMITTED', 'IMPORTING', 'READY', 'ERROR')),
    image         text,                      -- what runs: name@sha256:..., else the image's id
    image_id      text,
    only_local    boolean not null default false, -- no registry is known that has it
    size_bytes    bigint,
    error         text,                      -- in the engine's words
    progress      jsonb,                     -- of the pull, by layer
    tried         text[] not null default '{}', -- the nodes that could not get it
    node          text,                      -- who imports it, or did
    lease_until   timestamptz,
    credential    text not null,
    registered_at timestamptz not null default clock_timestamp(),
    changed_at    timestamptz not null default clock_timestamp(),
    deleted_at    timestamptz,
    request_key   text unique                -- an Idempotency-Key
);
comment on table tasks is 'Container images that are registered to be run.';
create unique index tasks_names on tasks (name) where deleted_at is null;
create index tasks_importing on tasks (status) where status in ('SUBMITTED', 'IMPORTING');

create table results (
    id           bigint generated always as identity primary key,
    task_id      bigint not null references tasks,
    times        integer not null,
    run          jsonb not null,             -- what is run (jexevents/executions/run.py)
    parameters   jsonb not null,             -- as they were given
    request      jsonb not null,             -- all of it, by which a repetition is known
    repeats      bigint,                     -- the result of which this runs what failed again
    credential   text not null,
    submitted_at timestamptz not null default clock_timestamp(),
    request_key  text,                       -- an Idempotency-Key, one over the task
    -- The sums over its runs, which change no more once all are over; null as long as nobody has
    -- asked since.
    complete     integer,
    error        integer,
    cancelled    integer,
    killed       integer,
    started_at   timestamptz,
    finished_at  timestamptz,
    unique (task_id, request_key)
);
comment on table results is 'Runs of a task that were asked for at once.';
create index on results (task_id, id);

alter table executions
    add column task      text,
    add column image     text,
    add column result_id bigint,
    add column number    bigint;
comment on column executions.number is 'Which run of its result a container is, from 1.';
create unique index executions_of_results on executions (result_id, number)
    where result_id is not null;

-- Ten thousand runs that are asked for at once take as many ids, one a microsecond. Commands are told
-- apart by these, and have them in the keys of their jobs; containers by result and number.
alter table executions drop constraint executions_execution_key;
alter table execution_queue drop constraint execution_queue_execution_key;

alter table execution_queue
    add column kind   text not null default 'command',
    add column detail text not null default '',   -- the key of a container: result/number
    add column labels text[] not null default '{}'; -- that a worker must have
comment on column execution_queue.definition is 'The job''s definition, or the task''s name.';

-- What a process that runs executions says of itself.
alter table nodes
    add column slots    integer,
    add column running  integer,
    add column labels   text[] not null default '{}',
    add column kinds    text[] not null default '{}', -- of what it runs
    add column engine   jsonb,                    -- the container engine that answers it
    add column draining boolean not null default false, -- it is to claim nothing
    add column local_url text,                    -- where it listens, for those on its machine
    add column machine  text not null default '', -- which machine that is
    add column ended_at timestamptz;              -- when it ended in good order
comment on column nodes.slots is 'How many executions it runs at once; null: it runs none.';

-- What containers carry, so that each ledger knows its own.
alter table runner_state add column ledger uuid not null default gen_random_uuid();

-- Which nodes could not get what an execution needs; the index is for images too.
alter table execution_queue add column refused_by text[] not null default '{}';
drop index execution_queue_refused;
create index execution_queue_refused on execution_queue ((coalesce(run->>'commit', run->>'image')))
    where refused_at is not null;
