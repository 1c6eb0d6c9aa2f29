"""Years that dates lack are found out as docs/import.md says."""

from __future__ import annotations

import io
from datetime import datetime, timezone

import pytest

from jexevents.imports.years import (
    DATES,
    FILE_TIME,
    GIVEN,
    HEADER,
    NoYear,
    Years,
    first_year,
    follow,
)

UTC = timezone.utc


def event(day: str, number: int = 1) -> bytes:
    return f"{number:03} (007.000.000) {day} 12:00:00 Job executing\n...\n".encode()


def log(*days: str) -> io.BytesIO:
    return io.BytesIO(b"".join(map(event, days)))


def at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "month", "day", "year"),
    [
        ((2019, 3, 1), 3, 1, 2019),
        ((2019, 3, 1), 3, 2, 2019),
        ((2019, 3, 2), 3, 1, 2019),
        ((2019, 12, 31), 1, 1, 2020),
        ((2020, 1, 1), 12, 31, 2019),
        ((2020, 1, 20), 9, 3, 2020),
        ((2019, 11, 5), 2, 1, 2020),
        ((2019, 3, 1), 2, 10, 2019),
        ((2019, 6, 1), 2, 10, 2020),
    ],
)
def test_a_date_follows_another(
    last: tuple[int, int, int], month: int, day: int, year: int
) -> None:
    assert follow(last, month, day) == year


def test_the_files_time_counts_back_over_ends_of_years() -> None:
    days = ("11/03", "12/31", "01/01", "12/31", "01/01", "11/30", "01/02", "06/01")
    assert first_year(log(*days), at(2021, 6, 1), UTC) == 2019
    # Copied a month later; and before the last event by a zone's difference.
    assert first_year(log(*days), at(2021, 7, 9), UTC) == 2019
    assert first_year(log("01/01"), datetime(2020, 12, 31, 20, tzinfo=UTC), UTC) == 2021
    assert first_year(log("01/03"), datetime(2020, 12, 31, 20, tzinfo=UTC), UTC) == 2020


def test_a_leap_day_tells_more_than_the_files_time() -> None:
    assert first_year(log("02/28", "02/29", "03/01"), at(2023, 5, 1), UTC) == 2020


def test_a_log_with_years_needs_none() -> None:
    assert first_year(log("2019-03-01"), at(2021, 6, 1), UTC) is None


def test_what_only_looks_like_a_date_is_none() -> None:
    text = b"001 (1.0.0) 03/01 12:00:00 x\n a 001 (1.0.0) 01/01 12:00:00 y\n...\n"
    assert first_year(io.BytesIO(text), at(2020, 4, 1), UTC) == 2020


@pytest.mark.parametrize("size", range(1, 90, 7))
def test_dates_are_found_wherever_the_file_is_cut(size: int) -> None:
    class Slow(io.BytesIO):
        def read(self, _size: int = -1) -> bytes:  # type: ignore[override]
            return super().read(size)

    text = log("12/31", "01/01", "11/30", "01/01").getvalue()
    assert first_year(Slow(text), at(2021, 2, 1), UTC) == 2019


def followed(years: Years, *events: bytes) -> list[int | None]:
    return [years.of(one) for one in events]


def test_each_event_gets_its_year() -> None:
    years = Years(UTC)
    years.begin_file(lambda: 2018)
    days = map(event, ("12/31", "01/01", "12/31", "2020-01-04", "01/05"))
    assert followed(years, *days) == [2018, 2019, 2018, None, 2020]
    assert years.how == FILE_TIME
    years.begin_file(lambda: pytest.fail("the log before tells it"))
    assert followed(years, event("11/30"), event("01/02")) == [2020, 2021]
    assert years.how == DATES


def test_who_imports_it_knows_better() -> None:
    header = (
        b"008 (-01.-01.-01) 12/31 23:59:59 Global JobLog: ctime=1577836799 id=a sequence=1\n...\n"
    )
    years = Years(UTC, 2005)
    years.begin_file(lambda: 2018)
    assert followed(years, header, event("01/01")) == [2005, 2006]
    assert years.how == GIVEN


def test_a_header_tells_the_year() -> None:
    header = (
        b"008 (-01.-01.-01) 12/31 23:59:59 Global JobLog: ctime=1577836799 id=a sequence=1\n...\n"
    )
    years = Years(UTC)
    years.begin_file(lambda: None)
    assert followed(years, header, event("01/01")) == [2019, 2020]
    assert years.how == HEADER


def test_where_nothing_tells_it_it_is_not_guessed() -> None:
    years = Years(UTC)
    years.begin_file(lambda: None)
    assert followed(years, event("2020-02-01"), b'{"EventTypeNumber": 1}') == [None, None]
    assert years.how is None
    fresh = Years(UTC)
    fresh.begin_file(lambda: None)
    with pytest.raises(NoYear):
        fresh.of(event("02/01"))
