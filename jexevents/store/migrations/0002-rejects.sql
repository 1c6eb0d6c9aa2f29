-- Rejects get a word to be counted by, an identity, and what became of them since.

alter table rejects
    add column reason   text,
    add column checksum bytea check (octet_length(checksum) = 32),
    add column times    bigint not null default 1,
    add column last_at  timestamptz,
    add column tried_at timestamptz;

-- What the reasons of older rows say of it; a retry says it anew. What made the identity of an
-- older row cannot be told any more: each has one of its own.
update rejects set
    reason = case
        when reasons->0->>'expected' like 'a message of at most %' then 'too-large'
        when reasons->0->>'pointer' = 'content_encoding' then 'encoding'
        when size = 0 then 'empty'
        when reasons->0->>'expected' like '%the event is cut' then 'truncated-event'
        when reasons->0->>'expected' = 'one event and its end' then 'several-events'
        when reasons->0->>'got' like 'PostgreSQL %' then 'refused-by-database'
        when reasons->0->>'got' like 'The % failed on it: %' then 'internal'
        when reasons->0->>'pointer' <> '' then 'schema'
        when reasons->0->>'expected' like '%JSON%'
            and reasons->0->>'expected' <> 'a JSON object' then 'not-json'
        else 'unreadable-event'
    end,
    last_at = received_at,
    checksum = sha256(convert_to('reject ' || id, 'UTF8'));

alter table rejects
    alter column reason set not null,
    alter column checksum set not null,
    alter column last_at set not null,
    add unique (checksum);
create index on rejects (reason, id);

comment on column rejects.reason is 'In one word why; docs/rejects.md has them all.';
comment on column rejects.checksum is
    'SHA-256 of origin, source, credential, properties and the hash of the whole body.';
comment on column rejects.times is
    'How often it came, as far as that can be told: a redelivery may count again.';
comment on column rejects.received_at is 'When it came first.';
comment on column rejects.last_at is 'When it came last.';
comment on column rejects.tried_at is 'When it was last tried again in vain; null if never.';
