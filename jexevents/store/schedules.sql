-- name: clock$
-- What PostgreSQL's clock shows.
select clock_timestamp();

-- name: schedule_state^
-- What all daemons agree on about schedules.
select looked_at, commit, schedules_commit, schedules_edition, decisions from runner_state;

-- name: lock_schedule_state^
-- The same, kept as it is until this transaction ends.
select looked_at, commit, schedules_commit, schedules_edition, decisions
from runner_state
for update;

-- name: note_look!
-- Note that somebody has looked and nothing was due; not at every look, for that tells no more.
update runner_state set looked_at = :now
where looked_at is null or looked_at < :now::timestamptz - interval '10 seconds';

-- name: note_decisions!
-- Note a look at which something was decided.
update runner_state set looked_at = :now, decisions = decisions + 1;

-- name: note_schedules!
-- Note of which definitions the schedules are; the edition grows where any of them is another.
update runner_state
set looked_at = :now, schedules_commit = :commit, decisions = decisions + 1,
    schedules_edition = schedules_edition + :changed::integer;

-- name: schedules_in_force
-- The schedules of definitions in force.
select id, definition, place, members, fingerprint, first_seen, since, decided_until, gone_at
from schedules
where gone_at is null
order by id;

-- name: all_schedules
-- Those that no definition has any more among them.
select id, definition, place, members, fingerprint, first_seen, since, decided_until, gone_at
from schedules
order by id;

-- name: schedules_by_id
-- These schedules, if they are in force.
select id, definition, place, members, fingerprint, first_seen, since, decided_until, gone_at
from schedules
where id = any(:ids::bigint[]) and gone_at is null
order by id;

-- name: schedules_of
-- The schedules that a definition has or had.
select id, definition, place, members, fingerprint, first_seen, since, decided_until, gone_at
from schedules
where definition = :definition
order by place;

-- name: save_schedules!
-- Put schedules in force. When one was first seen stays as it is.
insert into schedules (definition, place, members, fingerprint, first_seen, since, decided_until)
select definition, place, members::jsonb, fingerprint, :now, :now, decided_until
from unnest(:definitions::text[], :places::integer[], :members::text[], :fingerprints::text[],
    :decided::timestamptz[])
    as new (definition, place, members, fingerprint, decided_until)
on conflict (definition, place) do update set members = excluded.members,
    fingerprint = excluded.fingerprint, since = excluded.since,
    decided_until = excluded.decided_until, gone_at = null;

-- name: save_members!
-- Keep other members of schedules whose due times stay what they are.
update schedules s set members = new.members::jsonb
from unnest(:ids::bigint[], :members::text[]) as new (id, members)
where s.id = new.id;

-- name: end_schedules!
-- Note that no definition has these any more.
update schedules set gone_at = :now where id = any(:ids::bigint[]);

-- name: decided!
-- Note up to when all due times of these schedules have their rows.
update schedules set decided_until = :now where id = any(:ids::bigint[]);

-- name: known_due_times
-- Which of these due times have their rows.
select d.schedule_id, d.identity
from unnest(:schedule_ids::bigint[], :identities::text[]) as asked (schedule_id, identity)
join due_times d using (schedule_id, identity);

-- name: insert_due_times!
-- Say what became of due times, in this order. One that has its row is an error.
insert into due_times (schedule_id, identity, due_at, after, outcome, reason, execution,
    decided_at)
select schedule_id, identity, due_at, after, outcome, reason, execution, :now
from unnest(:schedule_ids::bigint[], :identities::text[], :due_ats::timestamptz[],
    :afters::timestamptz[], :outcomes::text[], :reasons::text[], :executions::bigint[])
    with ordinality
    as new (schedule_id, identity, due_at, after, outcome, reason, execution, number)
order by number;

-- name: set_back_schedules!
-- After the clock was set back: what is due from now on is looked for anew.
update schedules set decided_until = :now where decided_until > :now;

-- name: forget_what_is_ahead!
-- After the clock was set back: what was told of times that now lie ahead, and began no run, is
-- decided when they come. What ran keeps its row, and does not run again.
delete from due_times
where due_at > :now and outcome not in ('ran', 'late') and coalesce(after, :now) >= :now;

-- name: cut_spans!
-- After the clock was set back: many told as one end now.
update due_times set due_at = :now where after < :now and due_at > :now;

-- name: set_back_state!
-- Note a look after the clock was set back.
update runner_state
set looked_at = :now, decisions = decisions + 1, schedules_edition = schedules_edition + 1;

-- name: standings
-- Which of these jobs were taken off the active list or put back, and when.
select name, active, changed_at from definition_states where name = any(:names::text[]);

-- name: first_going_on
-- For each of these jobs that has executions which are not over: the first of them.
select definition, min(execution) from execution_queue
where definition = any(:names::text[])
group by definition;

-- name: due_times_page
-- What became of due times of these schedules, the last decided first.
select id, schedule_id, identity, due_at, after, outcome, reason, execution, decided_at
from due_times
where schedule_id = any(:ids::bigint[]) and (:before::bigint is null or id < :before)
order by id desc
limit :limit;

-- name: schedules_with_last
-- The schedules in force, each with what became of its last due time and whether its job is active.
select s.id, s.definition, s.place, s.members, s.fingerprint, s.first_seen, s.since,
    s.decided_until, s.gone_at, coalesce(t.active, true) as active,
    d.due_at, d.outcome, d.reason, d.execution
from schedules s
left join definition_states t on t.name = s.definition
left join lateral (
    select due_at, outcome, reason, execution
    from due_times
    where schedule_id = s.id
    order by id desc
    limit 1
) d on true
where s.gone_at is null
order by s.id;

-- name: drop_old_due_times
-- Remove what became of due times long ago; the last two days of each schedule stay, by which a
-- daemon that starts knows what was decided.
delete from due_times
where id = any(array(
    select d.id
    from due_times d
    join schedules s on s.id = d.schedule_id
    where d.decided_at < :before
        and (d.due_at < s.decided_until - interval '2 days' or s.gone_at < :before)
    order by d.decided_at
    limit :limit
    for update of d skip locked
))
returning id;
