"""An execution asked for once more, with the values that it was asked for with."""

from __future__ import annotations

from jexevents.errors import Conflict
from jexevents.executions.requests import BY_REPEAT, Asked
from jexevents.store.executions import Executions, Row


def repetition(
    executions: Executions, row: Row, by: str, key: str | None, *, newest: bool = False
) -> Asked:
    """Give what asks for an execution again, on its commit or on the ``newest``.

    ``row`` is as ``Executions.find`` gives it. Raises Conflict where what it was asked for with is
    not known any more, StoreUnavailable.
    """
    data = executions.asked_with(row["job_id"])
    if data is None:
        raise Conflict("What the execution was asked for with was pruned.")
    return Asked(
        row["definition"],
        data.get("values", {}),
        by,
        key,
        trigger=BY_REPEAT,
        commit=None if newest else row["commit"],
        repeats=row["execution"],
    )
