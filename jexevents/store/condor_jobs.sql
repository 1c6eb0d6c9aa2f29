-- name: condor_facts
-- What only condor jobs have, for these jobs; read after the jobs are locked.
select job_id, held, said, exit_signal, core_file, reason_code, reason_subcode, starts,
    submit_host, execute_host, submitted_offset, started_offset, finished_offset,
    invocation_id, app_id, batch_id, command_line, env_variables, failure_count,
    failure_threshold
from condor_jobs
where job_id = any(:ids::uuid[]);

-- name: condor_rows
-- All that stands of these jobs in the tables of condor jobs alone; found says whether they
-- have their row.
select j.id, c.job_id is not null as found, array(
        select invocation_id::text from invocations i where i.job_id = j.id order by 1
    ) as invocations,
    c.cluster, c.proc, c.held, c.said, c.exit_signal, c.core_file, c.reason_code,
    c.reason_subcode, c.starts, c.submit_host, c.execute_host, c.submitted_offset,
    c.started_offset, c.finished_offset, c.invocation_id, c.app_id, c.batch_id, c.command_line,
    c.env_variables, c.failure_count, c.failure_threshold
from jobs j left join condor_jobs c on c.job_id = j.id
where j.id = any(:ids::uuid[]);

-- name: save_condor_facts!
-- Write what only condor jobs have.
insert into condor_jobs (job_id, cluster, proc, held, said, exit_signal, core_file, reason_code,
    reason_subcode, starts, submit_host, execute_host, submitted_offset, started_offset,
    finished_offset, invocation_id, app_id, batch_id, command_line, env_variables,
    failure_count, failure_threshold)
select * from unnest(
    :job_id::uuid[], :cluster::bigint[], :proc::bigint[], :held::boolean[], :said::smallint[],
    :exit_signal::bigint[], :core_file::text[], :reason_code::bigint[],
    :reason_subcode::bigint[], :starts::integer[], :submit_host::text[],
    :execute_host::text[], :submitted_offset::text[], :started_offset::text[],
    :finished_offset::text[], :invocation_id::uuid[], :app_id::uuid[], :batch_id::uuid[],
    :command_line::text[], :env_variables::text[], :failure_count::bigint[],
    :failure_threshold::bigint[])
on conflict (job_id) do update set
    held = excluded.held, said = excluded.said, exit_signal = excluded.exit_signal,
    core_file = excluded.core_file, reason_code = excluded.reason_code,
    reason_subcode = excluded.reason_subcode, starts = excluded.starts,
    submit_host = excluded.submit_host, execute_host = excluded.execute_host,
    submitted_offset = excluded.submitted_offset, started_offset = excluded.started_offset,
    finished_offset = excluded.finished_offset, invocation_id = excluded.invocation_id,
    app_id = excluded.app_id, batch_id = excluded.batch_id,
    command_line = excluded.command_line, env_variables = excluded.env_variables,
    failure_count = excluded.failure_count, failure_threshold = excluded.failure_threshold;

-- name: condor_record^
-- A condor job whole: what all jobs have and what only these have.
select j.id, j.key, j.source, j.state, j.phase, j.submitter, j.submitted_at, j.started_at,
    j.finished_at, j.exit_code, j.reason, c.cluster, c.proc, c.held, c.exit_signal, c.core_file,
    c.reason_code, c.reason_subcode, c.starts, c.submit_host, c.execute_host,
    c.submitted_offset, c.started_offset, c.finished_offset, c.invocation_id, c.app_id,
    c.batch_id, c.command_line, c.env_variables, c.failure_count, c.failure_threshold
from jobs j join condor_jobs c on c.job_id = j.id
where j.id = :id;

-- name: add_invocations!
-- Note which jobs an invocation id belongs to.
insert into invocations (invocation_id, job_id)
select * from unnest(:invocation_ids::uuid[], :job_ids::uuid[])
on conflict do nothing;

-- name: job_of_invocation$
-- The job that an invocation id stands for: of several, the one submitted last. Procs of one
-- submission share its time, and which of them was heard of last must not decide.
select j.id
from invocations i join jobs j on j.id = i.job_id join condor_jobs c on c.job_id = j.id
where i.invocation_id = :invocation_id
order by j.submitted_at desc nulls last, c.cluster desc, c.proc desc, j.key
limit 1;
