-- name: insert_audit!
-- Note who did what.
insert into audit (credential, action, detail) values (:credential, :action, :detail);
