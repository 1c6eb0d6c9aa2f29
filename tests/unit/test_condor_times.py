"""What a stamp means: years that are missing, offsets, the hour that is repeated or skipped."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.errors import Malformed
from jexevents.sources.condor.times import Instant, Stamp, make_stamp, read_event_time, resolve

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
PHOENIX = ZoneInfo("America/Phoenix")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(text: str, zone=UTC, reference: str = "2026-06-01") -> Instant:
    return resolve(read_event_time(text), zone, at(reference))


def without_year(month: int, day: int, reference: str, zone=UTC) -> datetime:
    return resolve(Stamp(None, month, day, 12, 0, 0, 0, None), zone, at(reference)).at


def test_a_time_without_zone_is_read_in_the_zone_of_the_log():
    assert read("2026-07-01T12:00:00", BERLIN) == Instant(at("2026-07-01T10:00"), None, None)
    assert read("2026-07-01T12:00:00", PHOENIX).at == at("2026-07-01T19:00")


@pytest.mark.parametrize(
    ("offset", "hour"), [("Z", 12), ("+02:00", 10), ("-0700", 19), ("+05:30", 6.5), ("-04", 16)]
)
def test_an_offset_counts_and_the_zone_does_not(offset, hour):
    instant = read(f"2026-07-01T12:00:00{offset}", NEW_YORK)
    assert instant == Instant(at("2026-07-01") + timedelta(hours=hour), offset, None)


@pytest.mark.parametrize(
    ("digits", "microsecond"),
    [("5", 500000), ("123", 123000), ("123456", 123456), ("1234569", 123456), ("000001", 1)],
)
def test_up_to_six_digits_of_a_fraction_are_read(digits, microsecond):
    assert read(f"2026-07-01T12:00:00.{digits}").at.microsecond == microsecond


def test_a_missing_year_is_the_nearest():
    assert without_year(12, 31, "2026-01-02").year == 2025
    assert without_year(1, 1, "2026-12-31").year == 2027
    assert without_year(7, 1, "2026-06-01").year == 2026
    assert without_year(1, 1, "2026-01-01", ZoneInfo("Pacific/Kiritimati")).year == 2025


def test_a_29_february_without_year_is_in_a_leap_year():
    assert without_year(2, 29, "2026-06-01").year == 2028
    assert without_year(2, 29, "2026-01-01").year == 2024
    assert without_year(2, 29, "1899-01-01").year == 1896
    assert without_year(2, 29, "1901-01-01").year == 1904


def test_the_hour_that_is_repeated_has_two_readings():
    early, late = at("2026-10-25T00:30"), at("2026-10-25T01:30")
    text = "2026-10-25T02:30:00"
    assert read(text, BERLIN, "2026-10-25T00:31") == Instant(early, None, late)
    assert read(text, BERLIN, "2026-10-25T01:31") == Instant(late, None, early)
    assert read(text, BERLIN, "2026-10-25T04:30") == Instant(late, None, early)
    assert read(text, BERLIN, "2026-10-25T04:31") == Instant(early, None, late)
    assert read(text, BERLIN, "2026-10-24T22:00") == Instant(early, None, late)


def test_it_is_another_hour_elsewhere_and_none_in_arizona():
    text = "2026-11-01T01:30:00"
    expected = Instant(at("2026-11-01T05:30"), None, at("2026-11-01T06:30"))
    assert read(text, NEW_YORK) == expected
    assert read(text, PHOENIX) == Instant(at("2026-11-01T08:30"), None, None)
    assert read(text, BERLIN).alternative is None
    assert read("2026-11-01T00:59:59", NEW_YORK).alternative is None
    assert read("2026-11-01T02:00:00", NEW_YORK).alternative is None


def test_an_offset_leaves_no_second_reading():
    assert read("2026-11-01T01:30:00-05:00", NEW_YORK).alternative is None
    assert read("2026-11-01T01:30:00Z", NEW_YORK).alternative is None


def test_the_hour_that_is_skipped_is_read_with_the_offset_before():
    assert read("2026-03-29T02:30:00", BERLIN) == Instant(at("2026-03-29T01:30"), None, None)
    assert read("2026-03-08T02:30:00", NEW_YORK) == Instant(at("2026-03-08T07:30"), None, None)


def test_a_year_and_a_repeated_hour_are_found_together():
    stamp = Stamp(None, 10, 25, 2, 30, 0, 0, None)
    instant = resolve(stamp, BERLIN, at("2026-10-25T01:31"))
    assert instant == Instant(at("2026-10-25T01:30"), None, at("2026-10-25T00:30"))


def test_a_leap_second_rolls_over():
    assert read("2016-12-31T23:59:60Z").at == at("2017-01-01")


@pytest.mark.parametrize(
    "text",
    [
        "2026-13-01T00:00:00",
        "2026-00-01T00:00:00",
        "2026-13-45T00:00:00",
        "2026-04-31T00:00:00",
        "2026-02-29T00:00:00",
        "1900-02-29T00:00:00",
        "2026-01-01T25:00:00",
        "2026-01-01T24:00:00",
        "2026-01-01T00:60:00",
        "2026-01-01T00:00:61",
        "0000-01-01T00:00:00",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01",
        "",
        "2026-01-01T00:00",
        "20260101T000000",
        "\u0662\u0660\u0662\u0666-01-01T00:00:00",
    ],
)
def test_times_that_cannot_be_are_malformed(text):
    with pytest.raises(Malformed, match="expected"):
        read_event_time(text)


def test_29_february_without_year_is_possible():
    assert make_stamp(None, "02", "29", "00", "00", "00", None, None).day == 29


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("9999-12-31T23:59:60Z", UTC),
        ("9999-12-31T23:00:00", PHOENIX),
        ("0001-01-01T00:00:00", BERLIN),
    ],
)
def test_times_past_the_calendar_are_malformed(text, zone):
    with pytest.raises(Malformed, match="1 to 9999"):
        read(text, zone)


@given(
    st.datetimes(datetime(1901, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from([UTC, BERLIN, NEW_YORK, PHOENIX, ZoneInfo("Australia/Lord_Howe")]),
    st.timedeltas(timedelta(days=-180), timedelta(days=180)),
)
def test_a_clock_reading_is_found_again(moment, zone, late):
    true = moment.replace(tzinfo=UTC)
    local = true.astimezone(zone)
    stamp = Stamp(None, *local.timetuple()[1:6], local.microsecond, None)
    instant = resolve(stamp, zone, true + late)
    assert true in (instant.at, instant.alternative)
