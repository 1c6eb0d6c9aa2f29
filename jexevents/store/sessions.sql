-- name: token_to_sign_in^
-- The token in force with this hash.
select id, name, roles, system
from tokens
where sha256 = :sha256 and revoked_at is null and (expires_at is null or expires_at > now());

-- name: insert_session!
-- Begin a session, which ends with its token at the latest.
insert into sessions (sha256, token_id, expires_at)
select :sha256, id, least(now() + make_interval(secs => :seconds), expires_at)
from tokens
where id = :token_id;

-- name: find_session^
-- Whose session this is, if it has not ended, and its token neither.
select t.id, t.name, t.roles
from sessions s join tokens t on t.id = s.token_id
where s.sha256 = :sha256 and s.expires_at > now() and t.revoked_at is null
    and (t.expires_at is null or t.expires_at > now());

-- name: end_session!
-- End a session; nothing happens to one that has ended.
delete from sessions where sha256 = :sha256;

-- name: drop_ended_sessions!
-- Remove what has ended by itself, or with its token.
delete from sessions s
using tokens t
where t.id = s.token_id and (s.expires_at <= now() or t.revoked_at is not null);
