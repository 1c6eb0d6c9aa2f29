-- What is sent again goes by itself: it waits for nothing of its job, and nothing waits for it.

alter table hook_deliveries add column redelivered boolean not null default false;
comment on column hook_deliveries.redelivered is
    'It was over, and somebody had it sent again: outside of the order of its job.';

drop index hook_deliveries_order;
create index hook_deliveries_order on hook_deliveries (hook, job_id, id)
    where state = 'pending' and job_id is not null and not redelivered;
