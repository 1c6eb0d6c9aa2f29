"""Bundles uploaded over real HTTP: taken, refused, kept, given back, by this node or another."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from jexevents import smrthmac, wiring
from jexevents.config import from_mapping
from jexevents.errors import StoreUnavailable
from jexevents.model import Role
from jexevents.peers import HEADER, Peers, PeerUnavailable
from jexevents.sidecar.app import build_app
from jexevents.sidecar.auth import Gate, Signer
from jexevents.sidecar.bind import Binding
from jexevents.sidecar.ledger import LedgerSurface
from jexevents.sidecar.server import Server
from jexevents.sidecar.tokens import Tokens
from jexevents.store.database import Database
from jexevents.store.nodes import NodeName
from jexevents.store.reading import Reading
from jexevents.store.uploads import UploadStore
from jexevents.uploads.folder import INCOMING, UploadFolder
from jexevents.uploads.prune import UploadPrune
from tests.archives import MANIFEST, SYSTEM, bundle, manifest, member, tgz, zipped
from tests.integration.web import assert_problem, credential, exchange, parsed, read_all
from tests.ledger import now
from tests.support import wait_until

FILES = "/api/v1/files"
MB = 1 << 20
SECRET = "a secret of the nodes"
OTHER_SYSTEM = "2319db24-f46e-11e6-a35c-3c15c2cc8f88"
LOCAL = Binding(("127.0.0.1",), 0)


@dataclass
class Node:
    """A node with its own folder: the sidecar as the daemon puts it together, and its URL."""

    name: str
    folder: Path
    database: Database
    server: Server
    surface: Any

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.server.address)

    def post(self, data: bytes, field: str = "techsupport_tgz", name: str = "example.tgz",
             **more: Any) -> requests.Response:  # fmt: skip
        return requests.post(self.url + FILES, files={field: (name, data)}, timeout=30, **more)

    def get(self, path: str = "", **more: Any) -> requests.Response:
        return requests.get(f"{self.url}{FILES}{path}", timeout=30, **more)

    def kept(self) -> list[str]:
        """The files in the folder, by their paths below it."""
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return sorted(path.relative_to(self.folder).as_posix() for path in found)

    def count(self, table: str = "uploads") -> int:
        with self.database.look() as connection, connection.cursor() as cursor:
            cursor.execute(f"select count(*) from {table}")
            return cursor.fetchone()[0]

    def is_empty(self) -> bool:
        return self.kept() == [] and self.count() == self.count("events") == 0


@pytest.fixture
def nodes(database: str, tmp_path: Path) -> Iterator[Any]:
    """Give a function that starts a node over the test's database."""
    with ExitStack() as stack:

        def start(name: str = "here", credentials: Any = (), signers: Any = (), **options) -> Node:
            pool = Database(database)
            stack.callback(pool.close)
            folder = Path(options.pop("UploadDir", tmp_path / name))
            options |= {"NodeName": name, "UploadDir": str(folder)}
            config = from_mapping(options, tmp_path)
            surfaces = wiring.Surfaces(config, pool)
            surface, events = surfaces.uploads(), surfaces.smrtlink()
            routes = [*surface.routes(), *events.routes(), *LedgerSurface(Reading(pool)).routes()]
            gate = Gate(Tokens(lambda: credentials), signers=signers)
            app = build_app(routes, gate, check_answers=True, stream_limit=4)
            server = Server(app, LOCAL, max_body_bytes=app.max_body_bytes, spool=folder)
            server.start()
            stack.callback(server.join, 10)
            stack.callback(server.stop)
            return Node(name, folder, pool, server, surface)

        yield start


@pytest.fixture
def node(nodes: Any) -> Node:
    return nodes(UploadMaxBytes=MB, UploadMaxUnpackedBytes=4 * MB, UploadMaxMembers=50)


def refused(answer: requests.Response, status: int, *words: str) -> dict:
    """Hold an error to the surface's shape, and its words."""
    document = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["httpCode"] == document["status"] == status
    assert document["message"] == document["detail"]
    assert document["errorType"] == document["title"]
    assert all(word in answer.text for word in words), answer.text
    return document


# --- taken


def test_upload_answers_with_its_event(node: Node) -> None:
    data = bundle(None, member("logs/a.log", b"1"))
    before = now()
    answer = node.post(data)
    event = answer.json()
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{FILES}/{event['uuid']}"
    assert event["smrtLinkId"] == event["smrtlinkId"] == SYSTEM
    assert event["eventTypeId"] == MANIFEST["bundleTypeId"]
    assert event["eventTypeVersion"] == 1
    assert event["dnsName"] == MANIFEST["dnsName"]
    assert event["uuid"] != MANIFEST["id"]
    path = f"{before:%Y/%m/%d}/{event['uuid']}-example.tgz"
    assert event["message"] == {**MANIFEST, "uploadedBundlePath": path}
    assert (node.folder / path).read_bytes() == data
    assert node.kept() == [path]
    stored = requests.get(f"{node.url}/api/v1/events/{event['uuid']}", timeout=10)
    assert stored.json() == event
    assert node.get(f"/{event['uuid']}").json()["size"] == len(data)


def test_webhooks_hear_of_it(nodes: Any) -> None:
    hook = {"Name": "files", "URL": "http://127.0.0.1:1/", "Events": ["sl_ts_bundle_*"]}
    node = nodes(Hooks=[hook])
    assert node.post(bundle()).status_code == 201
    refused(node.post(bundle(b"")), 422)
    assert node.count("hook_deliveries") == 1


def test_modes_of_files_and_folders(node: Node) -> None:
    os.umask(0o022)
    node.post(bundle())
    (path,) = node.kept()
    assert (node.folder / path).stat().st_mode & 0o777 == 0o600
    for folder in [node.folder, *(node.folder / path).parents[:3]]:
        assert folder.stat().st_mode & 0o777 == 0o700


def test_as_curl_sends_it(node: Node, tmp_path: Path) -> None:
    (tmp_path / "example.tgz").write_bytes(bundle())
    command = ["curl", "-s", "-F", "techsupport_tgz=@example.tgz", node.url + FILES]
    told = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout
    assert json.loads(told)["smrtLinkId"] == SYSTEM


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tgz"])
def test_any_file_with_a_manifest(node: Node, name: str) -> None:
    files = {"manifest.json": manifest(files=["logs/a"], bundleTypeId="sl_ts_test_bundle"),
             "logs/a": b"1"}  # fmt: skip
    data = zipped(files) if name == "a.zip" else tgz(*(member(*one) for one in files.items()))
    answer = node.post(data, "file", name)
    assert answer.status_code == 201, answer.text
    assert answer.json()["eventTypeId"] == "sl_ts_test_bundle"
    content = node.get(f"/{answer.json()['uuid']}/content")
    assert content.content == data
    assert content.headers["Content-Type"] == f"application/{'zip' if 'zip' in name else 'gzip'}"


def test_bundle_types_each_with_its_schema(node: Node) -> None:
    job = {"bundleTypeId": "sl_ts_bundle_job"}
    document = refused(node.post(bundle(manifest(**job))), 422, "required")
    assert {fault["pointer"] for fault in document["errors"]} == {"/jobId", "/jobTypeId"}
    job |= {"jobId": 1, "jobTypeId": "pbsmrtpipe"}
    assert node.post(bundle(manifest(**job))).status_code == 201
    history = {"bundleTypeId": "sl_ts_bundle_job_metrics_history"}
    refused(node.post(bundle(manifest(**history))), 422, "/jobsJson")
    assert node.post(bundle(manifest(**history, jobsJson="jobs.json"))).status_code == 201
    failed = {"bundleTypeId": "sl_ts_bundle_failed_install", "dnsName": None, "comment": None}
    answer = node.post(bundle(manifest(**failed)))
    assert answer.status_code == 201
    assert "dnsName" not in answer.json()
    assert node.post(bundle(manifest(bundleTypeId="mine", bundleTypeVersion=7))).status_code == 201


def test_unknown_bundle_types_can_be_refused(nodes: Any) -> None:
    strict = nodes(SMRTLinkUnknownTypes="refuse")
    document = refused(strict.post(bundle(manifest(bundleTypeId="mine"))), 422, "mine.1")
    assert document["errors"][0]["pointer"] == "/bundleTypeId"
    assert strict.post(bundle()).status_code == 201


def test_names_are_kept_safe(node: Node) -> None:
    named = ("../../evil name.tgz", "C:\\x\\evil name.tgz", ".evil%20name.tgz", "ü" * 300 + ".tgz")
    for name in named:
        assert node.post(bundle(), name=name).status_code == 201
    kept = [path.rsplit("/", 1)[1] for path in node.kept()]
    safe = re.compile(r"[0-9a-f-]{36}-[A-Za-z0-9_-][A-Za-z0-9._-]*\.tgz")
    assert all(safe.fullmatch(one) for one in kept)
    assert max(map(len, kept)) < 150
    assert len(kept) == 4
    assert not list(node.folder.parent.glob("evil*"))


def test_two_at_once_of_the_same_name(node: Node) -> None:
    bodies = [bundle(manifest(comment=str(number))) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(node.post, bodies))
    assert [answer.status_code for answer in answers] == [201] * 8
    assert len(node.kept()) == node.count() == node.count("events") == 8
    for body, answer in zip(bodies, answers, strict=True):
        assert node.get(f"/{answer.json()['uuid']}/content").content == body


def test_idempotency_key(node: Node) -> None:
    key = {"Idempotency-Key": "one"}
    first = node.post(bundle(), headers=key)
    again = node.post(bundle(), headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    refused(node.post(bundle(manifest(comment="other")), headers=key), 409, "other content")
    refused(node.post(bundle(), name="other.tgz", headers=key), 409, "Idempotency-Key")
    refused(node.post(bundle(), headers={"Idempotency-Key": "ü".encode()}), 422, "Idempotency-Key")
    assert len(node.kept()) == node.count() == node.count("events") == 1
    assert node.post(bundle()).json()["uuid"] != first.json()["uuid"]


def test_the_same_key_at_once(node: Node) -> None:
    key = {"Idempotency-Key": "one"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: node.post(bundle(), headers=key), range(8)))
    assert {answer.status_code for answer in answers} == {201}, answers[0].text
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert len(node.kept()) == node.count() == node.count("events") == 1
    (path,) = node.kept()
    assert (node.folder / path).read_bytes() == bundle()


# --- refused


def form(*parts: tuple[str, bytes], boundary: str = "xyz") -> bytes:
    pieces = [
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + body + b"\r\n"
        for head, body in parts
    ]
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


FILE = 'name="techsupport_tgz"; filename="a.tgz"'


def test_what_is_no_form_with_one_file(node: Node) -> None:
    multipart = "multipart/form-data; boundary=xyz"
    cases = [
        (form((FILE, bundle())), "application/json", 415, "multipart/form-data"),
        (b"{}", "", 415, "multipart/form-data"),
        (form((FILE, bundle())), "multipart/form-data", 400, "boundary"),
        (form((FILE, bundle())), f"multipart/form-data; boundary={'x' * 71}", 400, "boundary"),
        (form((FILE, bundle())), "multipart/form-data; boundary=abc", 400, "form"),
        (b"", multipart, 400, "form"),
        (form((FILE, bundle()))[:-20], multipart, 400, "form"),
        (form(), multipart, 422, "got none"),
        (form((FILE, bundle()), (FILE, bundle())), multipart, 422, "more than one"),
        (form(('name="other"; filename="a.tgz"', b"")), multipart, 422, "unknown field"),
        (form(('name="techsupport_tgz"', bundle())), multipart, 422, "without a file name"),
        (form((FILE, b"")), multipart, 422, "an empty file"),
        (form((FILE + f"\r\nX: {'y' * 9000}", bundle())), multipart, 400, "form"),
        (form(*[(FILE, b"")] * 9), multipart, 422, "more than one"),
    ]
    for body, kind, status, word in cases:
        headers = {"Content-Type": kind} if kind else {}
        answer = requests.post(node.url + FILES, data=body, headers=headers, timeout=10)
        refused(answer, status, word)
    assert node.is_empty()


def test_wrong_endings(node: Node) -> None:
    for field, name in (("techsupport_tgz", "a.zip"), ("techsupport_tgz", "a.tar"),
                        ("techsupport_tgz", "a.tgz.exe"), ("file", "a.rar")):  # fmt: skip
        refused(node.post(bundle(), field, name), 422, ".tar.gz")
    assert node.is_empty()


def test_size_is_less_than_the_bound(node: Node) -> None:
    noise = member("noise", random.Random(5).randbytes(MB))
    plain = bundle(None, noise)
    refused(node.post(plain), 413, str(MB))
    for size, status in ((MB, 413), (MB - 1, 201)):
        content = bundle(None, member("noise", random.Random(5).randbytes(MB - 3000)))
        content += bytes(size - len(content))  # zeros behind gzip data are let be
        answer = node.post(content)
        assert answer.status_code == status, answer.text
    assert len(node.kept()) == 1
    # What is refused unread, by us or by the server below, names the same bound.
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    for size in (2 * MB, 4 * MB):
        huge = requests.post(node.url + FILES, data=b"x" * size, headers=form, timeout=10)
        told = refused(huge, 413, f"not smaller than {MB} bytes (UploadMaxBytes)")
        assert told["errors"][0]["expected"] == f"a file of less than {MB} bytes"
    assert "larger than" in requests.post(node.url + "/jobs", data=b"x" * 4 * MB, timeout=10).text


MANIFESTS = {
    b"": "JSON",
    b"[]": "no JSON object",
    b"{": "JSON",
    b'{"id": NaN}': "JSON",
    b"\xff": "UTF-8",
    b"{}": "smrtLinkSystemId",
    manifest(id="no uuid"): "/id",
    manifest(createdAt="yesterday"): "/createdAt",
    manifest(bundleTypeVersion="1"): "/bundleTypeVersion",
    manifest(bundleTypeId="../../x"): "/bundleTypeId",
    manifest(user=17): "/user",
    b"[" * 100_000: "JSON",
}


@pytest.mark.parametrize("content", MANIFESTS, ids=range(len(MANIFESTS)))
def test_bad_manifests(node: Node, content: bytes) -> None:
    refused(node.post(bundle(content)), 422, MANIFESTS[content])
    assert node.is_empty()


def test_listed_files(node: Node) -> None:
    def sent(listed: Any, *names: str) -> requests.Response:
        files = {"manifest.json": manifest(files=listed)} | dict.fromkeys(names, b"1")
        return node.post(zipped(files), "file", "a.zip")

    refused(sent(None, "a"), 422, "/files")
    refused(sent(["a", "b"], "a"), 422, '"b"')
    refused(sent(["a"], "a", "b"), 422, '"b"')
    refused(sent([1], "a"), 422, "/files/0")
    # So many that it would take long to say them all.
    refused(sent([1] * 300_000, "a"), 422, "/files/0")
    refused(sent(["a"] * 200_000, "a"), 422, "listed once")
    refused(sent([str(n) for n in range(100_000)], "a"), 422, '"0"')
    refused(sent(["../a"], "a"), 422, "..")
    assert node.is_empty()


HOSTILE = {
    "up": (bundle(None, member("../up")), "../up"),
    "absolute": (bundle(None, member("/etc/passwd")), "/etc/passwd"),
    "link": (bundle(None, member("l", kind=b"2", linkname="/etc/passwd")), "symbolic link"),
    "device": (bundle(None, member("d", kind=b"3")), "character device"),
    "newline": (bundle(None, member("a\nb")), "control"),
    "second": (bundle(None, member("./tech-support-manifest.json", b"{}")), "second one"),
    "truncated": (bundle()[:-5], "cut off"),
    "bomb": (bundle(None, member("zeros", bytes(5 * MB))), "unpacked bytes"),
    "members": (bundle(None, *(member(str(n)) for n in range(50))), "members"),
    "large manifest": (bundle(b" " * (2 * MB)), "a manifest of at most"),
    "no gzip": (b"no gzip", "gzip"),
    "deeper": (bundle(name="x/tech-support-manifest.json"), "x/tech-support"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives(node: Node, case: str) -> None:
    data, word = HOSTILE[case]
    refused(node.post(data), 422, word)
    assert node.is_empty()


def test_upload_that_stops_half_way(node: Node) -> None:
    body = form((FILE, bundle(None, member("noise", random.Random(1).randbytes(900_000)))))
    head = (f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=xyz\r\n\r\n")  # fmt: skip
    for cut in (0, 100, 600_000, len(body) - 1):
        with socket.create_connection(node.server.address, timeout=10) as connection:
            connection.sendall(head.encode() + body[:cut])
            connection.shutdown(socket.SHUT_WR)
            assert read_all(connection) == b""
    assert node.is_empty()
    whole = exchange(node.server.address, head.replace("HTTP/1.1", "HTTP/1.0").encode() + body)
    assert parsed(whole).status == 201


# --- who may


def test_roles_and_systems(nodes: Any) -> None:
    def who(name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {name}"}

    bound = credential("bound", Role.WRITE, Role.READ)
    bound = type(bound)(**{**_fields(bound), "system": OTHER_SYSTEM})
    signer = Signer("uid", "example-secret", None)
    known = (credential("read", Role.READ), credential("write", Role.WRITE), bound)
    node = nodes(credentials=known, signers=[signer])
    refused(node.post(bundle()), 401)
    refused(node.post(bundle(), headers=who("read")), 403)
    refused(node.post(bundle(), headers=who("bound")), 403, OTHER_SYSTEM)
    assert node.is_empty()
    mine = node.post(bundle(), headers=who("write")).json()["uuid"]
    own = bundle(manifest(smrtLinkSystemId=OTHER_SYSTEM.upper()))
    theirs = node.post(own, headers=who("bound")).json()["uuid"]
    refused(node.get(headers=who("write")), 403)
    assert [one["id"] for one in node.get(headers=who("read")).json()] == [theirs, mine]
    assert [one["id"] for one in node.get(headers=who("bound")).json()] == [theirs]
    refused(node.get(f"/{mine}/content", headers=who("bound")), 404)
    refused(node.get(f"?system={SYSTEM}", headers=who("bound")), 403)
    signed = smrthmac.header("uid", "example-secret", "POST", FILES, now().timestamp())
    assert node.post(bundle(), headers={"Authentication": signed}).status_code == 201


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


# --- found again


def test_lists_and_filters(node: Node) -> None:
    ids = [node.post(bundle(manifest(smrtLinkSystemId=system, bundleTypeId=kind))).json()["uuid"]
           for system, kind in ((SYSTEM, "a"), (OTHER_SYSTEM, "b"), (SYSTEM, "b"))]  # fmt: skip

    def found(query: str) -> list[str]:
        return [one["id"] for one in node.get(query).json()]

    assert found("") == ids[::-1]
    assert found(f"?system={SYSTEM.upper()}") == [ids[2], ids[0]]
    assert found(f"?type=b&system={OTHER_SYSTEM}") == [ids[1]]
    assert found("?since=2000-01-01T00:00:00Z") == ids[::-1]
    assert found("?until=2000-01-01T00:00:00Z") == []
    page = node.get("?limit=2")
    assert [one["id"] for one in page.json()] == ids[:0:-1]
    rest = requests.get(node.url + page.links["next"]["url"], timeout=10)
    assert [one["id"] for one in rest.json()] == ids[:1]
    assert "Link" not in rest.headers
    refused(node.get("?system=x"), 400, "system")
    refused(node.get("?since=x"), 400, "since")
    refused(node.get("?other=x"), 400, "other")
    one = node.get(f"/{ids[0].upper()}").json()
    assert one == node.get().json()[2]
    assert node.get(f"/{ids[0]}/manifest").json() == json.loads(
        manifest(smrtLinkSystemId=SYSTEM, bundleTypeId="a"))  # fmt: skip
    for path in (f"/{uuid.uuid4()}", "/x", f"/{uuid.uuid4()}/content", "/x/manifest"):
        refused(node.get(path), 404, "knows no upload")


def test_content_and_ranges(node: Node) -> None:
    data = bundle(None, member("noise", random.Random(1).randbytes(300_000)))
    path = f"/{node.post(data).json()['uuid']}/content"
    whole = node.get(path)
    etag = f'"{hashlib.sha256(data).hexdigest()}"'
    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["ETag"] == etag
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Length"] == str(len(data))
    assert whole.headers["Content-Disposition"] == 'attachment; filename="example.tgz"'
    head = requests.head(node.url + FILES + path, timeout=10)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(data))
    size = len(data)
    end = size - 1
    for asked, first, last in (("0-0", 0, 0), ("10-99", 10, 99), (f"{end - 4}-", end - 4, end),
                               ("-7", end - 6, end), (f"0-{10**17}", 0, end),
                               (f"-{10**9}", 0, end)):  # fmt: skip
        part = node.get(path, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, data[first : last + 1]), asked
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
        assert part.headers["Content-Length"] == str(last - first + 1)
    for asked in ("bytes=5-2", "bytes=1-2,4-5", "lines=1-2", "bytes=-", "bytes=a-b"):
        assert node.get(path, headers={"Range": asked}).status_code == 200, asked
    for asked in (f"bytes={size}-", "bytes=-0", f"bytes={size + 10}-{size + 20}"):
        behind = node.get(path, headers={"Range": asked})
        refused(behind, 416, "range")
        assert behind.headers["Content-Range"] == f"bytes */{size}"
    for condition, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200)):
        headers = {"Range": "bytes=0-0", "If-Range": condition}
        assert node.get(path, headers=headers).status_code == status
    (node.folder / node.kept()[0]).unlink()
    refused(node.get(path), 404, "gone from the node")


# --- other nodes


@pytest.fixture
def two(nodes: Any) -> tuple[Node, Node, NodeName]:
    """Two nodes of one ledger, and what says where the first is."""
    here = nodes("here", NodeSecret=SECRET)
    there = nodes("there", NodeSecret=SECRET)
    name = NodeName(here.database, "here", "daemon", here.url)
    assert name.hold()
    yield here, there, name
    name.release()


def test_file_of_another_node(two: tuple[Node, Node, NodeName]) -> None:
    here, there, _ = two
    data = bundle(None, member("noise", random.Random(1).randbytes(700_000)))
    path = f"/{here.post(data).json()['uuid']}/content"
    assert there.kept() == []
    for headers in ({}, {"Range": "bytes=1000-600000"}, {"Range": "bytes=-1"}):
        own, other = here.get(path, headers=headers), there.get(path, headers=headers)
        assert (other.status_code, other.content) == (own.status_code, own.content)
        for name in ("ETag", "Content-Range", "Content-Length", "Content-Disposition"):
            assert other.headers.get(name) == own.headers.get(name)
    assert there.get(path).content == data
    here.server.stop()
    assert here.server.join(10)
    away = there.get(path)
    refused(away, 503, "'here'")
    assert int(away.headers["Retry-After"]) > 0
    assert requests.head(there.url + FILES + path, timeout=10).status_code == 200


def test_file_that_is_gone_from_another_node(two: tuple[Node, Node, NodeName]) -> None:
    here, there, _ = two
    path = f"/{here.post(bundle()).json()['uuid']}/content"
    (here.folder / here.kept()[0]).unlink()
    refused(there.get(path), 503, "404", "'here'")


def test_without_secret_or_url(nodes: Any) -> None:
    here, there = nodes("here", NodeSecret=SECRET), nodes("there")
    path = f"/{here.post(bundle()).json()['uuid']}/content"
    refused(there.get(path), 503, "'here'", "NodeSecret")
    refused(nodes("third", NodeSecret=SECRET).get(path), 503, "'here'", "NodeURL")
    mine = f"/nodes/files/{there.post(bundle()).json()['uuid']}"
    unsigned = {HEADER: Peers("").sign("GET", mine)}
    assert requests.get(there.url + mine, headers=unsigned, timeout=10).status_code == 401


def test_only_nodes_are_answered(two: tuple[Node, Node, NodeName]) -> None:
    here, there, _ = two
    upload = here.post(bundle()).json()["uuid"]
    path = f"/nodes/files/{upload}"

    def asked(value: str, url: str = here.url) -> requests.Response:
        return requests.get(url + path, headers={HEADER: value}, timeout=10)

    ours = Peers(SECRET)
    assert asked(ours.sign("GET", path)).content == bundle()
    elsewhere = asked(ours.sign("GET", path), there.url)
    assert elsewhere.status_code == 404
    assert "lies on the node 'here'" in elsewhere.text
    stale = Peers(SECRET, lambda: now().timestamp() - 61).sign("GET", path)
    ahead = Peers(SECRET, lambda: now().timestamp() + 62).sign("GET", path)
    others = [Peers("another secret!!").sign("GET", path), Peers("").sign("GET", path)]
    elsewhere = [ours.sign("GET", path + "x"), ours.sign("POST", path)]
    for value in ("", "x", stale, ahead, *elsewhere, *others):
        assert asked(value).status_code == 401, value
    moved = ours.sign("GET", path).split(":")
    assert asked(f"{int(moved[0]) + 1}:{moved[1]}").status_code == 401


def test_node_that_ends_in_the_middle(nodes: Any) -> None:
    """The length was promised, so that the caller sees it."""
    there = nodes("there", NodeSecret=SECRET)
    listener = socket.create_server(("127.0.0.1", 0))
    here = nodes("here", NodeSecret=SECRET)
    data = bundle()
    path = f"/{here.post(data).json()['uuid']}/content"
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    name = NodeName(here.database, "here", "daemon", url)
    assert name.hold()

    def answer() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                head = f"HTTP/1.1 206 Partial\r\nContent-Length: {len(data)}\r\n\r\n"
                connection.sendall(head.encode() + data[:100])

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        there.get(path)
    with pytest.raises(PeerUnavailable, match=r"'here'.*in the middle"):
        list(Peers(SECRET).fetch("here", url, "/", 0, len(data)))
    thread.join(10)
    listener.close()
    name.release()


# --- full disks and outages


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a small file system can be mounted by root alone: no full disk to try")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(nodes: Any, small_disk: Path) -> None:
    node = nodes(UploadDir=small_disk)
    data = bundle(None, member("noise", random.Random(1).randbytes(400_000)))
    for _ in range(3):
        refused(node.post(data), 507, "no room")
        assert node.is_empty()
    assert node.post(bundle()).status_code == 201


HEAD_OF_MUCH = (f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1500000\r\n"
                "Content-Type: multipart/form-data; boundary=xyz\r\n\r\n").encode()  # fmt: skip


def test_a_body_on_its_way_waits_in_the_folder(node: Node) -> None:
    node.surface.uploads.folder.make()

    def waits_there() -> bool:
        links = [os.readlink(one) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
        return any(link.startswith(str(node.folder)) for link in links)

    with socket.create_connection(node.server.address, timeout=10) as connection:
        connection.sendall(HEAD_OF_MUCH + bytes(800_000))
        wait_until(waits_there, 10, "a file without a name in the folder")
        assert node.kept() == []
    wait_until(lambda: not waits_there(), 10, "its end with the connection")


def test_full_disk_while_the_body_comes(nodes: Any, small_disk: Path) -> None:
    """Nobody waits for the rest of it."""
    node = nodes(UploadDir=small_disk)
    with socket.create_connection(node.server.address, timeout=10) as connection:
        connection.sendall(HEAD_OF_MUCH + bytes(900_000))
        answer = parsed(read_all(connection))
    assert_problem(answer, 507)
    assert requests.get(f"{node.url}/status", timeout=10).status_code == 200


def test_full_disk_while_a_large_body_comes(nodes: Any, small_disk: Path) -> None:
    """Past half a MiB a body waits in a file before anybody reads it."""
    node = nodes(UploadDir=small_disk)
    data = bundle(None, member("noise", random.Random(1).randbytes(900_000)))
    for _ in range(3):
        answer = node.post(data)
        assert answer.status_code == 507, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == 507
    assert node.is_empty()
    assert node.post(bundle()).status_code == 201


def test_full_disk_by_the_bound_on_files(node: Node) -> None:
    """EFBIG: a quota of the process stands for one of the disk."""
    bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    data = bundle(None, member("noise", random.Random(1).randbytes(400_000)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, bounds[1]))
    try:
        refused(node.post(data), 507, "no room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bounds)
        signal.signal(signal.SIGXFSZ, before)
    assert node.is_empty()


def test_folder_that_cannot_be_used(nodes: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    node = nodes(UploadDir=tmp_path / "file")
    answer = node.post(bundle())
    refused(answer, 503, "UploadDir")
    assert "Retry-After" in answer.headers
    large = bundle(None, member("noise", random.Random(1).randbytes(900_000)))
    refused(node.post(large), 503, "UploadDir")


def test_database_away(node: Node) -> None:
    node.database.close()
    answer = node.post(bundle())
    assert answer.status_code == 503
    assert node.kept() == []


class Broken(Exception):
    """What a test breaks."""


def test_what_fails_inside_the_transaction_leaves_nothing(node: Node, monkeypatch: Any) -> None:
    def broken(*_: Any) -> None:
        raise Broken

    with monkeypatch.context() as patch:
        patch.setattr(UploadStore, "insert", broken)
        assert node.post(bundle()).status_code == 500
        assert node.is_empty()
    with monkeypatch.context() as patch:
        patch.setattr(Database, "run", _failing_after(Database.run, Broken()))
        assert node.post(bundle()).status_code == 500
        assert node.kept() == []


def _failing_after(run: Any, error: Exception) -> Any:
    """Give Database.run, failing in its transaction's last moment."""

    def failing(self: Database, work: Any) -> Any:
        def then_fail(connection: Any) -> None:
            work(connection)
            raise error

        return run(self, then_fail)

    return failing


# Says no at the first commit of an upload only: numbers of a sequence are not given back.
_ONCE = """
create sequence commits;
create function refuse_once() returns trigger language plpgsql as $$
begin
    if nextval('commits') = 1 then raise exception 'no' using errcode = '{code}'; end if;
    return null;
end $$;
create constraint trigger refuse after insert on uploads deferrable initially deferred
    for each row execute function refuse_once();
"""


def test_transaction_that_is_tried_again_keeps_the_file(node: Node) -> None:
    with node.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(_ONCE.format(code="40001"))
    answer = node.post(bundle())
    assert answer.status_code == 201, answer.text
    assert node.get(f"/{answer.json()['uuid']}/content").content == bundle()
    assert len(node.kept()) == node.count() == node.count("events") == 1


def test_transaction_that_is_refused_at_its_end_leaves_nothing(node: Node) -> None:
    with node.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(_ONCE.format(code="23514"))
    refused(node.post(bundle()), 422, "refused")
    assert node.is_empty()


def test_lost_answer_to_commit_keeps_the_file(node: Node, monkeypatch: Any) -> None:
    run = Database.run

    def losing(self: Database, work: Any) -> Any:
        run(self, work)
        raise StoreUnavailable("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "run", losing)
        answer = node.post(bundle(), headers={"Idempotency-Key": "k"})
    assert answer.status_code == 503
    assert len(node.kept()) == node.count() == 1
    again = node.post(bundle(), headers={"Idempotency-Key": "k"})
    assert again.status_code == 201
    assert node.get(f"/{again.json()['uuid']}/content").content == bundle()
    assert len(node.kept()) == node.count() == node.count("events") == 1


# --- what is left behind


def test_what_is_discarded_is_no_other_file_in_its_place(tmp_path: Path) -> None:
    folder, path = UploadFolder(tmp_path), f"2026/01/02/{uuid.uuid4()}-a.tgz"
    first, second = folder.incoming(), folder.incoming()
    first.keep(path)
    second.write(b"second")
    second.keep(path)
    first.discard()
    assert (tmp_path / path).read_bytes() == b"second"
    second.discard()
    assert not (tmp_path / path).exists()


def test_what_a_killed_process_was_writing_is_swept(tmp_path: Path) -> None:
    folder = UploadFolder(tmp_path / "uploads")
    program = (
        "import os, sys, signal; from pathlib import Path\n"
        "from jexevents.uploads.folder import UploadFolder\n"
        "one = UploadFolder(Path(sys.argv[1])).incoming(); one.write(b'x')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(folder.path)], check=False)
    living = folder.incoming()
    assert len(list(folder.path.glob(f"{INCOMING}*"))) == 2
    assert folder.sweep_incoming() == 1
    living.write(b"still there")
    assert folder.sweep_incoming() == 0
    living.discard()
    assert list(folder.path.iterdir()) == []


def test_unclaimed_files_are_swept_and_no_others(node: Node) -> None:
    claimed = node.post(bundle()).json()["uuid"]
    folder, store = node.surface.uploads.folder, node.surface.uploads.store
    (path,) = node.kept()
    strange = node.folder / "2020/01/01"
    strange.mkdir(parents=True)
    (strange / "notes.txt").write_bytes(b"mine")
    lost = f"2020/01/02/{uuid.uuid4()}-a.tgz"
    young = f"2020/01/03/{uuid.uuid4()}-a.tgz"
    held = folder.incoming()
    held.keep(f"2020/01/04/{uuid.uuid4()}-a.tgz")
    for one in (lost, young):
        (node.folder / one).parent.mkdir(parents=True)
        (node.folder / one).write_bytes(b"x")
    for one in node.kept():
        if one != young:
            os.utime(node.folder / one, (1, 1))

    assert folder.sweep_unclaimed(store.known) == 1
    assert not (node.folder / "2020/01/02").exists()
    assert {path, young, "2020/01/01/notes.txt"} < set(node.kept())
    assert node.get(f"/{claimed}/content").status_code == 200
    held.close()
    assert folder.sweep_unclaimed(store.known) == 1
    with node.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("update uploads set node = 'as this one was called before'")
    assert folder.sweep_unclaimed(store.known) == 0


def test_paths_of_the_database_lead_nowhere_else(node: Node) -> None:
    folder = node.surface.uploads.folder
    (node.folder.parent / "secret").write_bytes(b"x")
    node.folder.mkdir(exist_ok=True)
    for path in ("../secret", "/etc/passwd", f"2020/01/02/../../../../{uuid.uuid4()}-a", ""):
        assert folder.open(path) is None
        folder.remove(path)
    assert (node.folder.parent / "secret").exists()


def test_prune(nodes: Any) -> None:
    here, there = nodes("here"), nodes("there")
    old = [one.post(bundle()).json()["uuid"] for one in (here, here, there)]
    with here.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("update uploads set received_at = '2026-01-01'")
    new = here.post(bundle()).json()["uuid"]
    (here.folder / here.kept()[0]).unlink()  # somebody was here before
    store = here.surface.uploads.store
    before = now() - timedelta(days=30)
    prune = UploadPrune(store, here.surface.uploads.folder, "here", before)
    assert prune.counts() == (2, 1)
    assert sum(prune.steps()) == 2
    assert (prune.counts(), prune.stuck) == ((0, 1), 0)
    assert [one["id"] for one in here.get().json()] == [new, old[2]]
    assert [path for path in here.kept() if new in path] == here.kept()
    assert len(there.kept()) == 1
    assert here.count("audit") == 1
    assert sum(prune.steps()) == 0
    assert here.count("audit") == 1


def test_prune_says_what_it_cannot_remove(node: Node) -> None:
    node.post(bundle())
    (path,) = node.kept()
    (node.folder / path).unlink()
    (node.folder / path).mkdir()  # which unlink does not remove, whoever asks
    uploads = node.surface.uploads
    prune = UploadPrune(uploads.store, uploads.folder, "here", now() + timedelta(days=1))
    assert (sum(prune.steps()), prune.stuck) == (1, 1)


# --- memory


def test_memory_stays_flat(nodes: Any) -> None:
    node = nodes()
    data = bundle(None, member("noise", random.Random(1).randbytes(8 * MB - 100_000)))
    node.post(data)  # what is loaded at the first use is there then
    body = form((FILE, data))
    head = (f"POST {FILES} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=xyz\r\n\r\n").encode()  # fmt: skip
    peaks, stop, before = [], threading.Event(), rss()

    def watch() -> None:
        while not stop.wait(0.001):
            peaks.append(rss())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        for _ in range(3):
            with socket.create_connection(node.server.address, timeout=30) as connection:
                connection.sendall(head)
                connection.sendall(memoryview(body))
                answer = parsed(read_all(connection))
            assert answer.status == 201
    finally:
        stop.set()
        thread.join()
    assert len(peaks) > 20
    assert max(peaks) - before < 4 * MB, (max(peaks) - before) / MB
    with node.get(f"/{answer.json()['uuid']}/content", stream=True) as content:
        told = hashlib.sha256()
        for piece in content.iter_content(65536):
            told.update(piece)
    assert told.digest() == hashlib.sha256(data).digest()


def rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
