"""Carries out what somebody has ordered of an execution that runs here."""

from __future__ import annotations

from typing import Any

from jexevents.errors import ExecutionEnded, RequestRefused, StorageFull, SupervisorAway
from jexevents.executions.orders import ENDED, NO_ROOM, REFUSED, Order
from jexevents.lifecycle.command import SIGNALS
from jexevents.runner.folder import RunFolder


def carry_out(order: Order, folder: RunFolder | None) -> dict[str, Any]:
    """Send a signal or an event; gives the answer, empty where nobody was there to take it.

    The same order again changes nothing: the supervisor knows it by its id.
    """
    if folder is None:
        return {"fault": ENDED, "error": "The execution has ended."}
    send = folder.signal if order.event in SIGNALS else folder.event
    try:
        return {"event": send(order.event, order.cause, order.id) or {}}
    except SupervisorAway:
        return {}
    except ExecutionEnded as error:
        return {"fault": ENDED, "error": str(error)}
    except StorageFull as error:
        return {"fault": NO_ROOM, "error": str(error)}
    except RequestRefused as error:
        return {"fault": REFUSED, "error": str(error)}
