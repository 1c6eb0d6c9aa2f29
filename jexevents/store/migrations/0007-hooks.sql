-- Outgoing webhooks: what is to be remembered of a hook, and the outbox.

create table hooks (
    name        text primary key,
    disabled_at timestamptz,
    reason      text
);
comment on table hooks is
    'What is to be remembered of a configured hook: that its receiver did not want it any more.';

create table hook_deliveries (
    id             bigint generated always as identity primary key,
    hook           text not null,
    message_id     uuid not null unique,     -- the same over all tries and redeliveries
    seq            bigint not null,          -- the event; it may be pruned before the delivery is
    kind           text,                     -- whose event it is; null for one of no system of ours
    job_id         uuid,                     -- null for an event of no job
    job            jsonb,                    -- the job as it stood after the event
    created_at     timestamptz not null default now(),
    due_at         timestamptz not null default now(),
    tried_first_at timestamptz,
    tried_at       timestamptz,
    attempts       integer not null default 0,
    state          text not null default 'pending'
        check (state in ('pending', 'delivered', 'dead')),
    -- Set aside since an earlier one of the same hook and job has to go first. Only those that are
    -- not are looked through for what is due; the first pending one of a job never is.
    parked         boolean not null default false,
    claimed_by     text,
    claimed_until  timestamptz,
    finished_at    timestamptz,
    status         integer,                  -- of the last answer
    error          text,
    answer         text,                     -- the beginning of the last one
    seconds        real,
    check ((finished_at is null) = (state = 'pending')),
    check (claimed_until is null or (state = 'pending' and claimed_by is not null))
);
comment on table hook_deliveries is
    'The outbox: one row a hook and event, written in the transaction of the event.';

-- What is next, by hook.
create index hook_deliveries_next on hook_deliveries (hook, due_at, id)
    where state = 'pending' and not parked;
-- What goes before it.
create index hook_deliveries_order on hook_deliveries (hook, job_id, id)
    where state = 'pending' and job_id is not null;
create index hook_deliveries_claimed on hook_deliveries (hook, claimed_until)
    where claimed_until is not null;
-- Pages and counts.
create index hook_deliveries_state on hook_deliveries (hook, state, id);
