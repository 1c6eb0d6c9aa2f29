"""The files of SMRT Link systems: uploaded, listed, given back (seed smrtlink-event-server)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from jexevents.model import Role
from jexevents.peers import Peers
from jexevents.rfc3339 import plain
from jexevents.sidecar.forms import ROOM_BYTES, file_too_large, read_file
from jexevents.sidecar.nodes import require_node
from jexevents.sidecar.paging import PAGE, SINCE, UNTIL, bare_page
from jexevents.sidecar.parameters import IDEMPOTENCY_KEY, text, uuid
from jexevents.sidecar.problems import forbidden, not_found
from jexevents.sidecar.ranges import RANGE, Part, asked_part
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.smrterrors import error_members
from jexevents.smrtlink import document
from jexevents.store.uploads import FILTERS, Row
from jexevents.uploads.bundles import FIELDS, PATH_MEMBER, Sent, Uploads
from jexevents.validation import is_uuid

_PATH = "/api/v1/files"
_NODE_PATH = "/nodes/files"
_PIECE_BYTES = 1 << 16
_ARCHIVES = ("application/gzip", "application/zip")
_FORM = {
    "type": "object",
    "description": "One of these.",
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {field: {"type": "string", "format": "binary"} for field in FIELDS},
    "additionalProperties": False,
}
_FILTERS = (
    uuid("system", "Of this system.", "the id of a system"),
    text("type", "Of bundles of this type."),
    SINCE,
    UNTIL,
)


@dataclass(frozen=True, slots=True)
class UploadSurface:
    """The surface; files are less than ``max_file_bytes``."""

    uploads: Uploads
    peers: Peers
    max_file_bytes: int
    now: Callable[[], datetime]

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="POST",
                path=_PATH,
                role=Role.WRITE,
                systems=True,
                handler=self.take,
                answer="smrtlink_stored_event",
                bodies={"multipart/form-data": _FORM},
                headers=(IDEMPOTENCY_KEY,),
                statuses=(201, 403, 409, 415, 422, 507),
                max_body_bytes=self.max_file_bytes + ROOM_BYTES,
                too_large=lambda: file_too_large(self.max_file_bytes),
                error_members=error_members,
                summary="Take a bundle that a SMRT Link system uploads.",
            ),
            Route(
                method="GET",
                path=_PATH,
                role=Role.READ,
                systems=True,
                handler=self.files,
                answer="smrtlink_files",
                statuses=(200, 403),
                query=(*_FILTERS, *PAGE),
                error_members=error_members,
                summary="Uploads, the newest first.",
            ),
            Route(
                method="GET",
                path=f"{_PATH}/<uuid>",
                role=Role.READ,
                systems=True,
                handler=self.file,
                answer="smrtlink_file",
                statuses=(200, 404),
                error_members=error_members,
                summary="One upload.",
            ),
            Route(
                method="GET",
                path=f"{_PATH}/<uuid>/content",
                role=Role.READ,
                systems=True,
                sessions=True,
                handler=self.content,
                produces=_ARCHIVES,
                headers=(RANGE,),
                statuses=(200, 206, 404, 416),
                streams=True,
                error_members=error_members,
                summary="The archive of an upload, or a range of it, whichever node has it.",
            ),
            Route(
                method="GET",
                path=f"{_PATH}/<uuid>/manifest",
                role=Role.READ,
                systems=True,
                sessions=True,
                handler=self.manifest,
                answer="smrtlink_manifest",
                statuses=(200, 404),
                error_members=error_members,
                summary="The manifest of an upload.",
            ),
            Route(
                method="GET",
                path=f"{_NODE_PATH}/<uuid>",
                role=None,
                any_host=True,
                handler=self.for_node,
                node=True,
                produces=_ARCHIVES,
                headers=(RANGE,),
                statuses=(200, 206, 401, 404, 416, 503),
                streams=True,
                summary="The archive of an upload that lies here, for another node.",
            ),
        ]

    def take(self, request: Request) -> Response:
        """Take a bundle; answer with its system event, the same one where it comes again."""
        key = request.idempotency_key()
        bound = self.max_file_bytes
        form = read_file(request, tuple(FIELDS), self.uploads.folder.incoming, bound)
        sent = Sent(
            form.content,
            form.field,
            form.filename,
            request.caller.name,
            self.now(),
            request.caller.system,
            key,
        )
        event, _ = self.uploads.take(sent)
        return Response(201, document(event), {"Location": f"{_PATH}/{event['uuid']}"})

    def files(self, request: Request) -> Response:
        """Give a page of uploads; the header Link says where the next one is."""
        filters = {name: request.values[name] for name in FILTERS}
        filters["system"] = _system(request)
        limit, before = request.values["limit"], request.values["before"]
        rows = self.uploads.store.find(limit=limit + 1, before=before, **filters)
        return bare_page(request, rows, limit, "seq", _shown)

    def file(self, request: Request) -> dict[str, Any]:
        """Give what is known of one upload."""
        return _shown(self._known(request))

    def manifest(self, request: Request) -> dict[str, Any]:
        """Give the manifest of an upload."""
        return self._known(request)["manifest"]

    def content(self, request: Request) -> Response:
        """Give the archive, from this node or from the one that has it."""
        row = self._known(request)
        return self._answer(request, row, self._of_any_node)

    def for_node(self, request: Request) -> Response:
        """Give an archive of this node's to another node."""
        require_node(self.peers, request)
        row = self._known(request)
        if row["node"] != self.uploads.node:
            raise not_found(f"This file lies on the node {row['node']!r}.")
        return self._answer(request, row, self._of_this_node)

    def _answer(
        self, request: Request, row: Row, opened: Callable[[Row, Part], Iterator[bytes]]
    ) -> Response:
        etag = f'"{bytes(row["sha256"]).hex()}"'
        part, status = asked_part(request.headers, row["size"], etag)
        headers = {
            "ETag": etag,
            "Accept-Ranges": "bytes",
            "Content-Length": str(part.length),
            "Content-Disposition": f'attachment; filename="{row["filename"]}"',
        }
        if status == 206:
            headers["Content-Range"] = part.content_range
        body = b"" if request.method == "HEAD" else opened(row, part)
        is_zip = row["filename"].lower().endswith(".zip")
        return Response(status, body, headers, f"application/{'zip' if is_zip else 'gzip'}")

    def _of_any_node(self, row: Row, part: Part) -> Iterator[bytes]:
        node = row["node"]
        if node == self.uploads.node:
            return self._of_this_node(row, part)
        path = f"{_NODE_PATH}/{row['id']}"
        url = self.uploads.store.url_of(node)
        return self.peers.fetch(node, url, path, part.first, part.length)

    def _of_this_node(self, row: Row, part: Part) -> Iterator[bytes]:
        file = self.uploads.folder.open(row["path"])
        if file is None:
            raise not_found(f"The file is gone from the node {row['node']!r}.")
        return _Pieces(file, part)

    def _known(self, request: Request) -> Row:
        asked = request.parameters["uuid"]
        row = self.uploads.store.get(asked.lower()) if is_uuid(asked) else None
        if row is None or request.caller.system not in (None, row["system"]):
            raise not_found(f"The ledger knows no upload {asked[:80]!r}.")
        return row


def _system(request: Request) -> str | None:
    """Give the system that is asked for, or that the caller is bound to; None for all."""
    asked, bound = request.values["system"], request.caller.system
    if asked is None:
        return bound
    if bound not in (None, asked):
        raise forbidden(f"This credential is good for the system {bound} alone.")
    return asked


def _shown(row: Row) -> dict[str, Any]:
    """Give an upload as the surface shows it (schema smrtlink_file)."""
    place = f"{_PATH}/{row['id']}"
    return {
        "id": row["id"],
        "smrtLinkSystemId": row["system"],
        "bundleTypeId": row["bundle_type"],
        "bundleTypeVersion": row["bundle_version"],
        "filename": row["filename"],
        "field": row["field"],
        "size": row["size"],
        "sha256": bytes(row["sha256"]).hex(),
        PATH_MEMBER: row["path"],
        "node": row["node"],
        "credential": row["credential"],
        "receivedAt": plain(row["received_at"]),
        "content": f"{place}/content",
        "manifest": f"{place}/manifest",
    }


class _Pieces:
    """A part of a file, piece by piece; closed at the end, or when nobody wants the rest."""

    def __init__(self, file: BinaryIO, part: Part) -> None:
        file.seek(part.first)
        self._file, self._left = file, part.length

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._left:
            raise StopIteration
        piece = self._file.read(min(self._left, _PIECE_BYTES))
        if not piece:
            raise OSError("the file is shorter than it was")
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()
