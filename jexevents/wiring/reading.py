"""What comes in, and who reads it: by the door, by the type, by the identity that it has."""

from __future__ import annotations

from pathlib import Path

from jexevents.config import Config
from jexevents.model import Arrival, Event, Kind
from jexevents.schemafiles import with_folder
from jexevents.sources.cloudevents import message as cloudevents
from jexevents.sources.cloudevents.words import DOOR as CLOUD_EVENTS_DOOR
from jexevents.sources.condor.message import is_identity
from jexevents.sources.condor.message import log_reader as condor_log_reader
from jexevents.sources.condor.message import reader as condor_reader
from jexevents.sources.doors import IMPORT_DOOR, Doors, sorting
from jexevents.sources.pipelinejobs import message as pipelinejobs
from jexevents.sources.pipelinejobs.words import PIPELINE_DOOR
from jexevents.sources.smrtlink import message as smrtlink
from jexevents.sources.smrtlink import types
from jexevents.sources.smrtlink.types import EventTypes
from jexevents.sources.smrtlink.words import SMRTLINK_DOOR
from jexevents.validation import SCHEMAS, Schemas


def schemas(config: Config) -> Schemas:
    """Give the bundled schemas, and those of the configured folder. Raises ConfigError."""
    folder = config.smrt_link_schemas
    if not folder:
        return SCHEMAS
    return with_folder(SCHEMAS, Path(folder), types.FOLDER, types.is_name)


def event_types(config: Config) -> EventTypes:
    """Give what is known of the types of SMRT Link's events. Raises ConfigError."""
    return EventTypes(schemas(config), refuses_unknown=config.smrt_link_unknown_types == "refuse")


def doors(config: Config) -> Doors:
    """Give the readers of what comes in, by the door that it comes in by."""
    read_smrtlink = smrtlink.reader(event_types(config))

    def read_cloud_event(arrival: Arrival) -> Event:
        return cloudevents.read(arrival, config.cloud_events_max_body_bytes)

    def is_of_pipelines(arrival: Arrival) -> bool:
        return pipelinejobs.is_one(arrival, config.pipeline_max_body_bytes)

    def is_of_smrtlink(arrival: Arrival) -> bool:
        return smrtlink.is_one(arrival, config.http_max_body_bytes)

    def is_cloud_event(arrival: Arrival) -> bool:
        return cloudevents.is_shaped(arrival, config.cloud_events_max_body_bytes)

    sort = sorting(
        declared=[(cloudevents.is_one, read_cloud_event)],
        shaped=[
            (is_of_pipelines, pipelinejobs.read),
            (is_of_smrtlink, read_smrtlink),
            (is_cloud_event, cloudevents.read_shaped),
        ],
    )
    return Doors(
        {
            "amqp": (sort, *condor_reader(config.log_zone)),
            IMPORT_DOOR: condor_log_reader(config.log_zone),
            PIPELINE_DOOR: pipelinejobs.read,
            SMRTLINK_DOOR: read_smrtlink,
            CLOUD_EVENTS_DOOR: cloudevents.read_http,
        }
    )


def recognise(kind: Kind | None, name: str, checksum: bytes, source: str, raw: bytes) -> bool:
    """Whether a checksum is the identity that an event's format gives it.

    Events of executions are told apart by who tells them: by the supervisor's number, the node's
    claim, a key or a random number. Of these not all stand in the text.
    """
    if kind in (Kind.COMMAND, Kind.CONTAINER):
        return True
    if kind is Kind.PIPELINE:
        return pipelinejobs.is_identity(name, checksum, raw)
    if kind is Kind.SMRTLINK:
        return smrtlink.is_identity(checksum, raw)
    if kind is None and cloudevents.is_identity(checksum, source, raw):
        return True
    # Of condor jobs, or of no job.
    if is_identity(checksum, source, raw):
        return True
    return kind is None and smrtlink.is_identity(checksum, raw)
