"""Uploaded bundles between their surface and the ledger: looked into, kept, noted, told as events.

The event of an upload, its row and its file become one: the file gets its name inside of the
transaction that stores the other two. Where the answer to COMMIT is lost nobody knows whether
there is a row; then the file stays, and `jexevents prune` removes it if there is none.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from jexevents import strictjson
from jexevents.archives.listing import Limits
from jexevents.archives.reading import MAX_NAMED, Form, check_listed, form_of, read
from jexevents.errors import Conflict, Forbidden, Invalid, StoreUnavailable, Unacceptable
from jexevents.faults import kind, shown
from jexevents.lifecycle.smrtlink import CHANGE
from jexevents.logs import get_logger
from jexevents.model import Event, Fault, Outcome
from jexevents.observers import NOBODY, IngestObserver, UploadObserver
from jexevents.rfc3339 import format_utc
from jexevents.sources.smrtlink.events import system_event
from jexevents.sources.smrtlink.types import EventTypes
from jexevents.sources.smrtlink.words import SMRTLINK_DOOR
from jexevents.store.database import Connection
from jexevents.store.ledger import Ledger
from jexevents.store.offers import Applied
from jexevents.store.uploads import Row, UploadStore
from jexevents.uploads.folder import Incoming, UploadFolder, kept_path, safe_name
from jexevents.validation import SCHEMAS

log = get_logger("uploads")

TECH_SUPPORT, ANY_FILE = "techsupport_tgz", "file"
FIELDS: Mapping[str, tuple[tuple[Form, ...], str]] = {
    TECH_SUPPORT: ((Form.TAR_GZ,), "tech-support-manifest.json"),
    ANY_FILE: ((Form.TAR_GZ, Form.ZIP), "manifest.json"),
}
PATH_MEMBER = "uploadedBundlePath"
_MANIFEST = "smrtlink_manifest"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:jexevents:uploads")


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it came: by which field of the form, under which name, from whom.

    ``system`` is the one system that the credential is good for, None for all.
    """

    file: Incoming
    field: str
    filename: str
    credential: str
    received_at: datetime
    system: str | None = None
    idempotency_key: str | None = None


@dataclass(slots=True)
class _Attempt:
    """One try to store an upload, which its transaction may make several times."""

    row: dict[str, Any]
    event: Event
    is_placed: bool = False
    before: Row | None = None


class Uploads:
    """Takes bundles in, and finds them again; ``node`` is the name of this process."""

    def __init__(
        self,
        ledger: Ledger,
        store: UploadStore,
        folder: UploadFolder,
        types: EventTypes,
        *,
        limits: Limits,
        node: str,
        observer: IngestObserver = NOBODY,
        of_uploads: UploadObserver = NOBODY,
    ) -> None:
        self.store = store
        self.folder = folder
        self.node = node
        self._ledger = ledger
        self._types = types
        self._limits = limits
        self._observer = observer
        self._of_uploads = of_uploads

    def take(self, sent: Sent) -> tuple[Mapping[str, Any], bool]:
        """Take a bundle in; gives its system event, and whether it is new.

        The file is this method's from then on: it is kept, or it is gone. Raises Invalid for a
        bundle that is not as it should be, Forbidden for one of a system that the credential is
        not good for, Conflict where the Idempotency-Key was used for other content, StorageFull,
        FilesUnavailable, StoreUnavailable.
        """
        size = sent.file.size
        try:
            document, is_new = self._take(sent)
        except (Conflict, Forbidden, Invalid):
            self._of_uploads.uploaded("refused", size)
            raise
        self._of_uploads.uploaded("taken" if is_new else "again", size)
        return document, is_new

    def _take(self, sent: Sent) -> tuple[Mapping[str, Any], bool]:
        is_in_doubt = False
        try:
            attempt = self._attempt(sent)
            try:
                before = self._stored(attempt, sent)
            except StoreUnavailable:
                is_in_doubt = attempt.is_placed
                raise
            is_in_doubt = attempt.is_placed and before is None
        finally:
            if is_in_doubt:
                sent.file.close()
            else:
                sent.file.discard()
        if before is not None:
            return self._again(before, attempt), False
        self._observer.stored(SMRTLINK_DOOR, [attempt.event], [Outcome.ACCEPTED])
        log.info("upload_taken", id=attempt.row["id"], system=attempt.row["system"],
                 size=attempt.row["size"], path=attempt.row["path"])  # fmt: skip
        return attempt.event.data, True

    def manifest_of(self, sent: Sent) -> dict[str, Any]:
        """Look into a bundle; gives its manifest. Raises Invalid, Forbidden."""
        forms, name = FIELDS[sent.field]
        form = form_of(sent.filename, forms)
        archive = read(sent.file.file, form, name, self._limits)
        manifest = _manifest(archive.manifest, name)
        faults = _listed_faults(manifest) or SCHEMAS.check(_MANIFEST, manifest)
        if not faults and sent.field == ANY_FILE and "files" not in manifest:
            faults = [Fault("/files", "array; it is required", "nothing")]
        if not faults:
            version = int(manifest["bundleTypeVersion"])
            found = self._types.check(manifest["bundleTypeId"], version, manifest, at="")
            faults = [_of_manifest(fault) for fault in found]
        if not faults and (manifest["bundleTypeId"], int(manifest["bundleTypeVersion"])) == CHANGE:
            # Its event would be one of a job.
            faults = [Fault("/bundleTypeId", "a type of bundles", "one of events")]
        if faults:
            raise Invalid(f"The {name} is not as it should be: {faults[0]}.", faults)
        if sent.field == ANY_FILE:
            check_listed(manifest["files"], archive, name)
        system = manifest["smrtLinkSystemId"].lower()
        if sent.system is not None and system != sent.system:
            raise Forbidden(f"This credential is good for the system {sent.system} alone.")
        return manifest

    def _attempt(self, sent: Sent) -> _Attempt:
        manifest = self.manifest_of(sent)
        upload_id = _new_id(sent)
        path = kept_path(upload_id, sent.filename, sent.received_at)
        row = {
            "id": upload_id,
            "system": manifest["smrtLinkSystemId"].lower(),
            "node": self.node,
            "path": path,
            "filename": safe_name(sent.filename),
            "field": sent.field,
            "size": sent.file.size,
            "sha256": sent.file.sha256,
            "bundle_type": manifest["bundleTypeId"],
            "bundle_version": int(manifest["bundleTypeVersion"]),
            "manifest": manifest,
            "credential": sent.credential,
            "received_at": sent.received_at,
        }
        return _Attempt(row, _event(row))

    def _stored(self, attempt: _Attempt, sent: Sent) -> Row | None:
        """Store the upload; gives the row of the same one, if there was one before."""

        def also(connection: Connection, applied: Sequence[Applied]) -> None:
            attempt.before = None
            if applied[0].outcome is not Outcome.ACCEPTED:
                attempt.before = self.store.get_in(connection, attempt.row["id"])
                return
            self.store.insert(connection, attempt.row)
            sent.file.keep(attempt.row["path"])
            attempt.is_placed = True

        (applied,) = self._ledger.apply([attempt.event], also=also)
        if applied.outcome is not Outcome.ACCEPTED and attempt.before is None:
            # An event has this uuid that is none of an upload.
            raise applied.refusal or _other_content()
        return attempt.before

    def _again(self, before: Row, attempt: _Attempt) -> Mapping[str, Any]:
        """Give the event of the same upload as the first time."""
        same = ("sha256", "field", "filename")
        if any(_plain(before[name]) != _plain(attempt.row[name]) for name in same):
            raise _other_content()
        event = _event(before)
        self._observer.stored(SMRTLINK_DOOR, [event], [Outcome.DUPLICATE])
        return event.data


def _event(row: Row) -> Event:
    """Make the system event that tells of an upload."""
    manifest = row["manifest"]
    document = {
        "smrtLinkId": row["system"],
        "uuid": row["id"],
        "createdAt": format_utc(row["received_at"]),
        "eventTypeId": row["bundle_type"],
        "eventTypeVersion": row["bundle_version"],
        "dnsName": manifest.get("dnsName"),
        "message": {**manifest, PATH_MEMBER: row["path"]},
    }
    document = {name: value for name, value in document.items() if value is not None}
    raw = json.dumps(document, ensure_ascii=False).encode()
    return system_event(document, received_at=row["received_at"], raw=raw)


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _of_manifest(fault: Fault) -> Fault:
    """Give a fault of an event by the name that a manifest has for the same."""
    is_type = fault.pointer == "/eventTypeId"
    return replace(fault, pointer="/bundleTypeId") if is_type else fault


def _listed_faults(manifest: Mapping[str, Any]) -> list[Fault]:
    """Say what in a list of files is no text: of a whole MiB of it, so much that it would take long
    to say all.
    """
    listed = manifest.get("files")
    if not isinstance(listed, list):
        return []
    wrong = (number for number, name in enumerate(listed) if not isinstance(name, str))
    return [
        Fault(f"/files/{number}", "string", shown(listed[number]))
        for number in islice(wrong, MAX_NAMED)
    ]


def _manifest(content: bytes, name: str) -> dict[str, Any]:
    try:
        manifest = strictjson.loads(content)
    except Unacceptable as error:
        raise Invalid(f"The {name} is no JSON: {error.message}", error.faults) from error
    if not isinstance(manifest, dict):
        fault = Fault("", "a JSON object", kind(manifest))
        raise Invalid(f"The {name} is no JSON object.", [fault])
    return manifest


def _new_id(sent: Sent) -> str:
    """Give a new id; with an Idempotency-Key always the same one for the same sender."""
    if sent.idempotency_key is None:
        return str(uuid.uuid4())
    return str(uuid.uuid5(_NAMESPACE, json.dumps([sent.credential, sent.idempotency_key])))


def _other_content() -> Conflict:
    return Conflict(
        "This Idempotency-Key was used with other content.",
        [Fault("Idempotency-Key", "the file sent first with this key", "another one")],
        remedy="Send a new key with a new file.",
    )
