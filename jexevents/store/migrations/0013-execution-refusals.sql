-- Executions that no node can begin: since when, and why.

alter table execution_queue
    add column refused_at timestamptz,       -- its commit cannot be had; null again when it can
    add column refusal    text;              -- what the last node that could not begin it said

create index execution_queue_refused on execution_queue ((run->>'commit'))
    where refused_at is not null;
