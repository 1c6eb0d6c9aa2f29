-- The ledger: jobs of every kind, their events, what could not be accepted, who may ask.

-- The phases that every kind's own states map to; see jexevents/lifecycle.
create domain phase as text
    check (value in ('QUEUED', 'RUNNING', 'COMPLETE', 'ERROR', 'CANCELLED'));

create table jobs (
    id            uuid primary key,          -- UUIDv7: new rows land side by side in the index
    kind          text not null,
    key           text not null,             -- the job's id in its own system
    source        text not null default '',
    state         text not null,             -- the kind's own word
    phase         phase not null,
    closed        boolean not null default false,
    submitter     text,
    submitted_at  timestamptz,
    started_at    timestamptz,
    finished_at   timestamptz,
    exit_code     bigint,
    reason        text,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    -- The place in the fold's order that the state above stands for (jexevents/lifecycle/order.py):
    -- an event behind it is stepped on, any other makes the job fold anew from its events.
    fold_at       timestamptz,
    fold_rank     smallint,
    fold_checksum bytea,
    fold_log      text,                      -- log and offset of the event that is last in order
    fold_offset   bigint,
    fold_logs     boolean not null default false,   -- whether any event has a position
    unique (kind, key)
);
comment on table jobs is 'One row a job of any kind; state and dates are the fold of its events.';

create table condor_jobs (
    job_id             uuid primary key references jobs on delete cascade,
    cluster            bigint not null,
    proc               bigint not null,
    held               boolean not null default false,
    said               smallint not null default 0,   -- what Condor's events spoke of, as bits
    exit_signal        bigint,
    core_file          text,
    reason_code        bigint,
    reason_subcode     bigint,
    starts             integer not null default 0,
    submit_host        text,
    execute_host       text,
    submitted_offset   text,
    started_offset     text,
    finished_offset    text,
    invocation_id      uuid,
    app_id             uuid,
    batch_id           uuid,
    command_line       text,
    env_variables      text,
    failure_count      bigint,
    failure_threshold  bigint
);
comment on table condor_jobs is 'What only jobs of HTCondor have.';

-- Every invocation id that any event of a job named; one id may belong to several procs.
create table invocations (
    invocation_id uuid not null,
    job_id        uuid not null references jobs on delete cascade,
    primary key (invocation_id, job_id)
);
create index on invocations (job_id);

create table events (
    seq             bigint generated always as identity primary key,
    job_id          uuid references jobs,
    checksum        bytea not null check (octet_length(checksum) = 32),
    source          text not null,
    name            text not null,
    occurred_at     timestamptz not null,
    occurred_offset text,                    -- the zone as it was sent; null where none was
    occurred_alt    timestamptz,             -- the other reading of an hour that was repeated
    received_at     timestamptz not null,
    data            jsonb not null,
    raw             bytea not null
);
comment on table events is 'One row an event, never changed.';
-- A missing job counts as one; the same index finds the events of a job.
create unique index events_identity on events
    (coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid), checksum);

create table event_positions (
    seq     bigint not null references events on delete cascade,
    log     text not null,
    "offset" bigint not null,
    primary key (seq, log)
);
comment on table event_positions is
    'Where in which log an event stands, as far as it is known; a later copy may fill it in.';

create table rejects (
    id          bigint generated always as identity primary key,
    received_at timestamptz not null,
    origin      text not null,
    source      text not null default '',
    credential  text,
    reasons     jsonb not null,
    properties  jsonb not null default '{}',
    body        bytea not null,
    size        bigint not null,
    sha256      bytea not null,
    cut         boolean not null default false
);
comment on table rejects is 'What could not be accepted, with every reason; cut ones cannot be retried.';

create table tokens (
    id         text primary key,
    name       text not null,
    sha256     bytea not null unique check (octet_length(sha256) = 32),
    roles      text[] not null
        check (roles <@ array['read', 'write', 'run', 'admin'] and cardinality(roles) > 0),
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

create table nodes (
    name       text not null,
    role       text not null,
    url        text,
    version    text not null,
    pid        integer not null,
    started_at timestamptz not null default now(),
    seen_at    timestamptz not null default now(),
    primary key (name, role)
);
comment on table nodes is 'The processes that share this ledger; the name is held by an advisory lock.';

create table audit (
    id         bigint generated always as identity primary key,
    at         timestamptz not null default now(),
    credential text not null,
    action     text not null,
    detail     jsonb not null default '{}'
);
comment on table audit is 'Who did what, for every action of roles run and admin.';
