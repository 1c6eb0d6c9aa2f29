-- When jobs are due: the schedules in force, and what became of each due time.

create table schedules (
    id            bigint generated always as identity primary key,
    definition    text not null,
    place         integer not null,     -- among the schedules of its definition, 0 for the first
    members       jsonb not null,       -- as the definition has them
    fingerprint   text not null,        -- changes when the due times do
    first_seen    timestamptz not null, -- what an empty time stands for; never moved
    since         timestamptz not null, -- from when on these due times are in force
    decided_until timestamptz not null, -- what is due up to here has its row in due_times
    gone_at       timestamptz,          -- no definition has it any more
    unique (definition, place)
);
comment on table schedules is 'The schedules of the definitions in force, and those that were.';
create index schedules_in_force on schedules (id) where gone_at is null;

create table due_times (
    id          bigint generated always as identity primary key,
    schedule_id bigint not null references schedules on delete cascade,
    identity    text not null,
    due_at      timestamptz not null,
    after       timestamptz,            -- of many told as one: all behind this, up to due_at
    outcome     text not null check (outcome in
        ('ran', 'late', 'missed', 'still-running', 'paused', 'skipped-hour')),
    reason      text not null,
    execution   bigint,                 -- the id of the one that began, in microseconds
    decided_at  timestamptz not null,
    unique (schedule_id, identity),
    check ((execution is null) = (outcome not in ('ran', 'late')))
);
comment on table due_times is 'What became of each due time; the row decides who fires it.';
create index due_times_in_order on due_times (schedule_id, id);
create index due_times_by_age on due_times (decided_at);

-- What a daemon decides by must be what it has read: both numbers grow with every change.
alter table runner_state
    add column schedules_commit  text,   -- the definitions that the schedules are those of
    add column schedules_edition bigint not null default 0, -- of the rows of schedules
    add column decisions         bigint not null default 0; -- looks at which something was done
