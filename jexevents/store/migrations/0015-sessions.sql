-- Who is signed in to the dashboard.

create table sessions (
    sha256     bytea primary key check (octet_length(sha256) = 32),
    token_id   text not null references tokens on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
comment on table sessions is
    'Who signed in to the dashboard with which token; a session is kept as its SHA-256.';
create index sessions_by_end on sessions (expires_at);
create index sessions_of_token on sessions (token_id);
