"""Templates of commands: what they can do, what they cannot, and that none hangs or eats memory."""

from __future__ import annotations

import resource
import time
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents.definitions import bounds
from jexevents.definitions.command import CommandTemplate
from jexevents.definitions.grammar import TemplateFault
from jexevents.definitions.sandbox import Template, Value

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
VALUES = {
    "a": "x y", "n": 3, "xs": ["b", "a", "c"], "m": {"k": "v", "items": 1}, "d": AT, "f": 2.7,
    "t": True, "z": None, "b": b"hi",
}  # fmt: skip


def write(source: str, **values: object) -> str:
    return CommandTemplate(source, {}).render({**VALUES, **values})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x {{ a }} {{ n }} {{ f }} {{ t }} {{ z }} {{ d }}",
        "x 'x y' 3 2.7 true '' 2026-01-02T03:04:05Z"),
        ("x {{ xs }} {{ m }} {{ b }}", "x b a c '{\"k\": \"v\", \"items\": 1}' hi"),
        ("x {{ a|raw }} {{ xs|raw }}", "x x y b a c"),
        ("x {{ a|raw|upper }} {{ a|raw ~ 1 }} {{ a|raw + 'b' }}", "x 'X Y' 'x y1' 'x yb'"),
        ("x {{ a|upper }} {{ xs|sort|join(',') }} {{ xs|length }}", "x 'X Y' a,b,c 3"),
        ("x {{ xs|map('upper')|list }} {{ xs|first }} {{ xs|last }}", "x B A C b c"),
        ("x {{ f|round|int }} {{ f|int }} {{ n / 2 }} {{ n // 2 }} {{ n % 2 }}", "x 3 2 1.5 1 1"),
        ("x {{ a|replace(' ', '_') }} {{ a|tojson }}", "x x_y '\"x y\"'"),
        ("x {{ d|strftime('%Y/%m') }} {{ d.year }} {{ d.isoformat() }}",
        "x 2026/01 2026 2026-01-02T03:04:05+00:00"),
        ("x {{ m.k }} {{ m['items'] }} {{ m.get('no', 'd') }}", "x v 1 d"),
        ("x {% for k, v in m.items() %}{{ k }}={{ v }} {% endfor %}", "x 'k'='v' 'items'='1' "),
        ("x {% for i in xs %}{{ loop.index }}{% if not loop.last %} {% endif %}{% endfor %}",
         "x 1 2 3"),
        ("x {% set y = a ~ '!' %}{{ y }}", "x 'x y!'"),
        ("x{% if n > 2 and t %} --big{% endif %}", "x --big"),
        ("x {{ a[0] }} {{ xs[1:] }} {{ a.split()|last }} {{ 'y' if n in [3] else 'n' }}",
        "x x a c y y"),
        ("x {{ nope|default('q') }}{{ ' r' if nope is defined else '' }}", "x 'q'''"),
        ("x {% raw %}${#a} {{ }}{% endraw %}", "x ${#a} {{ }}"),
        ("x {# a comment #}y", "x y"), ("x {{ xs|select('ne', 'a')|list }}", "x b c"),
        ("x {{ [1, 2]|sum }} {{ xs * 2 }} {{ 'ab' * 2 }} {{ -n }}", "x 3 b a c b a c abab -3"),
        ("x {{ xs|reverse|list }} {{ xs|unique|list|count }} {{ m|dictsort }}",
         "x c a b 3 '[\"items\", 1]' '[\"k\", \"v\"]'"),
        ("{{ a }}", "'x y'"), ("x \u00e9 {{ '\u00e9' }}", "x \u00e9 '\u00e9'"),
    ],
)  # fmt: skip
def test_what_templates_can_do(source: str, expected: str) -> None:
    assert write(source) == expected


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("{{ x }}", {"x"}), ("{% for i in xs %}{{ i }}{% endfor %}", {"xs"}),
        ("{% set y = x %}{{ y }}", {"x"}), ("{{ y }}{% set y = 1 %}", {"y"}),
        ("{% for x in x %}{{ x }}{% endfor %}", {"x"}),
        ("{% for i in a %}{{ i }}{% endfor %}{{ i }}", {"a", "i"}),
        ("{% if a %}{{ b }}{% elif c %}{{ d }}{% else %}{{ e }}{% endif %}", set("abcde")),
        ("{{ x.y.z[k] }}", {"x", "k"}), ("{{ 'x' }} {% raw %}{{ x }}{% endraw %}", set()),
        ("{% for i in range(n) if i > m %}{{ loop.index }}{% endfor %}", {"n", "m"}),
        ("{{ x|default(y) }}{{ z is defined }}", {"x", "y", "z"}),
        ("{% set a, b = p %}{{ a }}{{ b }}", {"p"}),
    ],
)  # fmt: skip
def test_which_variables_a_template_uses(source: str, used: set[str]) -> None:
    assert Template(source).used == used


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{{ a.__class__ }}", "unsafe"), ("{{ a['__class__'] }}", "unsafe"),
        ("{{ a|attr('__class__') }}", "a filter of"), ("{{ ''.format }}", "a value of a variable"),
        ("{{ '{0.__class__}'.format(a) }}", "not safely callable"), ("{{ a.encode() }}", "unsafe"),
        ("{{ a.join(xs) }}", "unsafe"), ("{{ a.zfill(9) }}", "unsafe"), ("{{ a.ljust(9) }}",
        "unsafe"),
        ("{{ xs.append(1) }}", "unsafe"), ("{{ m.update(m) }}", "unsafe"), ("{{ m.pop('k') }}",
        "unsafe"),
        ("{{ d.strftime('%Y') }}", "unsafe"), ("{{ d.replace(year=1) }}", "unsafe"),
        ("{{ loop }}", "a value for `loop`"), ("{{ self }}", "a value of a variable"),
        ("{{ self.__init__ }}", "unsafe"), ("{{ range }}", "a value of a variable"),
        ("{% for i in xs %}{{ loop }}{% endfor %}", "a value of a variable"),
        ("{{ cycler('a') }}", "a value for `cycler`"), ("{{ lipsum() }}", "a value for `lipsum`"),
        ("{{ namespace() }}", "a value for `namespace`"), ("{{ dict() }}", "a value for `dict`"),
        ("{{ joiner() }}", "a value for `joiner`"), ("{{ a() }}", "not safely callable"),
        ("{% macro m() %}{% endmacro %}", "{% macro %}"), ("{% include 'x' %}", "{% include %}"),
        ("{% import 'x' as y %}", "{% import %}"), ("{% from 'x' import y %}", "{% from %}"),
        ("{% extends 'x' %}", "{% extends %}"), ("{% block b %}{% endblock %}", "{% block %}"),
        ("{% filter upper %}{% endfilter %}", "{% filter %}"),
        ("{% set x %}{% endset %}", "{% set %} with a block"), ("{% with %}{% endwith %}",
        "{% with %}"),
        ("{% call a() %}{% endcall %}", "{% call %}"), ("{% for i in xs recursive %}{% endfor %}",
        "recursive"),
        ("{{ range(*xs) }}", "* or **"), ("{{ range(**m) }}", "* or **"), ("{{ 2 ** 3 }}", "**"),
        ("{{ a|safe }}", "a filter of"), ("{{ a|urlize }}", "a filter of"), ("{{ a|center(9) }}",
        "a filter of"),
        ("{{ 'loop items' is filter }}{{ a|nope }}", "a filter of"), ("{{ a is nope }}",
        "No test named"),
        ("{{ a % n }}", "numbers on both sides"), ("{{ a - a }}", "numbers on both sides"),
        ("{{ a + n }}", "two numbers, two texts"), ("{{ a * a }}", "a whole number"),
        ("{{ n / 0 }}", "zero"),
        ("{{ nope }}", "a value for `nope`"), ("{{ nope.x }}", "a value for `nope`"),
        ("{{ nope + 1 }}", "`nope`"),
        ("{{ 1 + nope }}", "`nope`"), ("{% if nope %}{% endif %}", "`nope`"), ("{{ nope|upper }}",
        "`nope`"),
        ("{% for i in nope %}{% endfor %}", "`nope`"), ("{{ xs|join(nope) }}", "`nope`|TypeError"),
        ("{{ a ~ nope }}", "`nope`"), ("{{ nope == 1 }}", "`nope`"), ("{{ m.nope }}",
        "no attribute"),
        ("{{ a", "a Jinja2 template"), ("{{ a }", "a Jinja2 template"), ("{% nope %}",
        "a Jinja2 template"),
        ("{% if a %}", "a Jinja2 template"), ("echo ${#a} ${b#}", r"`\${#`"),
        ("{{ f|round(2, 'ceil') }}", "no method"),
        ("{{ d|strftime('%1000000000Y') }}", "plain directives"), ("{{ a|strftime('%Y') }}",
        "a time stamp"),
        ("{{ 9999999999999999999999 }}", "64 bits"), ("{% do a %}", "a Jinja2 template"),
        ("{% for i in n %}{% endfor %}", "a number is not iter"), ("{{ xs|join('x', 'y') }}",
        "without an attribute"),
    ],
)  # fmt: skip
def test_what_templates_cannot_do(source: str, told: str) -> None:
    with pytest.raises(TemplateFault, match=told.replace("*", r"\*").replace("{%", r"\{%")):
        write(source)


DOUBLING = "{% set x = x ~ x %}" * 60
NESTING = "{% set x = [x, x] %}" * 60
PAIRING = "{% set x = {'a': x, 'b': x} %}" * 60
BOMBS = [
    "{% set x = 'a' %}" + DOUBLING, "{% set x = 'a' %}" + DOUBLING.replace("~", "+"),
    "{% set x = [1] %}" + DOUBLING.replace("~", "+"), "{% set x = 1 %}" + NESTING + "{{ x }}",
    "{% set x = 1 %}{% set y = 1 %}" + NESTING + NESTING.replace("x", "y") + "{{ x == y }}",
    "{% set x = 1 %}" + PAIRING + "{{ x }}", "{% set x = 1 %}" + NESTING.replace("[x, x]",
    "(x, x)"),
    "{% set x = 9 %}" + "{% set x = x * x %}" * 60, "{{ 'a' * 10000000000 }}",
    "{{ 10000000000 * 'a' }}",
    "{{ [1] * 10000000000 }}", "{{ range(10000000000) }}", "{{ range(10001)|list }}",
    "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}",
    "{% for i in range(10000) %}{% for j in range(10000) %}" + "b" * 50_000
    + "{% endfor %}{% endfor %}",
    "{% for i in range(10000) %}{{ big }}{% endfor %}", "{{ big|replace('', big) }}",
    "{{ big|replace('x', big) }}", "{{ ([big] * 5000)|join(big) }}", "{{ ([big] * 5000)|join }}",
    "{{ (big ~ big)|list }}", "{{ big|list }}", "{{ big.split('x') }}", "{{ ('9' * 4000)|int }}",
    "{{ ([[1] * 5000] * 5000)|sum(start=[]) }}", "{{ ([big] * 9999)|map('upper')|list|length }}",
    "{% for i in range(10000) %}{% for j in range(10) %}{% if big ~ i == big ~ j %}{% endif %}"
    "{% endfor %}{% endfor %}",
    "{% for i in range(9999) %}" + "{% set x = big|upper|lower %}" * 100 + "{% endfor %}",
    "{{ " + "(" * 20_000 + " }}", "{{ " + "-" * 30_000 + "1 }}", "{{ " + "not " * 10_000 + "1 }}",
    "{{ " + "[" * 20_000 + " }}", "{{ a" + ".b" * 20_000 + " }}", "{{ a" + "|upper" * 5000 + " }}",
    "{% if a %}" * 3000, "{% for i in xs %}" * 40 + "{% endfor %}" * 40,
    "{{ 0x" + "f" * 60_000 + " }}",
    "{{ " + "9" * 60_000 + " }}", "{{ 1" + " + 1" * 1200 + " }}", "{{ a" * 16_000, "x" * 70_000,
    "{{ a if " * 900 + "1" + " else 2" * 900 + " }}", "{{ 1.0" + " * 1e300" * 50 + " }}",
]  # fmt: skip


@pytest.mark.parametrize("source", BOMBS, ids=lambda source: source[:50])
def test_bombs_do_not_go_off(source: str) -> None:
    before, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TemplateFault):
        write(source, big="x" * 60_000)
    assert time.process_time() - before < bounds.MAX_SECONDS + 3
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    assert grown_kib < 300 * 1024


PARTS = [
    "{{", "}}", "{%", "%}", " a ", "xs", "|", "upper", "join", "(", ")", "[", "]", "0", "'s'",
    "for", " in ",
    "if", "endfor", "endif", "set", "=", ".", "__class__", "loop", "+", "*", "~", "{#", "#}",
    "raw", "endraw",
    "-", ",", "range", "**", "==", " x ", "$", "'", "\n", "is", "defined", "default", "items",
]  # fmt: skip


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PARTS), max_size=25), st.booleans())
def test_any_text_is_a_template_or_a_fault(parts: list[str], spaced: bool) -> None:
    source = (" " if spaced else "").join(parts)
    try:
        found = write(source)
    except TemplateFault as caught:
        found = caught.expected
    assert isinstance(found, str)


def test_renders_do_not_share_their_budget() -> None:
    template = CommandTemplate("{% for i in range(9000) %}{% endfor %}x", {})
    assert [template.render({}) for _ in range(20)] == ["x"] * 20


def test_a_value_is_written_by_who_asks_for_pieces() -> None:
    first, value, last = Template("x {{ a }} y").pieces({"a": ["b"]})
    assert (first, value.content, value.raw, last) == ("x ", ["b"], False, " y")
    assert isinstance(value, Value)


def test_templates_tell_their_line() -> None:
    with pytest.raises(TemplateFault) as caught:
        Template("a\nb\n{{ c|nope }}")
    assert caught.value.line == 3
