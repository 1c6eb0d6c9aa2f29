-- name: tokens_in_force
-- The tokens that are not revoked. Those that expired are among them: that a token ran out must
-- not open what needed one.
select id, name, sha256, roles, expires_at, system
from tokens
where revoked_at is null
order by created_at;

-- name: all_tokens
-- Every token ever made, without what would let anybody in.
select id, name, roles, system, created_at, expires_at, revoked_at
from tokens
order by created_at;

-- name: insert_token!
-- Keep a new token by its hash.
insert into tokens (id, name, sha256, roles, expires_at, system)
values (:id, :name, :sha256, :roles, :expires_at, :system);

-- name: revoke_token!
-- End a token; nothing happens to one that has ended.
update tokens set revoked_at = now() where id = :id and revoked_at is null;

-- name: administrators
-- Those of these hashes that are of tokens in force with the role admin, and the tokens' names.
select sha256, name
from tokens
where sha256 = any(:sha256s::bytea[]) and 'admin' = any(roles) and revoked_at is null
    and (expires_at is null or expires_at > now());
