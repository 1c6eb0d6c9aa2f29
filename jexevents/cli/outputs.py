"""``jexevents output`` and ``jexevents signal``: of what runs here, over HTTP."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jexevents.cli.naming import Target, target_named
from jexevents.cli.offering import add_id
from jexevents.cli.painting import print_facts, print_json
from jexevents.cli.server import add_server, asking, complain
from jexevents.client.bodies import json_body
from jexevents.client.following import END, Follower, query_of
from jexevents.exits import Exit
from jexevents.model import Phase

if TYPE_CHECKING:
    from jexevents.client.poster import Poster

PATIENCE_SECONDS = 300.0
SIGNALS = ("stop", "continue", "terminate", "kill")
_SHORT = {"STOP": "stop", "CONT": "continue", "TERM": "terminate", "KILL": "kill"}
Row = Mapping[str, Any]


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the commands; give the parsers that take --config."""
    return [_add_output(commands), _add_signal(commands)]


def _add_output(commands: Any) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        "output",
        help="print what an execution wrote",
        description="Prints what an execution, or a run of a task, wrote: its standard output to "
        "the standard output, its standard error to the standard error.",
    )
    add_id(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on as long as it runs")
    which = parser.add_mutually_exclusive_group()
    for stream in ("stdout", "stderr"):
        which.add_argument(
            f"--{stream}", dest="stream", action="store_const", const=stream, default="output",
            help=f"its {stream} alone",
        )  # fmt: skip
    parser.add_argument("--attempt", type=int, metavar="N", help="of this attempt, from 1")
    parser.add_argument("-n", "--tail", type=int, metavar="N", help="the last so many lines alone")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each piece")
    add_server(parser)
    parser.set_defaults(run=_output)
    return parser


def _add_signal(commands: Any) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        "signal",
        help="send a signal to an execution",
        description="Stops, continues, terminates or kills an execution, or a run of a task.",
    )
    add_id(parser, Phase.RUNNING, Phase.QUEUED)
    parser.add_argument(
        "signal", type=_signal_word, metavar="SIGNAL",
        help=f"{', '.join(SIGNALS[:-1])} or {SIGNALS[-1]}; STOP, CONT, TERM, KILL are the same",
    )  # fmt: skip
    parser.add_argument("--cause", help="why, in words")
    parser.add_argument("--json", action="store_true", help="print what became of it as JSON")
    add_server(parser)
    parser.set_defaults(run=_signal)
    return parser


def _signal_word(text: str) -> str:
    word = _SHORT.get(text.upper().removeprefix("SIG"), text.lower())
    if word not in SIGNALS:
        raise argparse.ArgumentTypeError(f"expected {' or '.join(SIGNALS)}, got {text!r}")
    return word


# --- output


def _output(options: argparse.Namespace, _config: None) -> Exit | int:
    return asking(options, lambda poster: _print(poster, options))


def _print(poster: Poster, options: argparse.Namespace) -> Exit:
    target = target_named(poster, options.id)
    parameters = {"attempt": options.attempt, "tail": options.tail}
    path = f"{target.path}/{options.stream}"
    if options.follow:
        pieces = followed(poster, path, parameters)
    else:
        pieces = written(poster, path, parameters)
    for piece in pieces:
        show(piece, as_json=options.json)
    return Exit.OK


def written(poster: Poster, path: str, parameters: Mapping[str, Any]) -> Iterator[Row]:
    """Give the pieces of an output that are there."""
    query = query_of({**parameters, "times": 1})
    with poster.pieces(f"{path}{query}") as pieces:
        yield from (json.loads(line) for line in lines(pieces))


@dataclass(slots=True)
class Place:
    """How far an output was followed: the id of the event that came last."""

    last_id: str = ""


def followed(
    poster: Poster, path: str, parameters: Mapping[str, Any], place: Place | None = None
) -> Iterator[Row]:
    """Give the pieces of an output as they come, from ``place`` on, to the end of the attempt."""
    place = place or Place()
    follower = Follower(poster, PATIENCE_SECONDS, complain)
    for event in follower.events(f"{path}{query_of(parameters)}", place.last_id):
        place.last_id = event.id
        if event.name != END:
            yield json.loads(event.data)


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give the lines of what comes in pieces."""
    held = b""
    for piece in pieces:
        *done, held = (held + piece).split(b"\n")
        yield from done
    if held:
        yield held


def show(piece: Row, *, as_json: bool) -> None:
    """Print one piece: to the stream that the job wrote it to, byte by byte."""
    if as_json:
        print_json(piece)
    elif "missing" in piece:
        complain(f"{piece['missing']} bytes of {piece['stream']} are missing: {piece['why']}")
    else:
        stream = sys.stderr if piece["stream"] == "stderr" else sys.stdout
        stream.buffer.write(_bytes(piece))
        stream.buffer.flush()


def _bytes(piece: Row) -> bytes:
    if "text" in piece:
        return piece["text"].encode("utf-8", "surrogatepass")
    return base64.b64decode(piece["base64"])


# --- signals


def _signal(options: argparse.Namespace, _config: None) -> Exit | int:
    return asking(options, lambda poster: _send(poster, options))


def _send(poster: Poster, options: argparse.Namespace) -> Exit:
    target = target_named(poster, options.id)
    answer = sent(poster, target, options.signal, options.cause)
    if options.json:
        print_json(answer)
        return Exit.OK
    state = answer.get("state") or answer.get("status")
    print_facts([("id", target.name), ("sent", options.signal), ("state", state)])
    return Exit.OK


def sent(poster: Poster, target: Target, signal: str, cause: str | None) -> dict[str, Any]:
    """Send a signal; give what it was sent to, as it is then. Raises Refused, ServerAway."""
    told = {"event": signal} | ({} if cause is None else {"cause": cause})
    if target.is_detail:
        return poster.post(target.path, *json_body({"operation": "SIGNAL", **told}))
    return poster.put(target.path, *json_body(told))
