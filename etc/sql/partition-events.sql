-- Partitions the table of events by the time at which their jobs were made; docs/scale.md says when
-- and why. For PostgreSQL 15 and newer. For a new ledger and for one that is full, while daemons run:
--
--     psql -v ON_ERROR_STOP=1 -v until=2026-06-01 -f partition-events.sql URI
--
-- All events of jobs made before `until` stay in one partition, the table that there is. Take the first
-- day of a month: of this one where there are no events yet, else of the next, or of the one after that
-- where this one is nearly over.

set search_path to jex;
set time zone 'UTC';
set lock_timeout to '10s';

-- The id of a job is a UUIDv7: it begins with the time. This is the least one of a time.
create function uuid_at(at timestamptz) returns uuid
    language sql immutable strict parallel safe
    return (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- 1. What the swap below would have to look for with all others waiting, it knows by this. Looks at
-- every row, and nobody waits for it.
alter table events add constraint events_before
    check (coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid) < uuid_at(:'until'))
    not valid;
alter table events validate constraint events_before;

-- 2. The swap. Writers wait for a moment.
begin;
lock table jobs, events, event_positions, event_identities in access exclusive mode;

-- No unique index can hold over all partitions unless it has the partition key, and `seq` alone has
-- not. So no foreign key can refer to it; the trigger below does what that one did.
alter table event_positions drop constraint event_positions_seq_fkey;
alter table event_identities drop constraint event_identities_seq_fkey;

alter table events rename to events_first;
alter table events_first rename constraint events_pkey to events_first_pkey;
alter index events_identity rename to events_first_identity;
alter table events_first alter seq drop identity;

create table events (like events_first including constraints including comments)
    partition by range (coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid));
alter table events drop constraint events_before;
alter table events alter seq add generated always as identity;
comment on table events is 'One row an event, never changed; partitioned by when its job was made.';
select setval(pg_get_serial_sequence('events', 'seq'), coalesce(max(seq), 0) + 1, false)
from events_first;
alter table events attach partition events_first for values from (minvalue) to (uuid_at(:'until'));
alter table events_first drop constraint events_before;

create function forget_events() returns trigger
    language plpgsql set search_path from current
    as $$
begin
    delete from event_positions where seq in (select seq from gone);
    delete from event_identities where seq in (select seq from gone);
    return null;
end
$$;
create trigger events_forget after delete on events
    referencing old table as gone
    for each statement execute function forget_events();

-- Each partition has the unique indexes that the one table had. All events of a job are in one
-- partition, so an event is stored once in all of them if it is in that one.
create function index_events_partition(name text) returns void
    language plpgsql set search_path from current
    as $$
begin
    execute format('alter table %I add primary key (seq)', name);
    execute format(
        'create unique index %I on %I (coalesce(job_id, %L::uuid), checksum)',
        name || '_identity', name, '00000000-0000-0000-0000-000000000000'
    );
end
$$;

-- A partition for the events of jobs that are made from `since` till before `until`.
create function add_events_partition(name text, since timestamptz, until timestamptz) returns void
    language plpgsql set search_path from current
    as $$
begin
    execute format(
        'create table %I partition of events for values from (%L) to (%L)',
        name, uuid_at(since), uuid_at(until)
    );
    perform index_events_partition(name);
end
$$;

-- Without it, the messages of a month for which nobody made a partition would be rejected.
create table events_default partition of events default;
select index_events_partition('events_default');
commit;

-- 3. A partition a month, for a year.
select add_events_partition(
    to_char(month, '"events_"YYYY_MM'), month, month + interval '1 month'
)
from generate_series(
    :'until'::timestamptz, :'until'::timestamptz + interval '11 months', interval '1 month'
) as month;

analyze events;
