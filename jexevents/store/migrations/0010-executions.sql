-- Executions of jobs that we run: what became of them, what waits, who has it, what is asked of it.

create table executions (
    job_id      uuid primary key references jobs on delete cascade,
    execution   bigint not null unique,      -- its id: microseconds since 1970
    definition  text,
    commit      text,
    attempt     integer not null,
    status      text,                        -- the job's own word
    node        text,
    claim       bigint not null,
    exit_signal bigint
);
comment on table executions is 'What only executions have; all of it is the fold of their events.';
create index on executions (definition, execution);

create table execution_queue (
    job_id      uuid primary key references jobs on delete cascade,
    execution   bigint not null unique,
    definition  text not null,
    attempt     integer not null,
    priority    integer not null,
    exclusive   boolean not null,            -- one of its definition at a time
    due_at      timestamptz not null,        -- not to be begun before
    run         jsonb not null,              -- what is to be run (jexevents/executions/run.py)
    claim       bigint not null default 0,   -- counts the claims of this attempt
    node        text,                        -- whose it is
    lease_until timestamptz,
    begun_at    timestamptz,                 -- from here on a lease frees nothing
    check ((node is null) = (lease_until is null)),
    check (begun_at is null or node is not null)
);
comment on table execution_queue is 'Executions that are not over: those that wait, and who has which.';
create index execution_queue_waiting on execution_queue (priority desc, execution)
    where node is null;
create index execution_queue_held on execution_queue (node) where node is not null;
create index execution_queue_definition on execution_queue (definition);

create table execution_attempts (
    job_id       uuid not null references jobs on delete cascade,
    attempt      integer not null,
    node         text not null,              -- where its files are
    boot         text not null,              -- the run of that machine
    begun_at     timestamptz not null default now(),
    sequence     bigint not null default 0,  -- the last of its own events that is in the ledger
    settled_at   timestamptz,                -- nothing more will be heard of it
    stdout_bytes bigint,                     -- what it wrote, also what was not kept
    stderr_bytes bigint,
    missing_bytes bigint,
    removed_at   timestamptz,                -- its files
    primary key (job_id, attempt)
);
comment on table execution_attempts is 'What was begun: where its output is, how much there is.';
create index on execution_attempts (node) where settled_at is null;
create index on execution_attempts (node, settled_at) where removed_at is null;

create table execution_orders (
    id         uuid primary key,
    job_id     uuid not null references jobs on delete cascade,
    attempt    integer not null,
    node       text not null,                -- who is to carry it out
    event      text not null,
    cause      text not null default '',
    credential text not null default '',
    asked_at   timestamptz not null default now(),
    done_at    timestamptz,
    answer     jsonb
);
comment on table execution_orders is 'Signals and events for executions that run, till they are sent.';
create index on execution_orders (node) where done_at is null;
create index on execution_orders (job_id);

create table definition_states (
    name       text primary key,
    active     boolean not null,
    changed_at timestamptz not null default now(),
    credential text not null
);
comment on table definition_states is 'Which jobs were taken off the active list, or put back.';

-- What all daemons agree on.
create table runner_state (
    "only"       boolean primary key default true check ("only"),
    looked_at    timestamptz,                -- when any daemon last looked at what is due
    judged_at    timestamptz,                -- when any daemon last looked at leases and nodes
    judged_from  timestamptz not null default now(), -- before that none of these is judged
    commit       text,                       -- the definitions in force
    commit_since timestamptz,
    commit_node  text
);
insert into runner_state default values;
