-- name: jobs_by_time
-- Jobs that were submitted within a time (arrived, where that is unknown), counted by bars of so
-- many seconds and by the phase that they are in now.
select floor(extract(epoch from coalesce(submitted_at, created_at) - :start) / :width)::int as bar,
    phase::text as phase, count(*) as count
from jobs
where coalesce(submitted_at, created_at) >= :start and coalesce(submitted_at, created_at) < :end
group by 1, 2;

-- name: latest_arrivals^
-- Of the newest events, :most of them at most: how many came within so many seconds, how long ago
-- the first of those was, and when the very last came.
select count(*) filter (where received_at > now() - make_interval(secs => :seconds)) as count,
    extract(epoch from now() - min(received_at)
        filter (where received_at > now() - make_interval(secs => :seconds)))::float8 as age,
    max(received_at) as last_at
from (select received_at from events order by seq desc limit :most) newest;

-- name: rejects_since$
-- How many of the rejects came, or came again, since; of the newest, :most of them at most.
select count(*) filter (where last_at >= :since)
from (select last_at from rejects order by id desc limit :most) newest;
