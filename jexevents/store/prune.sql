-- What is old and may go. For each thing there is a pair: count_THING, and drop_THING, which
-- removes some behind ``after`` at a time, gives where they stood, and leaves alone what another
-- process has in hand.

-- name: take_time!
-- Let the statements of this transaction look at as many rows as there are.
set local statement_timeout to 0;

-- name: count_jobs$
-- Jobs that can be sealed.
select count(*) from jobs where closed and sealed_seq is null and finished_at < :before;

-- name: count_loose_events$
-- Events of no job.
select count(*)
from events
where coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid)
        = '00000000-0000-0000-0000-000000000000'
    and received_at < :before;

-- name: drop_loose_events
-- Remove events of no job.
delete from events
where seq = any(array(
    select seq
    from events
    where coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid)
            = '00000000-0000-0000-0000-000000000000'
        and checksum > :after
        and received_at < :before
    order by checksum
    limit :limit
    for update skip locked
))
returning checksum;

-- name: count_rejects$
-- What could not be accepted, and has not come since.
select count(*) from rejects where last_at < :before;

-- name: drop_rejects
-- Remove what could not be accepted.
delete from rejects
where id = any(array(
    select id
    from rejects
    where id > :after and last_at < :before
    order by id
    limit :limit
    for update skip locked
))
returning id;

-- name: count_audit$
-- Who did what.
select count(*) from audit where at < :before;

-- name: drop_audit
-- Remove who did what.
delete from audit
where id = any(array(
    select id
    from audit
    where id > :after and at < :before
    order by id
    limit :limit
    for update skip locked
))
returning id;

-- name: count_deliveries$
-- What hooks were sent, or were not and will not be.
select count(*) from hook_deliveries where finished_at < :before;

-- name: drop_deliveries
-- Remove what hooks were sent, or were not and will not be.
delete from hook_deliveries
where id = any(array(
    select id
    from hook_deliveries
    where id > :after and finished_at < :before
    order by id
    limit :limit
    for update skip locked
))
returning id;

-- name: count_due_times$
-- What became of due times of schedules, save the last two days of each.
select count(*)
from due_times d
join schedules s on s.id = d.schedule_id
where d.decided_at < :before
    and (d.due_at < s.decided_until - interval '2 days' or s.gone_at < :before);

-- name: drop_due_times
-- Remove what became of due times, but not what a daemon that starts has to know.
delete from due_times
where id = any(array(
    select d.id
    from due_times d
    join schedules s on s.id = d.schedule_id
    where d.id > :after and d.decided_at < :before
        and (d.due_at < s.decided_until - interval '2 days' or s.gone_at < :before)
    order by d.id
    limit :limit
    for update of d skip locked
))
returning id;
