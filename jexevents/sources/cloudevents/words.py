"""The words of CloudEvents 1.0: attributes, prefixes, media types, and what names an event."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

SCHEMA, FORMAT = "cloudevent", "cloudevents"
DOOR = "http:cloudevents"
SPECVERSION = "1.0"

REQUIRED = ("specversion", "id", "source", "type")
DATA, DATA_BASE64 = "data", "data_base64"
CONTENT_TYPE = "datacontenttype"

# HTTP has the first one alone. The other two are those of the binding for AMQP 1.0; over AMQP 0-9-1
# the first one is what Knative and the SDKs send.
HTTP_PREFIX = "ce-"
PREFIXES = (HTTP_PREFIX, "cloudevents_", "cloudevents:")

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
FAMILY = "application/cloudevents"


def has_shape(document: Mapping[str, object]) -> bool:
    """Tell whether a JSON object looks like an event: of what has a fault, it shall be told."""
    return "specversion" in document and len(document.keys() & set(REQUIRED)) > 1


def identity(source: str, own_id: str) -> bytes:
    """Give the identity (32 bytes) of the event with this source and id."""
    return hashlib.sha256(json.dumps([FORMAT, source, own_id]).encode()).digest()
