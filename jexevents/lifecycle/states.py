"""The states of jobs, in the words of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jexevents.lifecycle import command, condor, pipeline, smrtlink
from jexevents.model import Kind

STATES: Mapping[Kind, Sequence[str]] = {
    Kind.CONDOR: tuple(condor.PHASES),
    Kind.PIPELINE: pipeline.STATES,
    Kind.SMRTLINK: smrtlink.STATES,
    Kind.COMMAND: command.STATES,
    Kind.CONTAINER: command.STATES,
}


def states_of(kind: Kind | None) -> tuple[str, ...]:
    """Give the states that jobs of a kind may have; of all kinds, each once, without one."""
    kinds = STATES if kind is None else (kind,)
    return tuple(dict.fromkeys(state for each in kinds for state in STATES[each]))
