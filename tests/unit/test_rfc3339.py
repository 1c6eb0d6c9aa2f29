"""RFC 3339 in all its corners, by table and by property."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.errors import Invalid, Malformed, Unacceptable
from jexevents.rfc3339 import format_at, format_utc, parse

UTC = timezone.utc
INSTANTS = st.datetimes(timezones=st.just(UTC))
OFFSETS = st.builds(
    "{}{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 23), st.integers(0, 59)
) | st.just("Z")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at", "offset"),
    [
        ("2006-01-02T15:04:05Z", utc(2006, 1, 2, 15, 4, 5), "Z"),
        ("2006-01-02t15:04:05z", utc(2006, 1, 2, 15, 4, 5), "Z"),
        ("2006-01-02T15:04:05+07:00", utc(2006, 1, 2, 8, 4, 5), "+07:00"),
        ("2006-01-02T15:04:05-23:59", utc(2006, 1, 3, 15, 3, 5), "-23:59"),
        ("2006-01-02T15:04:05-00:00", utc(2006, 1, 2, 15, 4, 5), "-00:00"),
        ("2006-01-02T15:04:05.5Z", utc(2006, 1, 2, 15, 4, 5, 500_000), "Z"),
        ("2006-01-02T15:04:05.1234569Z", utc(2006, 1, 2, 15, 4, 5, 123_456), "Z"),
        ("2006-01-02T15:04:05." + "9" * 5000 + "Z", utc(2006, 1, 2, 15, 4, 5, 999_999), "Z"),
        ("2016-12-31T23:59:60Z", utc(2017, 1, 1), "Z"),
        ("2015-06-30T23:59:60.25Z", utc(2015, 7, 1, 0, 0, 0, 250_000), "Z"),
        ("1990-12-31T15:59:60-08:00", utc(1991, 1, 1), "-08:00"),
        ("2017-01-01T05:29:60+05:30", utc(2017, 1, 1), "+05:30"),
        ("2016-02-29T00:00:00Z", utc(2016, 2, 29), "Z"),
        ("2000-02-29T00:00:00Z", utc(2000, 2, 29), "Z"),
        ("0001-01-01T00:00:00Z", utc(1, 1, 1), "Z"),
        ("0000-12-31T23:30:00-01:00", utc(1, 1, 1, 0, 30), "-01:00"),
        ("9999-12-31T23:59:59.999999Z", utc(9999, 12, 31, 23, 59, 59, 999_999), "Z"),
    ],
)
def test_takes(text, at, offset):
    stamp = parse(text)
    assert (stamp.at, stamp.offset, stamp.text) == (at, offset, text)
    assert stamp.at.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2006-01-02",
        "2006-01-02 15:04:05Z",
        "2006-01-02T15:04:05",
        "2006-01-02T15:04Z",
        "2006-01-02T15:04:05,5Z",
        "2006-01-02T15:04:05.Z",
        "2006-01-02T15:04:05+0700",
        "2006-01-02T15:04:05+07",
        "2006-01-02T15:04:05 Z",
        "2006-01-02T15:04:05Z\n",
        " 2006-01-02T15:04:05Z",
        "20060102T150405Z",
        "2006-W01-1T15:04:05Z",
        "2006-002T15:04:05Z",
        "+2006-01-02T15:04:05Z",
        "12006-01-02T15:04:05Z",
        "\uff12\uff10\uff10\uff16-01-02T15:04:05Z",
        "2006-01-02T15:04:05.\u0661Z",
        "2006-01-02T15:04:05\u221207:00",
        "2006-1-2T15:04:05Z",
    ],
)
def test_refuses_other_forms_as_malformed(text):
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert "RFC 3339" in caught.value.faults[0].expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2006-01-02T24:00:00Z", "time of day"),
        ("2006-01-02T25:00:00Z", "time of day"),
        ("2006-01-02T23:60:00Z", "time of day"),
        ("2006-01-02T23:59:61Z", "time of day"),
        ("2006-01-02T15:04:05+24:00", "offset"),
        ("2006-01-02T15:04:05+07:60", "offset"),
        ("2015-02-29T00:00:00Z", "day of the calendar"),
        ("1900-02-29T00:00:00Z", "day of the calendar"),
        ("2006-00-02T00:00:00Z", "day of the calendar"),
        ("2006-13-02T00:00:00Z", "day of the calendar"),
        ("2006-04-31T00:00:00Z", "day of the calendar"),
        ("2006-04-00T00:00:00Z", "day of the calendar"),
        ("0000-01-01T00:00:00Z", "year"),
        ("0001-01-01T00:00:00+00:01", "year"),
        ("9999-12-31T23:59:59-00:01", "year"),
        ("9999-12-31T23:59:60Z", "year"),
        ("2016-12-31T22:59:60Z", "leap second"),
        ("2016-12-30T23:59:60Z", "leap second"),
        ("2016-12-31T23:59:60+01:00", "leap second"),
    ],
)
def test_refuses_what_does_not_exist_as_invalid(text, says):
    with pytest.raises(Invalid) as caught:
        parse(text)
    assert says in caught.value.faults[0].expected


@given(INSTANTS)
def test_what_is_written_in_utc_reads_back(at):
    text = format_utc(at)
    assert parse(text).at == at
    assert text.endswith("Z")
    assert not text.endswith(("0Z", ".Z")) or "." not in text


@given(INSTANTS, OFFSETS)
def test_what_is_written_in_an_offset_reads_back(at, offset):
    stamp = parse(format_at(at, offset))
    assert stamp.at == at
    assert stamp.offset in (offset, "Z")


@given(st.datetimes(), OFFSETS, st.text("0123456789", max_size=12))
def test_reads_as_python_does_where_both_read(local, offset, fraction):
    text = local.replace(microsecond=0).isoformat() + (f".{fraction}" if fraction else "") + offset
    micros = int(fraction[:6].ljust(6, "0"))
    sign = -1 if offset[0] == "-" else 1
    shift = (
        timedelta()
        if offset == "Z"
        else sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:]))
    )
    try:
        expected = local.replace(microsecond=micros) - shift
    except OverflowError:
        with pytest.raises(Invalid):
            parse(text)
    else:
        assert parse(text).at == expected.replace(tzinfo=UTC)


@given(st.text(st.sampled_from("0123456789-+:.TtZz 6"), max_size=30) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        stamp = parse(text)
    except Unacceptable as exc:
        faults = exc.faults
        assert faults
    else:
        assert stamp.at.tzinfo is UTC


def test_a_naive_instant_is_a_mistake_of_the_program():
    with pytest.raises(ValueError, match="zone"):
        format_utc(datetime(2006, 1, 2))


@pytest.mark.parametrize("offset", ["", "07:00", "+7:00", "UTC", "+07:00 "])
def test_an_offset_that_is_none_is_refused(offset):
    with pytest.raises(Malformed):
        format_at(utc(2006, 1, 2), offset)
