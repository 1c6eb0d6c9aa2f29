"""What a connection says, in how many messages, and what is left when one of them fails."""

from contextlib import closing

import psycopg2
import psycopg2.extensions
import pytest

from jexevents.store.database import Database
from jexevents.store.literals import copy
from jexevents.store.prepared import Prepared

ONE = Prepared("one_more", "insert into numbers (n) values (%(n)s)")


@pytest.fixture
def pool(database):
    with closing(Database(database, size=2)) as one:
        with one.transaction() as connection:
            say(connection, "create table numbers (n int primary key)")
        yield one


def say(connection, statement, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments or None)
        return cursor.fetchall() if cursor.description else None


def put(connection, n):
    with connection.cursor() as cursor:
        ONE.execute(cursor, {"n": n})


def put_later(connection, n):
    with connection.cursor() as cursor:
        ONE.later(cursor, {"n": n})


def numbers(pool):
    with pool.look() as connection:
        return [n for (n,) in say(connection, "select n from numbers order by n")]


def message(connection):
    """Give the text of the message that asks this, as the server sees it."""
    return say(connection, "select current_query()")


def test_the_beginning_goes_along_with_the_first_statement(pool):
    with pool.transaction() as connection:
        ((query,),) = message(connection)
        assert query.startswith("begin;\nselect")
        ((query,),) = message(connection)
        assert query.startswith("select")


def test_what_is_said_later_goes_along_with_the_next_and_with_the_commit(pool):
    with pool.transaction() as connection:
        put_later(connection, 1)
        ((query,),) = message(connection)
        assert query.startswith("begin;\nprepare one_more")
        assert say(connection, "select n from numbers") == [(1,)]
        put_later(connection, 2)
    assert numbers(pool) == [1, 2]


def test_a_transaction_without_a_word_is_none(pool):
    with pool.transaction() as connection:
        pass
    with pool.look() as same:
        assert same is connection
        assert say(same, "select pg_current_xact_id_if_assigned()") == [(None,)]


def test_a_failure_takes_all_of_it_back_and_the_connection_is_good_again(pool):
    put_alone(pool, 1)
    with pytest.raises(ZeroDivisionError):
        pool.run(put_two_and_fail)
    assert numbers(pool) == [1]
    put_alone(pool, 2)
    assert numbers(pool) == [1, 2]


def put_two_and_fail(connection):
    put(connection, 2)
    put_later(connection, 3)
    raise ZeroDivisionError


def put_alone(pool, n):
    with pool.transaction() as connection:
        put(connection, n)


@pytest.mark.parametrize("then", ["another statement", "the commit"])
def test_what_fails_later_fails_with_what_comes_next(pool, then):
    put_alone(pool, 1)
    connection = pool.open()
    with closing(connection):
        connection.begin()
        put_later(connection, 2)
        put_later(connection, 1)
        with pytest.raises(psycopg2.errors.UniqueViolation):
            say(connection, "select 1") if then == "another statement" else connection.commit()
        connection.rollback()
        assert numbers(pool) == [1]
        connection.begin()
        put(connection, 2)
        connection.commit()
    assert numbers(pool) == [1, 2]


def test_what_could_not_be_prepared_is_prepared_again(pool):
    connection = pool.open()
    with closing(connection):
        say(connection, "alter table numbers rename to counts")
        with pytest.raises(psycopg2.errors.UndefinedTable):
            put(connection, 1)
        say(connection, "alter table counts rename to numbers")
        put(connection, 1)
    assert numbers(pool) == [1]


def test_copy_comes_behind_what_was_said_before(pool):
    with pool.transaction() as connection:
        put_later(connection, 1)
        copy(connection, "copy numbers (n) from stdin", ["2", "3"])
        assert say(connection, "select count(*) from numbers") == [(3,)]
    assert numbers(pool) == [1, 2, 3]


def test_a_transaction_that_begins_with_copy_is_committed_with_what_is_said_later(pool):
    with pool.transaction() as connection:
        copy(connection, "copy numbers (n) from stdin", ["1"])
        put_later(connection, 2)
    assert numbers(pool) == [1, 2]
    with pool.transaction() as connection:
        connection.flush()
        put_later(connection, 3)
    assert numbers(pool) == [1, 2, 3]


def test_what_is_said_later_outside_of_a_transaction_is_said_at_its_end(pool):
    with pool.look() as connection:
        put_later(connection, 1)
    assert numbers(pool) == [1]


def test_a_transaction_that_never_began_takes_nothing_until_it_is_rolled_back(pool):
    """As where PostgreSQL refuses the whole text that BEGIN stands in."""
    connection = pool.open()
    with closing(connection):
        connection.begin()
        with pytest.raises(psycopg2.errors.SyntaxError):
            say(connection, "selec 1")
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            put(connection, 1)
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            connection.commit()
        connection.rollback()
        put(connection, 2)
    assert numbers(pool) == [2]


def test_what_does_not_heed_the_order_is_refused(pool):
    with pool.look() as connection, connection.cursor() as cursor:
        for refused in (cursor.executemany, cursor.callproc, cursor.copy_from, cursor.copy_to):
            with pytest.raises(psycopg2.NotSupportedError):
                refused("numbers", [])


def test_a_new_connection_has_what_all_have(pool):
    connection = pool.open()
    with closing(connection):
        assert connection.status == psycopg2.extensions.STATUS_READY
        shown = {"search_path": "jex", "timezone": "UTC", "enable_seqscan": "off"}
        shown |= {"statement_timeout": "10s", "default_transaction_isolation": "read committed"}
        for name, value in shown.items():
            assert say(connection, f"show {name}") == [(value,)]


def test_a_named_cursor_reads_inside_its_transaction(pool):
    with pool.transaction() as connection:
        put_later(connection, 1)
        with connection.cursor("numbers", withhold=True) as cursor:
            cursor.execute("select n from numbers")
            assert list(cursor) == [(1,)]
    assert numbers(pool) == [1]


def test_outside_of_a_transaction_each_statement_is_one(pool):
    with pool.look() as connection:
        put(connection, 1)
        assert numbers(pool) == [1]
