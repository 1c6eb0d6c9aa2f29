"""Strict JSON: what is taken, what is refused, with which place, and in what time."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents import strictjson
from jexevents.errors import Malformed
from jexevents.strictjson import MAX_FAULTS, MAX_INTEGER, MIN_INTEGER, loads

STORABLE_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(MIN_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | STORABLE_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(STORABLE_TEXT, inner),
    max_leaves=30,
)


def refusal(body: bytes, **options) -> Malformed:
    with pytest.raises(Malformed) as caught:
        loads(body, **options)
    assert caught.value.faults
    for fault in caught.value.faults:
        assert len(str(fault)) < 500
        str(fault).encode("utf-8")
        assert "\0" not in str(fault)
    return caught.value


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_reads_back_what_json_wrote(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert loads(text.encode()) == value


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body):
    try:
        value = loads(body)
    except Malformed as exc:
        faults = exc.faults
        assert faults
    else:
        json.dumps(value, allow_nan=False).encode("utf-8")


@given(st.text(st.sampled_from('{}[]",:\\u0d8cn1-.e \tNa'), max_size=80))
def test_text_of_json_characters_is_read_as_python_reads_it_or_refused(text):
    try:
        value = loads(text.encode())
    except Malformed:
        return
    assert value == json.loads(text)


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        (b"", "", "nothing"),
        (b" \r\n\t", "", "nothing"),
        (b"\xef\xbb\xbf", "", "nothing"),
        (b'"\xff"', "", "byte 0xff at offset 1"),
        (b'"\xed\xa0\x80"', "", "offset 1"),
        (b"{", "", "line 1, column 2"),
        (b'{"a":\n  x}', "", "line 2, column 3"),
        (b"{'a': 1}", "", "line 1, column 2"),
        (b'{"a": 1,}', "", "line 1, column"),
        (b"[1] [2]", "", "line 1, column 5"),
        (b"1 2", "", "line 1, column 3"),
        (b"01", "", "line 1, column 2"),
        (b"\xef\xbb\xbf\xef\xbb\xbf1", "", "line 1, column 1"),
        (b'"a\nb"', "", "line 1, column"),
        (b'"a\x00b"', "", "line 1, column"),
        (b"\xc2\xa01", "", "line 1, column 1"),
        ("[\N{ARABIC-INDIC DIGIT ONE}]".encode(), "", "line 1, column 2"),
        (b'{"a": {"b": 1, "b": 2}}', "/a", '"b" more than once'),
        (b'[{"x": 1, "y": 2, "x": 1}]', "/0", '"x" more than once'),
        (b'{"a": [1, "\\u0000"]}', "/a/1", "NUL"),
        (b'{"a\\u0000": 1}', "", "NUL"),
        (b'{"a": "\\ud800"}', "/a", "surrogate"),
        (b'{"a": "\\ude00\\ud83d"}', "/a", "surrogate"),
        (b'{"\\ud800": {"b": NaN}}', "", "surrogate"),
        (b"NaN", "", "NaN"),
        (b'{"a": -Infinity}', "/a", "-Infinity"),
        (b'{"a/b": {"~": Infinity}}', "/a~1b/~0", "Infinity"),
        (b"9223372036854775808", "", "9223372036854775808"),
        (b"[-9223372036854775809]", "/0", "-9223372036854775809"),
        (b"[" + b"9" * 5000 + b"]", "/0", "…"),
        (b"[1e400]", "/0", "1e400"),
        (b"[-1e999999999999]", "/0", "-1e999999999999"),
        (b"[0." + b"1" * 2000 + b"]", "/0", "…"),
    ],
)
def test_refuses_with_the_place(body, pointer, says):
    error = refusal(body)
    assert error.faults[0].pointer == pointer
    assert says in error.faults[0].got
    assert not body.strip(b"\xef\xbb\xbf \t\r\n") or says in str(error)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"\xef\xbb\xbf{}", {}),
        (b' {"a": "\\ud83d\\ude00"} \n', {"a": "\U0001f600"}),
        (b'"\\\\u0000"', "\\u0000"),
        (b"[9223372036854775807, -9223372036854775808]", [MAX_INTEGER, MIN_INTEGER]),
        (b"[1.0, -0, 1e-999]", [1.0, 0, 0.0]),
        (b'"\\u0001\x7f"', "\x01\x7f"),
        (b"null", None),
    ],
)
def test_takes(body, value):
    assert loads(body) == value


def test_collects_faults_up_to_a_bound_in_document_order():
    refused = refusal(b'{"a": NaN, "b": [1e999, "\\u0000"], "c": ' + b"[NaN" + b",NaN" * 99 + b"]}")
    assert len(refused.faults) == MAX_FAULTS
    assert [fault.pointer for fault in refused.faults[:4]] == ["/a", "/b/0", "/b/1", "/c/0"]


def test_depth_counts_brackets_outside_strings_only():
    assert loads(b"[" * 64 + b"]" * 64) is not None
    assert "64" in refusal(b"[" * 65 + b"]" * 65).faults[0].expected
    assert loads(b'["' + b"[{" * 500 + b'\\"[[[\\\\"]', max_depth=1)
    assert loads(b"[" + b"[]," * 500 + b"{}]", max_depth=2)
    refusal(b'["\\\\", [[[]]]]', max_depth=3)
    refusal(b'{"a":' * 3 + b"1" + b"}" * 3, max_depth=2)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b'"' + b'\\"' * 500_000,
        b"1" * 1_000_000,
        b"1." + b"1" * 1_000_000,
        b"[" + b"NaN," * 250_000 + b"1]",
        b'{"' + b"k" * 500_000 + b'":[' + b'"\\u0000",' * 50_000 + b"1]}",
        b"{" + b'"a":1,' * 150_000 + b'"a":2}',
        b"[" + b'{"a":1,"a":2},' * 70_000 + b"{}]",
        b"\n" * 1_000_000 + b"x",
    ],
    ids=lambda body: body[:8].decode(),
)
def test_a_hostile_mebibyte_is_refused_in_linear_time(body):
    began = time.process_time()
    refusal(body)
    assert time.process_time() - began < 5


def test_any_text_is_let_through_where_it_is_asked_for_and_nothing_else():
    body = b'{"Hash": "\xff\\u0000\\ud800", "n": 1}'
    assert loads(body, any_text=True) == {"Hash": "\udcff\0\ud800", "n": 1}
    for bad in (b'{"a": 1, "a": "\xff"}', b'{"a": NaN}', b"\xff", b'{"a": 1e999}'):
        with pytest.raises(Malformed):
            loads(bad, any_text=True)


_MEMBER_TEXT = st.text(alphabet='a":\\ \u00e4\ud83d', max_size=6)
_PIECES = st.one_of(
    _MEMBER_TEXT.map(lambda text: json.dumps(text)),
    st.sampled_from(["1", "-9223372036854775808", "9223372036854775808", "1.0", "null", "[1]"]),
    st.sampled_from(['{"a":1}', '"\\u0000"', '"\\ud800"', "NaN", "true", '"']),
)
_NAMES = st.sampled_from(['"a"', '"b"', '"a\\""', '"\\u0061"', '""'])
_GAPS = st.sampled_from([":", " :", ": ", "\n:\t"])


@given(st.lists(st.tuples(_NAMES, _GAPS, _PIECES), max_size=4), st.booleans())
@settings(max_examples=500)
def test_the_quick_reading_says_what_the_thorough_one_says(members, any_text: bool) -> None:
    body = ("{" + ",".join("".join(member) for member in members) + "}").encode(
        "utf-8", "surrogatepass"
    )
    quick = strictjson._flat(body, any_text)
    if quick is not None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(strictjson, "_flat", lambda *_: None)
            assert strictjson.loads(body, any_text=any_text) == quick
