-- A job that ended long ago keeps one event, which holds the state that its story had led to.

alter table jobs add column sealed_seq bigint;
comment on column jobs.sealed_seq is
    'The number of the event that stands for the whole story; null while the story is there.';
