-- name: hold_urls
-- Which of these hooks have their URLs; none of those is forgotten before this transaction ends.
select name
from hooks
where name = any(:names::text[]) and url is not null
order by name
for key share;

-- name: keep_urls!
-- Have hooks known with their URLs.
insert into hooks as known (name, url)
select name, url
from unnest(:names::text[], :urls::text[]) as new (name, url)
order by name
on conflict (name) do update set url = excluded.url;

-- name: shown_executions
-- What deliveries show of these executions, as they stand.
select j.id, j.key, j.source, j.state, j.closed, j.submitter, j.submitted_at, j.started_at,
    j.finished_at, j.exit_code, j.reason, coalesce(e.attempt, 1) as attempt, e.status
from jobs j
left join executions e on e.job_id = j.id
where j.id = any(:ids::uuid[]);

-- name: stories
-- All that the fold needs of the events of these executions, in the order in which they were stored.
select job_id, seq, name, occurred_at, occurred_offset, occurred_alt, checksum, data,
    null as log, null as "offset"
from events
where coalesce(job_id, '00000000-0000-0000-0000-000000000000'::uuid) = any(:ids::uuid[])
order by seq;

-- name: waiting_hooks
-- The hooks of definitions that have deliveries which wait: whether a receiver refuses them, and
-- in how many seconds something is to be looked at.
select h.name, h.disabled_at is not null,
    extract(epoch from next.at - statement_timestamp())::float8
from hooks h
cross join lateral (
    select least(
        (
            select due_at
            from hook_deliveries
            where hook = h.name and state = 'pending' and not parked and claimed_until is null
            order by due_at
            limit 1
        ),
        (
            select claimed_until
            from hook_deliveries
            where hook = h.name and claimed_until is not null
            order by claimed_until
            limit 1
        )
    ) as at
) next
where h.url is not null and next.at is not null
order by next.at;

-- name: url_of$
-- Where a hook of definitions leads; null for one that is unknown.
select url from hooks where name = :name;

-- name: depths
-- What the requests of an execution say of how many hooks led to it.
select data -> 'depth' from events where job_id = :job_id and name = 'requested';

-- name: lock_idle_urls
-- Hooks of definitions, behind a name, that nothing is known of but their URLs. Nobody writes for
-- them before this transaction ends.
select h.name
from hooks h
where h.url is not null and h.disabled_at is null and h.name > :after
    and not exists (select from hook_deliveries where hook = h.name)
order by h.name
limit :limit
for update skip locked;

-- name: drop_idle_urls!
-- Forget hooks of definitions that are locked, save those for which somebody wrote before that.
delete from hooks h
where h.name = any(:names::text[]) and h.url is not null and h.disabled_at is null
    and not exists (select from hook_deliveries where hook = h.name);
