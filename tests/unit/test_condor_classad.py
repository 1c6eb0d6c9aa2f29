"""ClassAd values in the long form, between brackets, in JSON and in XML.

The expectations are what HTCondor 25.14.1 does, except where a test says otherwise.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.errors import Malformed
from jexevents.sources.condor.classad import from_json, read_ad, read_line
from jexevents.sources.condor.classad_xml import read_xml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-5", -5),
        ("017", 17),
        ("9223372036854775807", 2**63 - 1),
        ("1.0", 1.0),
        (".5", 0.5),
        ("-1.5", -1.5),
        ("1e5", 100000.0),
        ("1.0E-3", 0.001),
        ('"x"', "x"),
        ('""', ""),
        ('"a\\"b"', 'a"b'),
        ('"C:\\dir\\new"', "C:\\dir\\new"),
        ('"C:\\dir\\"', "C:\\dir\\"),
        ('"x\\ty\\\\"', "x\\ty\\\\"),
        ('"a;b = c"', "a;b = c"),
        ("true", True),
        ("FALSE", False),
        ("undefined", None),
        ("Error", "error"),
        ("{ }", []),
        ('{ 1, 2.5, "x", { } }', [1, 2.5, "x", []]),
        ("{undefined,true,foo}", [None, True, "foo"]),
        ("[ ]", {}),
        ("[ a = 1; ]", {"a": 1}),
        ('[ a = 1; b = "x;]"; c = a + 1 ]', {"a": 1, "b": "x;]", "c": "a + 1"}),
        ("[ 'a b' = [ c = { 1 } ] ]", {"a b": {"c": [1]}}),
        ("time()", "time()"),
        ("1 + 2", "1 + 2"),
        ("a == b", "a == b"),
        ("- 5", "- 5"),
        ('strcat("a", "b")', 'strcat("a", "b")'),
        ('{ strcat("a,}", b), 1 }', ['strcat("a,}", b)', 1]),
        ('"a" == b', '"a" == b'),
        ('absTime("2025-01-01T00:00:00Z")', 'absTime("2025-01-01T00:00:00Z")'),
        ('real("NaN")', 'real("NaN")'),
    ],
)
def test_values_of_lines(text, value):
    pair = read_line(f"\tName = {text} ")
    assert pair is not None
    assert pair[0] == "Name"
    assert (pair[1], type(pair[1])) == (value, type(value))


def test_numbers_past_what_json_or_htcondor_has():
    assert read_line("A = 1E400") == ("A", 'real("INF")')
    assert read_line("A = -1E400") == ("A", 'real("-INF")')
    assert read_line("A = 99999999999999999999999") == ("A", 99999999999999999999999)
    assert read_line("A = " + "9" * 5000) == ("A", "9" * 5000)


@pytest.mark.parametrize(
    "line", ["", "A", "A = ", "= 1", "A == 1", "A =?= 1", "A =!= 1", "1A = 1", "A B = 1", "é = 1",
             'A = "open', "A = { 1", "A = [ a = 1", "A = { 1 2", "A = [ 1 ]", "A = { , }"]
)  # fmt: skip
def test_lines_that_are_no_attribute(line):
    assert read_line(line) is None


def test_deep_nesting_is_refused():
    assert read_line("A = " + "{" * 60 + "}" * 60) is not None
    assert read_line("A = " + "{" * 65 + "}" * 65) is None
    assert read_line("A = " + "{" * 100_000) is None
    with pytest.raises(Malformed, match="nesting"):
        from_json(json.loads("[" * 65 + "]" * 65))
    with pytest.raises(Malformed, match="nesting"):
        read_xml('<c><a n="x">' * 65 + "<i>1</i>" + "</a></c>" * 65)


def test_bracketed_ads_have_the_escapes_of_the_language():
    ad = read_ad(r'[ a = "x\ty\"z\\"; b = "caf\303\251"; c = "\101\q\'"; d = "\000" ]')
    assert ad == {"a": 'x\ty"z\\', "b": "café", "c": "Aq'", "d": "\ufffd"}
    with pytest.raises(ValueError, match="not"):
        read_ad("{ 1 }")


def test_json_values():
    ad = json.loads(r'{"a": "\/Expr(time())\/", "b": null, "c": "\u0000\ud800", "d": [1e999]}')
    assert from_json(ad) == {"a": "time()", "b": None, "c": "\ufffd\ufffd", "d": ['real("INF")']}
    assert from_json("\U0001f600") == "\U0001f600"


@pytest.mark.parametrize(
    ("xml", "value"),
    [
        ("<s>&lt;x&amp;&gt;</s>", "<x&>"),
        ("<s></s>", ""),
        ("<s/>", ""),
        ("<s>  a\nb </s>", "  a\nb "),
        (r"<s>caf\303\251 \"q\" C:\\x</s>", 'café "q" C:\\x'),
        ("<s>&#65;&#x42;&nbsp;&#0;</s>", "AB&nbsp;\ufffd"),
        ("<i>5</i>", 5),
        ("<i>-5</i>", -5),
        ("<i>x</i>", "x"),
        ("<i></i>", ""),
        ("<r>1.000000000000000E+00</r>", 1.0),
        ("<r>INF</r>", 'real("INF")'),
        ("<r>-INF</r>", 'real("-INF")'),
        ("<r>NaN</r>", 'real("NaN")'),
        ("<r>1_0</r>", "1_0"),
        ('<b v="t"/>', True),
        ('<b v="f"></b>', False),
        ("<un/>", None),
        ("<er/>", "error"),
        ("<e>a + 1</e>", "a + 1"),
        ("<at>2025-01-01T00:00:00Z</at>", "2025-01-01T00:00:00Z"),
        ("<l><i>1</i><s>x</s><l/></l>", [1, "x", []]),
        ('<c><a n="q"><i>1</i></a></c>', {"q": 1}),
        ("<c/>", {}),
    ],
)
def test_xml_values(xml, value):
    read = read_xml(f'<c>\n    <a n="A">{xml}</a>\n</c>\n')["A"]
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<c>",
        "<c></c><c></c>",
        "<c>text</c>",
        "<d></d>",
        '<c><a n="x"></a></c>',
        '<c><a n="x"><i>1</i></c>',
        '<c><a n="x"><i>1</s></a></c>',
        '<c><a n="x"><i>1',
        '<!DOCTYPE c [<!ENTITY a "b">]><c></c>',
        '<!DOCTYPE c [<!ENTITY a SYSTEM "file:///etc/passwd">]><c><a n="x"><s>&a;</s></a></c>',
    ],
)
def test_xml_that_is_no_ad(xml):
    with pytest.raises(Malformed, match="expected"):
        read_xml(xml)


def test_xml_around_the_ad_is_allowed():
    head = '<?xml version="1.0"?>\n<!DOCTYPE classads SYSTEM "classads.dtd">\n<classads>\n'
    assert read_xml(head + "<c></c>\n</classads>\n") == {}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_JSON)
def test_whatever_json_holds_can_be_stored(value):
    json.dumps(from_json(value), allow_nan=False, ensure_ascii=False).encode("utf-8")


@given(st.text('"\\[]{};,= ab1.\n', max_size=60))
def test_lines_never_fail(text):
    pair = read_line(f"A = {text}")
    if pair:
        json.dumps(pair[1], allow_nan=False)
