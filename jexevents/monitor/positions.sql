-- name: create_tables#
-- All that is known of the logs. `counts` holds one row a save: 12 bytes for each event, the
-- digest of its text (8) and which of the equal ones it is (4), from the event `first` on.
create table logs (
    id integer primary key,
    path blob not null unique
) strict;
create table files (
    log integer not null references logs on delete cascade,
    ordinal integer not null,
    inode text not null,
    generation integer not null,
    name text not null,
    header blob not null,
    head blob not null,
    position integer not null,
    tail blob not null,
    done integer not null,
    primary key (log, ordinal)
) strict, without rowid;
create table counts (
    log integer not null references logs on delete cascade,
    first integer not null,
    last integer not null,
    seen blob not null,
    primary key (log, first)
) strict, without rowid;

-- name: known_logs
-- The paths of all logs.
select path from logs order by path;

-- name: log_id$
-- The number of a log, if it is known.
select id from logs where path = :path;

-- name: insert_log$
-- Make a log known.
insert into logs (path) values (:path) returning id;

-- name: delete_log!
-- Forget a log.
delete from logs where path = :path;

-- name: files_of
-- The files of a log, the oldest first.
select ordinal, inode, generation, name, header, head, position, tail, done
from files where log = :log order by ordinal;

-- name: note_file!
-- Keep how far a file was read.
insert into files (log, ordinal, inode, generation, name, header, head, position, tail, done)
values (:log, :ordinal, :inode, :generation, :name, :header, :head, :position, :tail, :done)
on conflict (log, ordinal) do update set
    inode = excluded.inode, generation = excluded.generation, name = excluded.name,
    header = excluded.header, head = excluded.head, position = excluded.position,
    tail = excluded.tail, done = excluded.done;

-- name: drop_files!
-- Forget the files of a log before that one.
delete from files where log = :log and ordinal < :ordinal;

-- name: counts_of
-- The texts of a log that were counted, the oldest first.
select first, seen from counts where log = :log order by first;

-- name: note_counts!
-- Keep texts that were counted.
insert into counts (log, first, last, seen) values (:log, :first, :last, :seen);

-- name: drop_counts!
-- Forget the texts of a log before that one.
delete from counts where log = :log and last < :before;
