-- Files that SMRT Link systems upload. They lie on the nodes that took them; here is what they are.

create table uploads (
    id             uuid primary key,            -- the uuid of the event that tells of it, too
    seq            bigint generated always as identity unique,
    system         text not null,
    node           text not null,               -- whose folder it lies in
    path           text not null,               -- below that folder
    filename       text not null,
    field          text not null,
    size           bigint not null check (size >= 0),
    sha256         bytea not null check (octet_length(sha256) = 32),
    bundle_type    text not null,
    bundle_version integer not null,
    manifest       jsonb not null,
    credential     text not null,
    received_at    timestamptz not null
);
comment on table uploads is 'The bundles that were uploaded; each file lies on one node.';
create index on uploads (system, seq);
create index on uploads (node, received_at);
