-- name: smrtlink_facts
-- What only jobs of SMRT Link have, for these jobs; read after the jobs are locked.
select job_id, job_type from smrtlink_jobs where job_id = any(:ids::uuid[]);

-- name: smrtlink_rows
-- The same for jobs of which the row may be missing; found says whether they have it.
select j.id, s.job_id is not null as found, s.system, s.number, s.job_type
from jobs j left join smrtlink_jobs s on s.job_id = j.id
where j.id = any(:ids::uuid[]);

-- name: save_smrtlink_facts!
-- Write what the fold says of what only jobs of SMRT Link have.
insert into smrtlink_jobs (job_id, system, number, job_type)
select *
from unnest(:job_id::uuid[], :system::uuid[], :number::bigint[], :job_type::text[])
on conflict (job_id) do update set job_type = excluded.job_type;

-- name: smrtlink_job^
-- What only a job of SMRT Link has.
select system, number, job_type from smrtlink_jobs where job_id = :id;

-- name: find_smrtlink_events
-- A page of system events, the last stored first; each filter may be null. It ends early past
-- max_bytes; found says how many rows it would have without that.
select seq, data, found from (
    select page.*, count(*) over () as found,
        sum(bytes) over (order by seq desc) - bytes as bytes_before
    from (
        select e.seq, e.data, octet_length(e.raw) as bytes
        from event_identities i join events e on e.seq = i.seq
        where i.format = :format
            and (:source::text is null or i.source = :source)
            and (:name::text is null or i.name = :name)
            and (:version::bigint is null or (e.data->>'eventTypeVersion')::bigint = :version)
            and (:since::timestamptz is null or e.occurred_at >= :since)
            and (:until::timestamptz is null or e.occurred_at < :until)
            and (:before::bigint is null or i.seq < :before)
        order by i.seq desc
        limit :limit
    ) page
) counted
where bytes_before < :max_bytes
order by seq desc;

-- name: smrtlink_event^
-- The system event with this identity: of several systems that have it, that of the first stored.
select e.data
from event_identities i join events e on e.seq = i.seq
where i.checksum = :checksum and i.format = :format
    and (:source::text is null or i.source = :source)
order by i.seq
limit 1;
