"""One event in each of its forms: its header, and everything that is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jexevents.errors import Malformed
from jexevents.sources.condor.event import CondorEvent
from jexevents.sources.condor.events import EVENT_TYPES, event_type
from jexevents.sources.condor.parse import parse
from jexevents.sources.condor.text import parse_text
from jexevents.sources.condor.times import Stamp
from tests.unit.condor_cases import CASES, NO_TOTALS, TABLE, USAGE_AD, ZERO, ad, as_json, text

# The header.


def test_what_a_header_says():
    event = parse(text(0, "Job submitted from host: <10.0.0.1:9618>"))
    stamp = Stamp(2026, 3, 4, 5, 6, 7, 0, None)
    expected = {"SubmitHost": "<10.0.0.1:9618>"}
    assert event == CondorEvent(0, "SUBMIT", "SubmitEvent", 12, 3, 0, stamp, expected, "text")


@pytest.mark.parametrize(
    ("header", "stamp"),
    [
        ("10/20 16:59:24", (None, 10, 20, 16, 59, 24, 0, None)),
        ("10/20 16:59:24.123Z", (None, 10, 20, 16, 59, 24, 123000, "Z")),
        ("2026-10-20 16:59:24.123456", (2026, 10, 20, 16, 59, 24, 123456, None)),
        ("2026-10-20 16:59:24.12345678", (2026, 10, 20, 16, 59, 24, 123456, None)),
        ("2026-10-20T16:59:24", (2026, 10, 20, 16, 59, 24, 0, None)),
        ("2026-10-20T16:59:24-04:00", (2026, 10, 20, 16, 59, 24, 0, "-04:00")),
        ("2026-10-20 16:59:24+0530", (2026, 10, 20, 16, 59, 24, 0, "+0530")),
        ("02/29 00:00:00", (None, 2, 29, 0, 0, 0, 0, None)),
        ("2016-12-31 23:59:60Z", (2016, 12, 31, 23, 59, 60, 0, "Z")),
    ],
)
def test_dates_and_times(header, stamp):
    assert parse(text(11, "Job was unsuspended.", f"(1.0.0) {header}")).stamp == stamp


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ("(1.0.0)", (1, 0, 0)),
        ("(-01.-01.-01)", (-1, -1, -1)),
        ("(019.-01.000)", (19, -1, 0)),
        ("(012.-1000.000)", (12, -1000, 0)),
        ("(2147483647.100000.000)", (2147483647, 100000, 0)),
    ],
)
def test_ids(ids, expected):
    event = parse(text(8, "x", f"{ids} 10/20 16:59:24"))
    assert (event.cluster, event.proc, event.subproc) == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "header"),
        (b"...\n", "header"),
        (b" 000 (1.0.0) 10/20 16:59:24 x\n...\n", "header"),
        (b"00 (1.0.0) 10/20 16:59:24 x\n...\n", "header"),
        (b"0000 (1.0.0) 10/20 16:59:24 x\n...\n", "header"),
        (b"000 (1.0) 10/20 16:59:24 x\n...\n", "header"),
        (b"000 (1.0.0) 10/20 x\n...\n", "header"),
        (b"000 (1.0.0) 10-20 16:59:24 x\n...\n", "header"),
        (b"000 (1.0.0) 10/20 16:59:24x\n...\n", "header"),
        ("000 (\u0661.0.0) 10/20 16:59:24 x\n...\n".encode(), "header"),
        (b"000 (99999999999.0.0) 10/20 16:59:24 x\n...\n", "header"),
        (b"000 (9999999999.0.0) 10/20 16:59:24 x\n...\n", "32 bits"),
        (b"000 (1.0.0) 13/45 16:59:24 x\n...\n", "possible date"),
        (b"000 (1.0.0) 2025-02-29 16:59:24 x\n...\n", "possible date"),
        (b"000 (1.0.0) 10/20 25:00:00 x\n...\n", "possible date"),
        (b"000 (1.0.0) 10/20 16:59:24 x", "is cut"),
        (b"000 (1.0.0) 10/20 16:59:24 x\n..", "is cut"),
        (b"000 (1.0.0) 10/20 16:59:24 ...\n", "is cut"),
        (b"000 (1.0.0) 10/20 16:59:24 x\n ...\n", "is cut"),
        (b"000 (1.0.0) 10/20 16:59:24 x\n...\nmore\n", "nothing after"),
        (text(0, "x") + text(1, "y"), "one event and its end"),
        (text(0, "x") + b"junk\n" + text(1, "y"), "one event and its end"),
    ],
)
def test_what_is_no_text_event(raw, message):
    with pytest.raises(Malformed, match=message):
        parse(raw)


def test_line_ends():
    body = "Job was held.\n\tdisk full\n\tCode 1 Subcode 99"
    whole = parse(text(12, body))
    assert whole.ad == {"HoldReason": "disk full", "HoldReasonCode": 1, "HoldReasonSubCode": 99}
    windows = text(12, body).replace(b"\n", b"\r\n")
    for raw in (text(12, body)[:-1], windows, windows[:-1], windows[:-2], windows + b"\r\n\n"):
        assert parse(raw) == whole


def test_empty_lines_before_an_event():
    for raw in (text(0, "x"), text(0, "x").replace(b"\n", b"\r\n"), as_json(0)):
        assert parse(b"\n\r\n" + raw) == parse(raw)


@pytest.mark.parametrize("end", [b"\n...\n", b"\r\n...\r\n", b"\n..."])
def test_three_dots_may_stand_behind_every_form(end):
    xml = (
        b'<c><a n="EventTypeNumber"><i>8</i></a><a n="EventTime"><s>2026-03-04T05:06:07</s></a></c>'
    )
    for raw in (as_json(8), xml):
        assert parse(raw + end) == parse(raw)


def test_bytes_that_cannot_be_stored_are_replaced():
    raw = b"008 (1.0.0) 10/20 16:59:24 caf\xe9 \x00 caf\xc3\xa9\n\xff\n...\n"
    assert parse(raw).ad == {"Info": "caf\ufffd \ufffd café", "UnreadLines": ["\ufffd"]}


def test_unusual_line_separators_do_not_cut_lines():
    assert ad(8, "a\u2028b\x0bc\x85d\re")["Info"] == "a\u2028b\x0bc\x85d\re"


def test_a_message_of_dots():
    assert ad(8, "...")["Info"] == "..."


# JSON and XML.


def test_json_and_xml_say_what_the_text_says():
    body = "Job was held.\n\tdisk full\n\tCode 1 Subcode 99"
    expected = parse(text(12, body))
    ids = {"Cluster": 12, "Proc": 3, "Subproc": 0}
    from_json = parse(
        as_json(
            12, **ids, MyType="X", HoldReason="disk full", HoldReasonCode=1, HoldReasonSubCode=99
        )
    )
    rows = {"EventTypeNumber": 12, **ids, "HoldReasonCode": 1, "HoldReasonSubCode": 99}
    xml = "".join(f'<a n="{name}"><i>{value}</i></a>\n' for name, value in rows.items())
    xml += '<a n="EventTime"><s>2026-03-04T05:06:07</s></a>\n<a n="HoldReason"><s>disk full</s></a>'
    from_xml = parse(f" <c>\n{xml}</c>\n".encode())
    for event, form in ((from_json, "json"), (from_xml, "xml")):
        assert (event.ad, event.stamp, event.form) == (expected.ad, expected.stamp, form)
        assert (event.number, event.name, event.cluster, event.proc) == (12, "JOB_HELD", 12, 3)


def test_ids_that_are_left_out_are_minus_one():
    event = parse(as_json(8, Info="Global JobLog:"))
    assert (event.cluster, event.proc, event.subproc) == (-1, -1, -1)


def test_what_json_leaves_out_is_what_the_reader_assumes():
    assert parse(as_json(5, ReturnValue=0, SentBytes=5)).ad == {
        **NO_TOTALS,
        **USAGE_AD,
        "TotalRemoteUsage": ZERO,
        "TotalLocalUsage": ZERO,
        "SentBytes": 5.0,
        "ReturnValue": 0,
        "TerminatedNormally": False,
    }
    assert parse(as_json(17, RMContact="x")).ad == {"EventHead": "", "RMContact": "x"}
    assert parse(as_json(21, CriticalError=False)).ad == {"CriticalError": 0}


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b"[]",
        b"{",
        b"{} {}",
        as_json(5)[:-1],
        as_json(-1),
        as_json(1000),
        as_json("5"),
        as_json(True),
        as_json(5.0),
        as_json(5, Cluster="1"),
        as_json(5, Proc=True),
        as_json(5, Cluster=2**31),
        as_json(5, EventTime=None),
        as_json(5, EventTime="yesterday"),
        as_json(5, EventTime="2026-02-30T00:00:00"),
        as_json(5, A=json.loads("[" * 70 + "]" * 70)),
        b'{"a":' * 100_000,
        b'{"EventTypeNumber":' + b"9" * 100_000 + b"}",
        b"<c></c>",
        b"<c>" * 100_000,
        b'<!DOCTYPE c [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><c></c>',
        b"\x00\x01\xff",
        b"   ",
    ],
)
def test_what_is_no_event(raw):
    with pytest.raises(Malformed, match="expected"):
        parse(raw)


def test_odd_json_values_can_be_stored():
    event = parse(as_json(28, A="\0", B="\ud800", C=float("nan"), D=10**1000, E=float("-inf")))
    assert event.ad == {
        "A": "\ufffd",
        "B": "\ufffd",
        "C": 'real("NaN")',
        "D": str(10**1000),
        "E": 'real("-INF")',
    }


# Whatever comes.


def check(raw: bytes) -> None:
    try:
        event = parse(raw)
    except Malformed:
        return
    stored = json.dumps(event.ad, allow_nan=False, ensure_ascii=False)
    stored.encode("utf-8")
    assert "\\u0000" not in stored
    assert event.name
    assert -(2**31) <= event.cluster < 2**31


_HEADERS = st.builds(
    "{:03d} ({}.{}.{}) {} {}".format,
    st.integers(0, 120),
    *[st.integers(-5, 99)] * 3,
    st.sampled_from(["10/20 16:59:24", "2026-10-20 16:59:24.123Z", "2026-13-20T16:59:24+02:00"]),
    st.sampled_from([body.partition("\n")[0] for _, body, _ in CASES]),
)
_LINES = st.sampled_from(
    sorted({line for _, body, _ in CASES for line in body.split("\n")[1:]} | set(TABLE.split("\n")))
) | st.text(max_size=30)


@settings(max_examples=500)
@given(st.binary())
@example(b"000 (1.0.0) 10/20 16:59:24 x\n...\n")
def test_any_bytes(raw):
    check(raw)
    for first in (b"{", b"<c>", b"000 (1.0.0) 10/20 16:59:24 "):
        check(first + raw)


@settings(max_examples=500)
@given(_HEADERS, st.lists(_LINES, max_size=12))
def test_any_text_event(header, lines):
    check("\n".join([header, *lines, "..."]).encode("utf-8", "surrogatepass"))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
_NAMES = st.sampled_from(["Cluster", "Proc", "EventTime", "SentBytes", "CriticalError"]) | st.text()


@settings(max_examples=300)
@given(st.integers(0, 120), st.dictionaries(_NAMES, _VALUES, max_size=6))
def test_any_json_event(number, attributes):
    check(as_json(number, **attributes))


@settings(max_examples=300)
@given(st.lists(st.sampled_from(
    ["<c>", "</c>", '<a n="EventTypeNumber">', "</a>", "<i>", "</i>", "5", "<s>", "</s>", "<l>",
     "</l>", '<b v="t"/>', "<un/>", "&lt;", "&#x0;", "\\303", "<!DOCTYPE", ">", "x", '"', " "]
)))  # fmt: skip
def test_any_xml(parts):
    check(("<c>" + "".join(parts)).encode())


def test_parse_text_is_what_parse_uses():
    raw = text(11, "Job was unsuspended.")
    assert parse_text(raw) == parse(raw)


def test_the_table_of_numbers():
    assert len(EVENT_TYPES) == 48 + 13
    assert event_type(5).name == "JOB_TERMINATED"
    assert event_type(13).my_type == "JobReleaseEvent"
    assert event_type(112).my_type == "EPFutureEvent"
    assert (event_type(48).name, event_type(48).my_type) == ("EVENT_048", "FutureEvent")
    assert event_type(999).name == "EVENT_999"
