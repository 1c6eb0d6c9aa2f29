"""The README's commands of an installation, run as root in a file system of the test's own.

``unshare`` gives /etc, /opt and /var/lib that are copies, or empty; what the commands write there
is gone with the test, and so is every process that they start.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest

from jexevents.embedded.wheel import programs_for
from tests.acceptance.support import environment
from tests.acceptance.test_installation import PARTS
from tests.support import ROOT, administer, unique

README = (ROOT / "README.md").read_text("utf-8")
_SECONDS = 300
_PLACES = """
mount --make-rprivate /
cp -a /etc "$OWN/etc" && mount --bind "$OWN/etc" /etc
mount --bind "$OWN/opt" /opt
mount --bind "$OWN/lib" /var/lib
"""


def block(first: str) -> str:
    """Give the README's block that begins so."""
    (found,) = [
        text
        for text in re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S)
        if text.startswith(first)
    ]
    return found


PROGRAM = block("python3 -m venv /opt/jexevents")
USER = block("useradd ")
SUPERVISORD = block("/opt/jexevents/bin/pip install supervisor")


class Host:
    """A machine whose /etc, /opt and /var/lib are one's own; ``folder`` holds them."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self._own = folder / "own"
        self.etc = self._own / "etc"
        self.opt = self._own / "opt"
        self.lib = self._own / "lib"
        for place in (self.checkout, self.opt, self.lib):
            place.mkdir(parents=True)
        for part in [*PARTS, "supervisord.conf"]:
            source = ROOT / part
            if source.is_dir():
                leave = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, self.checkout / part, ignore=leave)
            else:
                shutil.copy(source, self.checkout)

    def run(self, *scripts: str, typed: str = "", **variables: str) -> str:
        """Run lines of a shell one after the other in the checkout; give what they print.

        What they start ends with them.
        """
        shutil.rmtree(self.etc, ignore_errors=True)
        script = self._own / "script"
        script.write_text(_PLACES + "\n".join(scripts))
        done = _unshare(["sh", "-e", str(script)], cwd=self.checkout, typed=typed,
                        variables={"OWN": str(self._own), **variables})  # fmt: skip
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


def _unshare(
    command: Sequence[str], cwd: Path, typed: str = "", variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    options = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return subprocess.run(
        ["unshare", *options, *command],
        cwd=cwd,
        env=environment(**(variables or {})),
        input=typed,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        # Without a terminal, what asks for a password reads it where we can say it.
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """One that all tests of this module share."""
    if os.getuid() != 0:
        pytest.skip("only root can install")
    for program in ("unshare", "useradd", "install"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("host")
    tried = _unshare(["true"], cwd=folder)
    if tried.returncode != 0:
        pytest.skip(f"no file system of one's own can be had here: {tried.stderr.strip()}")
    return Host(folder)


@pytest.fixture(scope="module")
def program(host: Host) -> str:
    """What the program says of itself after the README's lines have installed it."""
    return host.run(PROGRAM, "jexevents --version; command -v jexevents")


def test_the_program(program: str) -> None:
    version, place = program.splitlines()[-2:]
    assert version.startswith("jexevents ")
    assert place == "/opt/jexevents/bin/jexevents"


@pytest.fixture
def role(postgres: str) -> Iterator[str]:
    """A name for the role and the database, neither of which is left behind."""
    name = unique("jexevents_installed")
    yield name
    administer(postgres, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    administer(postgres, f"DROP ROLE IF EXISTS {name}")


def test_the_user(host: Host, postgres: str, role: str) -> None:
    """The lines for RabbitMQ are run by tests/acceptance/test_rights.py."""
    lines = USER.replace("\\\n", " ").splitlines()
    system = [line for line in lines if line.startswith(("useradd", "install"))]
    server = [line for line in lines if line.startswith("sudo -u postgres ")]
    assert len(system) == len(server) == 2
    assert all(line.startswith("rabbitmqctl ") for line in lines if line not in system + server)
    # Who is root there is the superuser of this server, so nobody has to become another one.
    own = [line.removeprefix("sudo -u postgres ").replace("jexevents", role) for line in server]
    said = host.run(
        *system,
        *own,
        "id jexevents; stat -c '%U %G %a %n' /var/lib/jexevents/*",
        typed="PASSWORD\nPASSWORD\n",
        **_variables(postgres),
    )
    assert re.search(r"uid=\d+\(jexevents\)", said)
    for folder in ("uploads", "jobs"):
        assert f"jexevents jexevents 700 /var/lib/jexevents/{folder}" in said
    with closing(psycopg2.connect(postgres)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select d.datname, r.rolsuper, r.rolcreatedb, r.rolcanlogin from pg_database d "
            "join pg_roles r on r.oid = d.datdba where r.rolname = %s",
            (role,),
        )
        assert cursor.fetchall() == [(role, False, False, True)]


def test_supervisord(host: Host, program: str, vhost: str, database: str) -> None:
    assert program
    options = {"AMQPURI": vhost, "DBURI": database, "HTTPListenPort": "127.0.0.1:0"}
    config = host.checkout / "jexevents.json"
    config.write_text(json.dumps(options))
    consumes = """
for _ in $(seq 300); do
    grep -q '"consuming"' var/jexevents.log 2>/dev/null && break
    sleep 0.1
done
/opt/jexevents/bin/supervisorctl -c supervisord.conf status jexevents
/opt/jexevents/bin/supervisorctl -c supervisord.conf shutdown
while [ -e var/supervisord.pid ]; do sleep 0.1; done
"""
    # The line finds supervisord on the PATH, which PROGRAM had set in that shell.
    path = 'export PATH="/opt/jexevents/bin:$PATH"'
    said = host.run(f"cp {config} /etc/jexevents.json", path, SUPERVISORD, consumes)
    assert re.search(r"jexevents +RUNNING", said), said
    assert '"exit_code": 0' in (host.checkout / "var/jexevents.log").read_text()


def _variables(uri: str) -> dict[str, str]:
    """Give the variables by which PostgreSQL's programs reach a server, and the PATH to them."""
    parts = urlsplit(uri)
    query = parse_qs(parts.query)
    found = {
        "PGHOST": query.get("host", [parts.hostname or ""])[0],
        "PGPORT": query.get("port", [str(parts.port or "")])[0],
        "PGUSER": parts.username or query.get("user", [""])[0],
        "PGPASSWORD": parts.password or "",
    }
    programs = programs_for(None, Path()).root / "bin"
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {name: value for name, value in found.items() if value} | {"PATH": path}
