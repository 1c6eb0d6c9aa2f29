-- name: begin_looking!
-- What follows in this transaction sees one moment, and may go through whole tables.
set transaction isolation level repeatable read read only;
set local statement_timeout to 0;
set local enable_seqscan to on;

-- name: count_jobs$
-- How many jobs there are to go through.
select count(*) from jobs;

-- name: next_page^
-- How many jobs the page behind ``after`` has, and the id of the last of them.
select count(*), (array_agg(id order by id desc))[1]
from (select id from jobs where id > :after order by id limit :limit) page;

-- name: incomplete_jobs
-- Of the jobs of HTCondor behind ``after`` up to ``last``: those that no SUBMIT is known of, and
-- those that have not ended and whose state has not moved since ``silent_before``; each with what is
-- known of HTCondor's own events. Of a sealed job the story is gone.
select j.id, j.key, j.source, j.state, j.closed, j.created_at, c.said, heard.first_at, heard.last_at,
    heard.events
from jobs j
left join condor_jobs c on c.job_id = j.id
cross join lateral (
    select min(e.occurred_at) as first_at, max(e.occurred_at) as last_at, count(*) as events
    from events e
    where coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid) = j.id
        and e.name <> :inserted
) heard
where j.id > :after and j.id <= :last and j.kind = 'condor' and j.sealed_seq is null
    and (:source::text is null or j.source = :source)
    and (
        coalesce(c.said, 0) & :said_submitted = 0
        or (not j.closed and coalesce(j.fold_at, j.created_at) < :silent_before)
    )
order by j.id;

-- name: headers
-- Events of no job whose Info begins so, as do those that begin the files of a log, and those by
-- which a monitor says what it could not read. In the order of the times that they name as those
-- of the files' begin (``ctime``), else of their own.
select e.seq, e.source, e.occurred_at, e.data->>'Info' as info
from events e
where coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'::uuid)
        = '00000000-0000-0000-0000-000000000000'
    and e.name = 'GENERIC'
    and (:source::text is null or e.source = :source)
    and starts_with(e.data->>'Info', :begins)
order by e.source,
    coalesce(
        substring(e.data->>'Info' from '\yctime=([0-9]{1,12})\y')::bigint,
        extract(epoch from e.occurred_at)::bigint),
    e.seq;

-- name: clock_leaps
-- Events that are told in their log behind one that happened later by more than ``back``, or
-- earlier by more than ``ahead``. An hour that daylight saving repeats may mean either of two.
select seq, source, log, "offset", job_id, occurred_at, before_seq, before_at
from (
    select e.seq, e.source, p.log, p."offset", e.job_id, e.occurred_at,
        least(e.occurred_at, e.occurred_alt) as earliest,
        greatest(e.occurred_at, e.occurred_alt) as latest,
        lag(e.seq) over told as before_seq,
        lag(e.occurred_at) over told as before_at,
        lag(least(e.occurred_at, e.occurred_alt)) over told as earliest_before,
        lag(greatest(e.occurred_at, e.occurred_alt)) over told as latest_before
    from event_positions p join events e on e.seq = p.seq
    where (:source::text is null or e.source = :source)
        and (:since::timestamptz is null or e.occurred_at >= :since or e.received_at >= :since)
    window told as (partition by e.source, p.log order by p."offset", p.seq)
) pairs
where latest < earliest_before - :back::interval or earliest > latest_before + :ahead::interval
order by source, log, "offset", seq;

-- name: rejected
-- How many messages of log monitors and how many of imports were rejected, by source, day (of UTC),
-- door and reason; what the state of a job refuses is of other kinds.
select source, (received_at at time zone 'UTC')::date as day, origin, reason, count(*), min(id),
    min(received_at)
from rejects
where (starts_with(origin, 'amqp:') or origin = :imports) and reason <> 'state'
    and (:source::text is null or source = :source)
    and (:since::timestamptz is null or received_at >= :since)
    and (:until::timestamptz is null or received_at < :until)
group by 1, 2, 3, 4
order by 1, 2, 3, 4;
