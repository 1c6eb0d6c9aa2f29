"""The documents as files: links resolve, tests named exist, nothing of one machine is in them."""

from __future__ import annotations

import re
import subprocess
from configparser import ConfigParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")])
DRAWINGS = sorted(ROOT.glob("docs/**/*.svg"))
DEPENDENCIES = (ROOT / "docs/dependencies.md").read_text("utf-8")

_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HOME = re.compile(r"/home/|/root\b|/Users/|/tmp/|/work/|~/")
# Named otherwise where they are imported.
_MODULES = {
    "inotify-simple": "inotify_simple",
    "prometheus-client": "prometheus_client",
    "psycopg2-binary": "psycopg2",
    "pyyaml": "yaml",
    "uuid-utils": "uuid_utils",
}
_DATA_ONLY = {"tzdata"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(path: Path) -> set[str]:
    """Give the anchors that renderers make of a document's headings."""
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_resolve(document: Path) -> None:
    text = _CODE.sub("", document.read_text("utf-8"))
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (document.parent / place).resolve() if place else document
        assert target.exists(), f"{link}: there is no such file"
        assert target.is_relative_to(ROOT), f"{link} leaves the repository"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_headings_stand_free_and_have_something_below(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "code", document.read_text("utf-8"), flags=re.M | re.S)
    lines = text.splitlines()
    heads = [index for index, line in enumerate(lines) if re.match(r"#+ ", line)]
    for index, below in zip(heads, [*heads[1:], len(lines)], strict=True):
        assert index == 0 or not lines[index - 1].strip(), f"{lines[index]}: no blank line before"
        is_filled = any(line.strip() for line in lines[index + 1 : below])
        depth = [len(lines[one].split()[0]) for one in (index, below) if one < len(lines)]
        assert is_filled or depth[-1] > depth[0], f"{lines[index]}: nothing stands below"


@pytest.mark.parametrize("document", [*DOCUMENTS, *DRAWINGS], ids=named)
def test_nothing_of_one_machine(document: Path) -> None:
    found = _HOME.search(document.read_text("utf-8"))
    assert found is None, f"{found[0]!r} belongs to one machine"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_tests_that_are_named_exist(document: Path) -> None:
    for path, name in re.findall(r"`(tests/[\w/.]+\.py)(?:::(\w+))?`", document.read_text("utf-8")):
        file = ROOT / path
        assert file.is_file(), path
        assert not name or f"def {name}(" in file.read_text("utf-8"), f"{path}::{name}"


def test_modules_that_the_design_names_exist() -> None:
    text = (ROOT / "docs/design.md").read_text("utf-8")
    folders = "broker|cli|config|lifecycle|runner|sidecar|sources|store|tryout"
    for path in re.findall(rf"`((?:{folders})/[\w/.]+)`", text):
        assert (ROOT / "jexevents" / path).exists(), path


def requirements() -> dict[str, set[str]]:
    """Give the libraries that setup.cfg names, by the heading of docs/dependencies.md."""
    setup = ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    return {"Needed to run": names(setup["options"]["install_requires"])} | {
        f"Extra `{extra}`": names(extras[extra]) for extra in extras
    }


def names(lines: str) -> set[str]:
    """Give the names in a list of requirements, without those that refer to another list."""
    found = {re.match(r"[\w.-]*", line.strip())[0] for line in lines.splitlines()}
    return found - {""}


@pytest.mark.parametrize("heading", requirements())
def test_dependencies_are_told(heading: str) -> None:
    part = DEPENDENCIES.split(f"## {heading}\n")[1].split("\n## ")[0]
    told = re.findall(r"^\| ([\w.-]+) \| (.+) \|$", part, re.MULTILINE)
    libraries = [name for name, _ in told if name not in ("Library", "---")]
    assert libraries == sorted(requirements()[heading])


def test_dependencies_are_used() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "jexevents").rglob("*.py"))
    for library in requirements()["Needed to run"] - _DATA_ONLY:
        module = _MODULES.get(library, library)
        assert re.search(rf"^\s*(?:import|from) {module}\b", code, re.MULTILINE), library


def test_drawings_are_whole() -> None:
    from xml.dom import minidom

    for drawing in DRAWINGS:
        root = minidom.parse(str(drawing)).documentElement
        assert root.getElementsByTagName("title"), f"{named(drawing)} says nothing to the blind"


def test_every_document_is_reached_from_the_readme() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "docs/*.md", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no checkout")
    reached = (ROOT / "README.md").read_text("utf-8")
    for path in listed.stdout.split():
        if path != "README.md" and not path.startswith("tests/"):
            assert f"({path})" in reached, f"the README does not name {path}"
