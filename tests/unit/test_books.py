"""Every kind of jobs has a book, and every book has all that the store asks of one."""

from __future__ import annotations

import inspect

import pytest

from jexevents.model import Kind
from jexevents.store.books import BOOKS, Book

ASKED = {
    name: member
    for name, member in inspect.getmembers(Book, inspect.isfunction)
    if not name.startswith("_")
}


def test_every_kind_has_one() -> None:
    assert set(BOOKS) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_a_book_has_all_that_is_asked(kind: Kind) -> None:
    book = BOOKS[kind]
    for name in Book.__annotations__:
        assert hasattr(book, name), name
    for name, asked in ASKED.items():
        given = inspect.signature(getattr(book, name))
        assert len(given.parameters) == len(inspect.signature(asked).parameters) - 1, name


@pytest.mark.parametrize("kind", Kind)
def test_a_fold_of_nothing_is_a_fresh_state(kind: Kind) -> None:
    state = BOOKS[kind].fold(())
    assert (state.tail, state.closed) == (None, False)
    assert BOOKS[kind].in_order(()) == []
