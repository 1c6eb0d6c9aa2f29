-- Jobs of SMRT Link; whose events are listed by their format; credentials of one system.

create table smrtlink_jobs (
    job_id   uuid primary key references jobs on delete cascade,
    system   uuid not null,
    number   bigint not null,             -- the job's id in its system
    job_type text
);
comment on table smrtlink_jobs is 'What only jobs of SMRT Link have.';

-- Until now the senders of callbacks alone gave their events such identities.
alter table event_identities add column format text;
alter table event_identities add column name text;
update event_identities i set format = e.source, name = e.name from events e where e.seq = i.seq;
alter table event_identities alter column format set not null;
alter table event_identities alter column name set not null;
comment on column event_identities.format is 'Which format that is.';
comment on column event_identities.name is 'The name of the event, to find it by.';
create index on event_identities (checksum);
create index on event_identities (format, seq);
create index on event_identities (format, name, seq);
create index on event_identities (format, source, seq);

alter table tokens add column system uuid;
comment on column tokens.system is 'The one system of SMRT Link that it is good for; null: all.';
