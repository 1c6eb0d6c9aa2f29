"""The table of HTCondor's event numbers.

The number is what identifies a kind of event; names are for people. Source: the manual's
list of job event log codes and the constants of HTCondor's event library (25.x). Where that
library writes no type of its own (the Globus events, 029 to 032, 034, 039), it writes
``FutureEvent``, and so does this table.
"""

from __future__ import annotations

from dataclasses import dataclass

FUTURE = "FutureEvent"
FIRST_EXECUTE_POINT, BEHIND_EXECUTE_POINT = 100, 200


@dataclass(frozen=True, slots=True)
class EventType:
    """What a number means: its name (``SUBMIT``) and the ClassAd's ``MyType``."""

    number: int
    name: str
    my_type: str


_JOB_EVENTS = (
    ("SUBMIT", "SubmitEvent"),
    ("EXECUTE", "ExecuteEvent"),
    ("EXECUTABLE_ERROR", "ExecutableErrorEvent"),
    ("CHECKPOINTED", "CheckpointedEvent"),
    ("JOB_EVICTED", "JobEvictedEvent"),
    ("JOB_TERMINATED", "JobTerminatedEvent"),
    ("IMAGE_SIZE", "JobImageSizeEvent"),
    ("SHADOW_EXCEPTION", "ShadowExceptionEvent"),
    ("GENERIC", "GenericEvent"),
    ("JOB_ABORTED", "JobAbortedEvent"),
    ("JOB_SUSPENDED", "JobSuspendedEvent"),
    ("JOB_UNSUSPENDED", "JobUnsuspendedEvent"),
    ("JOB_HELD", "JobHeldEvent"),
    ("JOB_RELEASED", "JobReleaseEvent"),
    ("NODE_EXECUTE", "NodeExecuteEvent"),
    ("NODE_TERMINATED", "NodeTerminatedEvent"),
    ("POST_SCRIPT_TERMINATED", "PostScriptTerminatedEvent"),
    ("GLOBUS_SUBMIT", FUTURE),
    ("GLOBUS_SUBMIT_FAILED", FUTURE),
    ("GLOBUS_RESOURCE_UP", FUTURE),
    ("GLOBUS_RESOURCE_DOWN", FUTURE),
    ("REMOTE_ERROR", "RemoteErrorEvent"),
    ("JOB_DISCONNECTED", "JobDisconnectedEvent"),
    ("JOB_RECONNECTED", "JobReconnectedEvent"),
    ("JOB_RECONNECT_FAILED", "JobReconnectFailedEvent"),
    ("GRID_RESOURCE_UP", "GridResourceUpEvent"),
    ("GRID_RESOURCE_DOWN", "GridResourceDownEvent"),
    ("GRID_SUBMIT", "GridSubmitEvent"),
    ("JOB_AD_INFORMATION", "JobAdInformationEvent"),
    ("JOB_STATUS_UNKNOWN", FUTURE),
    ("JOB_STATUS_KNOWN", FUTURE),
    ("JOB_STAGE_IN", FUTURE),
    ("JOB_STAGE_OUT", FUTURE),
    ("ATTRIBUTE_UPDATE", "AttributeUpdateEvent"),
    ("PRESKIP", FUTURE),
    ("CLUSTER_SUBMIT", "ClusterSubmitEvent"),
    ("CLUSTER_REMOVE", "ClusterRemoveEvent"),
    ("FACTORY_PAUSED", "FactoryPausedEvent"),
    ("FACTORY_RESUMED", "FactoryResumedEvent"),
    ("NONE", FUTURE),
    ("FILE_TRANSFER", "FileTransferEvent"),
    ("RESERVE_SPACE", "ReserveSpaceEvent"),
    ("RELEASE_SPACE", "ReleaseSpaceEvent"),
    ("FILE_COMPLETE", "FileCompleteEvent"),
    ("FILE_USED", "FileUsedEvent"),
    ("FILE_REMOVED", "FileRemovedEvent"),
    ("DATAFLOW_JOB_SKIPPED", "DataflowJobSkippedEvent"),
    ("COMMON_FILES", "CommonFilesEvent"),
)

_EXECUTE_POINT_EVENTS = (
    ("EP_STARTUP", "EPStartupEvent"),
    ("EP_READY", "EPReadyEvent"),
    ("EP_RECONFIG", "EPReconfigEvent"),
    ("EP_SHUTDOWN", "EPShutdownEvent"),
    ("EP_REQUEST_CLAIM", "RequestClaimEvent"),
    ("EP_RELEASE_CLAIM", "ReleaseClaimEvent"),
    ("EP_ACTIVATE_CLAIM", "ActivateClaimEvent"),
    ("EP_DEACTIVATE_CLAIM", "DeactivateClaimEvent"),
    ("EP_VACATE_CLAIM", "VacateClaimEvent"),
    ("EP_DRAIN", "DrainEvent"),
    ("EP_RESOURCE_BREAK", "ResourceBreakEvent"),
    ("EP_RESOURCE_MEND", "ResourceMendEvent"),
    ("EP_FUTURE_EVENT", "EPFutureEvent"),
)


def _table() -> dict[int, EventType]:
    """Number the two lists."""
    rows = [*enumerate(_JOB_EVENTS), *enumerate(_EXECUTE_POINT_EVENTS, FIRST_EXECUTE_POINT)]
    return {number: EventType(number, *names) for number, names in rows}


EVENT_TYPES: dict[int, EventType] = _table()


def is_of_execute_point(number: int) -> bool:
    """Whether an event stands in an execute point's log, where slots stand for a job's ids."""
    return FIRST_EXECUTE_POINT <= number < BEHIND_EXECUTE_POINT


def event_type(number: int) -> EventType:
    """Give the type of event ``number`` (0 to 999); an unknown one is ``EVENT_NNN``.

    Unknown numbers are how newer versions of HTCondor announce themselves, so they are
    types like any other: their ``my_type`` is ``FutureEvent``.
    """
    known = EVENT_TYPES.get(number)
    return known or EventType(number, f"EVENT_{number:03d}", FUTURE)
