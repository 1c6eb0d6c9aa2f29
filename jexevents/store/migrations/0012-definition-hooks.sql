-- Webhooks of job definitions: where they lead.

alter table hooks add column url text;
comment on column hooks.url is
    'Where a hook of definitions leads; null for a configured one. A definition may be gone, or '
    'name other URLs, before what was written for it is delivered: so it stands here.';
comment on table hooks is
    'What is to be remembered of a hook: where one of definitions leads, and that the receiver of '
    'one did not want it any more.';

create index hooks_of_definitions on hooks (name) where url is not null;
