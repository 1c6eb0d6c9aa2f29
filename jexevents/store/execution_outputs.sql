-- name: output_of_execution^
-- Where the output of an attempt of an execution is: of the current one where none is named.
select j.id as job_id, x.attempt as current, coalesce(:attempt::bigint, x.attempt) as attempt,
    j.state, j.phase, j.closed, j.exit_code, j.reason, a.node, a.settled_at, a.removed_at,
    (select coalesce(url, local_url) from nodes
        where name = a.node and (url is not null or local_url is not null and machine = :machine)
        order by seen_at desc limit 1) as url
from executions x
join jobs j on j.id = x.job_id
left join execution_attempts a
    on a.job_id = x.job_id and a.attempt = coalesce(:attempt::bigint, x.attempt)
where x.execution = :execution and x.definition = :definition;

-- name: output_of_attempt^
-- The same by the job and the number of the attempt.
select j.id as job_id, x.attempt as current, :attempt::bigint as attempt,
    j.state, j.phase, j.closed, j.exit_code, j.reason, a.node, a.settled_at, a.removed_at,
    (select coalesce(url, local_url) from nodes
        where name = a.node and (url is not null or local_url is not null and machine = :machine)
        order by seen_at desc limit 1) as url
from executions x
join jobs j on j.id = x.job_id
left join execution_attempts a on a.job_id = x.job_id and a.attempt = :attempt::bigint
where x.job_id = :job_id::uuid;

-- name: output_of_detail^
-- The same by the result and the number of a container's run.
select j.id as job_id, x.attempt as current, coalesce(:attempt::bigint, x.attempt) as attempt,
    j.state, j.phase, j.closed, j.exit_code, j.reason, a.node, a.settled_at, a.removed_at,
    (select coalesce(url, local_url) from nodes
        where name = a.node and (url is not null or local_url is not null and machine = :machine)
        order by seen_at desc limit 1) as url
from executions x
join jobs j on j.id = x.job_id
left join execution_attempts a
    on a.job_id = x.job_id and a.attempt = coalesce(:attempt::bigint, x.attempt)
where x.result_id = :result_id and x.number = :number;
