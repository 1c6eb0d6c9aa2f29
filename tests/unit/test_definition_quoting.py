"""What is run of a definition: values come as they were, whatever they are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jexevents.definitions.command import MAX_WORDS_BYTES, CommandTemplate, ScriptTemplate
from jexevents.definitions.grammar import TemplateFault
from jexevents.definitions.shell import Shell
from jexevents.errors import Invalid
from tests.unit.definition_texts import SEED, one, rendered

SHELLS = [name for name in ("sh", "bash", "dash", "busybox") if shutil.which(name)]

# What shells read as something else than itself, most of all.
HARD = st.text(
    st.sampled_from("'\"\\$`!#~*?[]{}()<>|&;=%^ \t\n\r-ab0\u00e9\u2028\U0001f600\x7f\x01"),
    max_size=12,
)
TEXTS = HARD | st.text(
    st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=20
)


def run(shell: str, command: str, folder: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    return subprocess.run(
        [*words, "-c", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"},
        timeout=20,
        check=False,
    )


def arrived(shell: str, command: str) -> list[str]:
    """Give the words that a command of printf prints, each with a NUL behind it."""
    done = run(shell, command)
    assert (done.returncode, done.stderr) == (0, b""), command
    return done.stdout.decode().split("\0")[:-1]


def command(text: str, values: dict, words=(), kinds=None) -> str:
    return CommandTemplate(text, kinds or {}, ["more"] if words else ()).render(values, words)


EVERYWHERE = r"""
printf '%s\0' {{ a }} -x={{ a }} {{ b }}z "$(printf '%s' {{ a }}.)" ${PATH:+"set"} ; # {{ n }}
( printf '%s\0' $(printf %s 'w') {{ xs }} ) && { printf '%s\0' {{ b }}; }
V={{ a }}; printf '%s\0' "$V" "{{ n }}" $(( {{ n }} + 1 )) `printf %s {{ n }}`
cat <<-END >/dev/null
	{{ n }} ' "
	END
printf '%s\0' {{ a }} \
  {{ b }}
"""


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=60)
@given(
    a=TEXTS, b=TEXTS, xs=st.lists(TEXTS, max_size=3), n=st.integers(-99, 99), more=st.lists(TEXTS)
)
def test_values_arrive_as_they_were(
    shell: str, a: str, b: str, xs: list[str], n: int, more: list[str]
) -> None:
    values = {"a": a, "b": b, "xs": xs, "n": n}
    told = arrived(shell, command(EVERYWHERE.rstrip() + " behind", values, more))
    first = [a, f"-x={a}", f"{b}z", f"{a}.", "set", "w", *xs, b, a, str(n), str(n + 1), str(n)]
    expected = [*first, a, b, "behind", *more]
    assert told == expected


@settings(max_examples=100)
@given(words=st.lists(TEXTS, min_size=1, max_size=6))
def test_appended_words_arrive_as_they_were(words: list[str]) -> None:
    assert arrived("sh", command("printf '%s\\0'\n", {}, words)) == words


@pytest.mark.parametrize(
    "value",
    [
        "if",
        "done",
        "2",
        "a=b",
        "-n",
        "~",
        "~root",
        "*",
        "!",
        "{a,b}",
        "",
        " ",
        "'",
        "a\nb",
        "%s",
        "#",
    ],
)
def test_words_that_mean_something(value: str, tmp_path: Path) -> None:
    """As the first word of a command, before a redirection and glued to others, too."""
    first = "printf '%s\\0' {{ v }}>&1; printf '%s\\0' x {{ v }} {{ v }}y; "
    text = first + "{{ v }} >f 2>&1 || printf '%s\\0' end"
    done = run("sh", command(text, {"v": value}), tmp_path)
    assert done.stdout.decode().split("\0")[:4] == [value, "x", value, value + "y"]
    assert done.stdout.endswith(b"end\0")
    assert done.stderr == b""


HOSTILE = [
    "$(touch canary)", "`touch canary`", "'; touch canary; '", '"; touch canary; "',
    "\ntouch canary\n", "') ; touch canary; ('", "\nEND\ntouch canary\n", "}; touch canary; {",
    "a[$(touch canary)]", "\\'; touch canary; \\'", ")); touch canary; ((", "| touch canary",
    "x'$(touch canary)'", "&touch canary&", ">canary", "esac) touch canary ;;",
]  # fmt: skip
FRAGMENTS = [
    "echo ", "true ", " x ", "'", '"', "`", "\\", "$", "#", " # ", "\n", ";", " ; ", "&", "|", "&&",
    "(", ")", "$(", "$((", "))", "((", "${", "${a:-", "}", "{ ", " }", "<<END\n", "<<-END\n",
    "<<'END'\n", "\nEND\n", "<<<", "<", ">", ">f ", "2>&1 ", "case x in x) ", " esac ", "a=", "if ",
    " then ", " fi ", "for i in ", " do ", " done ", "$'", '$"', "${a#", "!", "[[ ", " ]]", "~",
    "\\\n",
    "<<E\\ND\n", "cat ", "$#", "$$", " -", "END", "*", "x",
]  # fmt: skip
VALUE, RAW_TEXT = "{{ v }}", st.sampled_from(FRAGMENTS)


@st.composite
def templates(draw) -> str:
    parts = draw(st.lists(RAW_TEXT | st.just(VALUE), min_size=1, max_size=12))
    return "".join([*parts[: len(parts) // 2], VALUE, *parts[len(parts) // 2 :]])


@pytest.mark.parametrize("shell", SHELLS)
@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(template=templates(), value=st.sampled_from(HOSTILE))
def test_no_value_is_ever_run(shell: str, template: str, value: str, tmp_path: Path) -> None:
    """Commands made of anything: they are refused, or what is hostile stays a word."""
    try:
        text = command(template, {"v": value})
    except TemplateFault:
        return
    run(shell, text, tmp_path)
    assert not (tmp_path / "canary").exists(), text


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('echo "{{ v }}"', "between double quotation marks"),
        ("echo '{{ v }}'", "between single quotation marks"),
        ("echo `echo {{ v }}`", "between backquotes"),
        ("echo # {{ v }}", "in a comment"),
        ("cat <<END\n{{ v }}\nEND", "in a here document"),
        ("cat <<END\nx\n END\n{{ v }}", "in a here document"),
        ("cat << {{ v }}", "as the end mark"),
        ("echo ${a:-{{ v }}}", "in ${...}"),
        ("echo $(( {{ v }} + 1 ))", "in arithmetic"),
        ("(( {{ v }} ))", "in arithmetic"),
        ("echo \\{{ v }}", "behind a backslash"),
        ("echo ${{ v }}", "behind a $"),
        ("echo $'x'{{ v }}", "read differently"),
        ('echo "$(case x in x) echo "{{ v }}";; esac)"', "case"),
        ('echo "${a:-"b"}" {{ v }}', "read differently"),
        ("cat <<END\nx\\\nEND\n{{ v }}", "ends in a backslash"),
        ("{% if v %}'{% else %}''{% endif %}", "open on one way"),
        ("{% for i in v %}'{% endfor %}", "open on one way"),
    ],
)
def test_places_where_no_value_can_stand(text: str, place: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        CommandTemplate(text, {"v": "str"})
    assert place in caught.value.got


@pytest.mark.parametrize("kind", ["int", "float", "bool"])
@pytest.mark.parametrize(
    "text",
    ['"{{ v }}"', "'{{ v }}'", "`echo {{ v }}`", "# {{ v }}", "<<E\n{{ v }}\nE", "$(({{ v }}))"],
)
def test_numbers_may_stand_in_most_places(kind: str, text: str) -> None:
    value = {"int": -3, "float": 1.5, "bool": True}[kind]
    word = {"int": "-3", "float": "1.5", "bool": "true"}[kind]
    word = f"({word})" if "((" in text and kind == "int" else word
    found = command(f"echo {text}", {"v": value}, kinds={"v": kind})
    assert found == f"echo {text}".replace("{{ v }}", word)


def test_what_only_shows_with_the_values_is_found_then() -> None:
    template = CommandTemplate('echo "{{ v + w }}"', {"v": "int", "w": "int"})
    assert template.render({"v": 1, "w": 2}) == 'echo "3"'
    with pytest.raises(TemplateFault, match="between double quotation marks"):
        template.render({"v": "a", "w": "b"})
    opened = CommandTemplate("echo {{ v|raw }} {{ w }}", {})
    assert opened.render({"v": "$(date) |", "w": "a b"}) == "echo $(date) | 'a b'"
    with pytest.raises(TemplateFault, match="between single quotation marks"):
        opened.render({"v": "'", "w": "a b"})


def test_the_template_of_the_original() -> None:
    definition = one(SEED, "example_job.yml")
    assert rendered(definition, positional_var="x", some_opt="b").command == (
        "my_command x --some-opt b"
    )
    assert rendered(definition, positional_var="it's $1", some_opt="a").command == (
        "my_command 'it'\"'\"'s $1' --some-opt a"
    )
    with pytest.raises(Invalid) as caught:
        rendered(definition, some_opt="a")
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.got) == ("/positional_var", "nothing")
    assert fault.expected == "a text; the job's template uses it"


APPENDING = """
command: run{{ ' --' ~ u if u is defined else '' }}
vars:
  - {name: o, option: yes}
  - {name: flag, type: bool, option: true}
  - {name: off, type: bool, option: true}
  - {name: word, type: bool}
  - {name: list, type: seq, option: true}
  - {name: words, type: seq}
  - {name: map, type: map}
  - {name: empty, type: 'null'}
  - {name: u}
"""


def test_what_the_template_does_not_use_is_appended() -> None:
    definition = one(APPENDING.replace("{{ ' --' ~ u if u is defined else '' }}", ""))
    assert rendered(definition).command == "run"
    found = rendered(
        definition,
        word=False, words=["a b", "c"], list=[1, "x y"], off=False, flag=True, o="v w",
        map={"k": "v"}, empty=None, u="last",
    ).command  # fmt: skip
    assert found == (
        "run --o 'v w' --flag false --list 1 --list 'x y' 'a b' c '{\"k\": \"v\"}' last"
    )


@pytest.mark.parametrize(
    "text",
    [
        "echo hi; ", "echo hi &", "echo hi # why", "a |", "a &&", "A=b", "A=$(b)", "a; fi",
        "{ a; }",
        "(a)", "a 'b", "cat <<END\nx\nEND", "a >", "a \\", "if a; then b; fi", "for i in a",
        "case x in", "while", "a $(b", "",
    ],
)  # fmt: skip
def test_where_nothing_can_be_appended_it_is_told(text: str) -> None:
    with pytest.raises(TemplateFault, match="the end of a command"):
        CommandTemplate(text, {}, ["more"])


@pytest.mark.parametrize(
    "text", ["a", "a b; c", "a | b\n", "A=1 b", "a $(b)", "a `b`", "a > f", "a\nb\n", "a && b 2>&1"]
)
def test_where_something_can_be_appended(text: str) -> None:
    assert CommandTemplate(text, {}, ["more"]).render({}, ["x y"]) == text.rstrip("\n") + " 'x y'"


def test_a_way_to_an_end_that_bears_nothing_is_told_when_it_is_gone() -> None:
    template = CommandTemplate("a{% if v %} b{% else %};{% endif %}", {}, ["more"])
    assert template.render({"v": 1}, ["x"]) == "a b x"
    with pytest.raises(TemplateFault, match="with these values"):
        template.render({"v": 0}, ["x"])


@given(words=st.lists(TEXTS, max_size=4), text=TEXTS)
def test_words_of_a_script_are_given_without_a_shell(words: list[str], text: str) -> None:
    template = ScriptTemplate("sub/a.sh 'x  y' --t={{ t }} {{ ws }} \"{{ t }} z\"")
    assert template.path == "sub/a.sh"
    assert template.used == {"t", "ws"}
    found = template.render({"t": text, "ws": words}, ["end"])
    assert found == ["x  y", f"--t={text}", *words, f"{text} z", "end"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{{ v }}", "a path first"), ("a{{ v }} b", "a path first"), ("'' b", "a path first"),
        ("{% if v %}a{% endif %}", "a path first"), ("a 'b", "a closing quotation mark"),
        ("a b\\c", "backslash"),
    ],
)  # fmt: skip
def test_scripts_that_are_none(source: str, told: str) -> None:
    with pytest.raises(TemplateFault, match=told):
        ScriptTemplate(source).render({"v": "x"})


def test_a_path_may_have_blanks_between_quotation_marks() -> None:
    assert ScriptTemplate("'my script.sh' {{ v }}").path == "my script.sh"


def test_a_script_with_raw_words() -> None:
    assert ScriptTemplate("a {{ v|raw }}").render({"v": "b 'c d'"}) == ["b", "c d"]


def test_what_the_system_would_not_take_is_told_before() -> None:
    big = "x" * (128 * 1024)
    for make in (
        lambda: command("echo {{ v }}", {"v": big}),
        lambda: command("echo", {}, [big]),
        lambda: command("echo {{ v }} {{ v }}", {"v": big[:70_000]}),
        lambda: ScriptTemplate("a {{ v }}").render({"v": big}),
        lambda: ScriptTemplate("a {{ v }}").render({"v": [big[:100_000]] * 20}),
        lambda: command("echo {{ v }}", {"v": "\u20ac" * 50_000}),
    ):
        with pytest.raises(TemplateFault, match=r"of at most|text of more than"):
            make()
    longest = "x" * (128 * 1024 - 1 - len("printf %s ''"))
    text = command("printf %s {{ v }}", {"v": longest[1:] + "'"[:0]})
    assert run("sh", text).returncode == 0
    assert MAX_WORDS_BYTES == 2**20


@pytest.mark.parametrize("value", ["a\0b", ["a\0"], {"k": 1.5}, b"\xff", b"a\0"])
def test_what_cannot_be_a_word(value: object) -> None:
    if isinstance(value, dict):
        assert command("echo {{ v }}", {"v": value}) == "echo '{\"k\": 1.5}'"
        return
    with pytest.raises(TemplateFault, match=r"NUL|UTF-8"):
        command("echo {{ v }}", {"v": value})


def test_bytes_are_their_text_or_base64() -> None:
    assert command("echo {{ v }} {{ v|base64 }}", {"v": "hé".encode()}) == "echo 'hé' aMOp"


def test_a_command_inside_of_a_command_is_quoted_twice() -> None:
    text = command("sh -c {{ c }}", {"c": "printf '%s\\0' a"})
    assert arrived("sh", text) == ["a"]
    inner = command("sh -c {{ ('printf %s ' ~ (v|quote)) }}", {"v": "a'b $c"})
    assert run("sh", inner).stdout == b"a'b $c"


def test_a_place_can_be_asked_more_than_once() -> None:
    shell = Shell()
    shell.feed("echo ")
    other = shell.fork()
    other.feed("'")
    assert shell.is_argument()
    assert not other.is_argument()
    assert shell.nesting() != other.nesting()
