-- name: insert_audit<!
-- Note who did what; gives the number of the note.
insert into audit (credential, action, detail) values (:credential, :action, :detail)
returning id;

-- name: update_audit!
-- Say how far an action has come that takes several transactions.
update audit set detail = detail || :detail::jsonb where id = :id;
