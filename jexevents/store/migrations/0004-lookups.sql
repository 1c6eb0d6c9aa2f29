-- What people look for, and what makes writing cheaper.

-- A job is mostly looked up by its key alone; its kind decides among very few.
alter table jobs drop constraint jobs_kind_key_key;
alter table jobs add constraint jobs_key_kind_key unique (key, kind);

create index jobs_submitter on jobs (submitter, id) where submitter is not null;
create index jobs_submission on jobs ((coalesce(submitted_at, created_at)));

-- A job's row changes with most of its events. With room on its page the new version stands
-- beside the old one, and no index hears of it (a "heap-only" update, PostgreSQL manual, 65.7).
alter table jobs set (fillfactor = 70);
alter table condor_jobs set (fillfactor = 80);

-- Jobs are never deleted, and an event is written under its job's lock by who has just found or
-- made it; `jexevents verify` looks for events without one all the same. PostgreSQL's own look at
-- the job's row, for every event again, took a tenth of all that it does for an event.
alter table events drop constraint events_job_id_fkey;

-- A log's name may be longer than what an index takes (a third of a page).
alter table event_positions drop constraint event_positions_pkey;
create unique index event_positions_seq_log on event_positions (seq, md5(log));
