-- PipelineJobs; who may send their events; events that their format names whatever the job.

create table pipeline_jobs (
    job_id         uuid primary key references jobs on delete cascade,
    pipeline_uuid  text,
    archive_path   text,
    archive_system text,
    session        text,
    agent          text,
    task           text,
    data           jsonb not null default '{}',
    last_event     text,                     -- the last one that the state allowed
    updated_at     timestamptz,              -- its time
    after_error    boolean not null default false,   -- what a retired job was retired from
    sent           text,                     -- digest of the last event that was not a callback
    token_sha256   bytea check (octet_length(token_sha256) = 32),
    hidden_at      timestamptz
);
comment on table pipeline_jobs is
    'What only PipelineJobs have. All but the token and hidden_at is the fold of their events.';
create index on pipeline_jobs (pipeline_uuid, job_id);
create index on pipeline_jobs (session, job_id) where session is not null;

create table event_identities (
    source   text not null,
    checksum bytea not null check (octet_length(checksum) = 32),
    seq      bigint not null references events on delete cascade deferrable initially deferred,
    primary key (source, checksum)
);
comment on table event_identities is
    'The events whose format gives them an identity that is one over its source, whatever the job.';
create index on event_identities (seq);

create table nonces (
    id         text primary key,
    sha256     bytea not null unique check (octet_length(sha256) = 32),
    note       text not null default '',
    job_id     uuid references jobs on delete cascade,   -- null: for every job
    uses       bigint not null default 0,
    max_uses   bigint check (max_uses > 0),              -- null: without end
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    check (uses <= max_uses)
);
comment on table nonces is 'What stands for a token in the URL of a message, kept as its SHA-256.';
create index on nonces (job_id) where job_id is not null;
