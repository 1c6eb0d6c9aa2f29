"""The runner of console examples: it finds them all, and sees what differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.console import Example, Reader, Shell, examples

DOCUMENT = """\
```sh
not run
```

```console
$ NAME=world
$ cat <<'END'
not the output
...
END
not the output
...
$ echo one \\
  two
one two
$ echo 'one
two'
one
```
"""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    shell = Shell(tmp_path, {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    yield Reader(shell, {"localhost": "127.0.0.1"})
    shell.close()


def follow(reader: Reader, command: str, output: str) -> None:
    reader.follow(Example(1, command, output))


def test_examples_are_found() -> None:
    assert list(examples(DOCUMENT)) == [
        Example(6, "NAME=world", ""),
        Example(7, "cat <<'END'\nnot the output\n...\nEND", "not the output\n..."),
        Example(13, "echo one \\\n  two", "one two"),
        Example(16, "echo 'one\ntwo'", "one"),
    ]


def test_what_is_printed_is_compared(reader: Reader) -> None:
    follow(reader, "NAME=world; echo hello   $NAME", "hello world")
    follow(reader, "echo $NAME", "world")
    follow(reader, "echo a; echo b; echo c", "a\n...\nc")
    for command, output in (
        ("echo hello", "hello world"),
        ("echo hello world", "hello"),
        ("false", ""),
        ("echo 'a...c'", "abc"),
        ("echo 2014-11-14T18:02:11Z", "2014-11-14T18:02:12Z"),
    ):
        with pytest.raises(AssertionError, match="as printed"):
            follow(reader, command, output)


def test_what_is_new_at_each_run_is_compared_by_its_form(reader: Reader) -> None:
    follow(reader, "echo '\"seq\": 7, 2031-01-02T03:04:05.6Z'", '"seq": 1, 2026-11-22T16:37:33Z')
    with pytest.raises(AssertionError):
        follow(reader, "echo yesterday", "2026-11-22T16:37:33Z")


def test_ids_are_learned_from_answers(reader: Reader) -> None:
    real = "0190a2b4-0000-7000-8000-00000000000"
    told = "01a2041e-bec3-75ad-a31c-0a427ef2f71"
    follow(reader, f"echo {real}1 {real}1 {real}2", f"{told}1 {told}1 {told}2")
    follow(reader, f"echo {told}2", f"{told}2")
    follow(reader, "echo 'at 1489895624.840211/output.'", "at 1795675400.1/output.")
    follow(reader, "echo 1795675400.1", "1795675400.1")
    follow(reader, "echo 1795675400.1", "1489895624.840211")
    follow(reader, f"test {told}1 = {real}1", "")
    with pytest.raises(AssertionError):
        follow(reader, f"echo {real}2", f"{told}1")


def test_names_of_the_document_are_replaced(reader: Reader) -> None:
    follow(reader, "echo http://127.0.0.1/", "http://localhost/")
    follow(reader, "test localhost = 127.0.0.1", "")
