"""Schemas of a site's own: the files of a folder, each looked at before one of them is used."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from jexevents.errors import ConfigError
from jexevents.faults import fit, pointer, shown
from jexevents.validation import Schemas, decider, expected, explain

_ENDING = ".json"
_LONGEST = 300
_REMEDY = "docs/smrtlink.md says what names are taken, and what a schema may hold."
# How the schema of schemas says what the words of our own documents do not.
_WORDINGS = {
    "anyOf": 'a type such as "object", or a list of types',
    "format": "a regular expression",
}


class _Unfit(Exception):
    """A file holds no schema that can be used; the text says why, in one line."""


def with_folder(
    schemas: Schemas, folder: Path, under: str, is_name: Callable[[str], bool]
) -> Schemas:
    """Give schemas and those in a folder's ``*.json``, as ``under/NAME``; those win.

    ``is_name`` tells whether a file's name, without its ending, is one that is asked for. Files
    whose names begin with a dot are what editors leave. Raises ConfigError, which names every
    file that cannot be used, for a folder that cannot be read as well.
    """
    return schemas.extended(_read(folder, is_name), under)


def _read(folder: Path, is_name: Callable[[str], bool]) -> dict[str, str]:
    texts: dict[str, str] = {}
    wrongs: list[str] = []
    for path in _files(folder):
        try:
            if not is_name(path.stem):
                raise _Unfit("expected a name with a version, such as TYPE.1.json, got one without")
            texts[path.stem] = _schema(path)
        except _Unfit as unfit:
            wrongs.append(f"{fit(path.name)}: {unfit}.")
    if wrongs:
        count = "1 fault" if len(wrongs) == 1 else f"{len(wrongs)} faults"
        lines = "".join(f"\n  {wrong}" for wrong in wrongs)
        raise ConfigError(f"The schemas in {folder}, {count}:{lines}", remedy=_REMEDY)
    return texts


def _files(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except NotADirectoryError as error:
        raise ConfigError(f"{folder} is no folder.", remedy="Correct SMRTLinkSchemas.") from error
    except OSError as error:
        raise ConfigError(
            f"The schemas in {folder} cannot be read: {error.strerror}.",
            remedy="Make the folder, or correct SMRTLinkSchemas.",
        ) from error
    return [path for path in found if path.name.endswith(_ENDING) and not path.name.startswith(".")]


def _schema(path: Path) -> str:
    """Give the text of a file that holds a schema that both libraries can use. Raises _Unfit."""
    try:
        text = path.read_text("utf-8")
        schema = json.loads(text)
    except OSError as error:
        raise _Unfit(f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _Unfit(f"expected UTF-8, got another byte at offset {error.start}") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _Unfit(f"expected JSON, got a fault at {where}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise _Unfit("expected JSON, got numbers too long or nesting too deep") from error
    if not isinstance(schema, dict):
        raise _Unfit(f"expected a JSON object, got {shown(schema)}")
    _check(schema)
    return text


def _check(schema: dict) -> None:
    # Only here: it takes long to load, and most sites have no schemas of their own.
    import jsonschema

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        # One that is elsewhere would be fetched over the network.
        for foreign in _references(schema):
            raise _Unfit(f"expected $ref to begin with #, got {shown(foreign)}")
        decider(schema)
        explain(schema, {})
    except jsonschema.SchemaError as error:
        at = pointer(error.absolute_path) or "the schema"
        wanted = _WORDINGS.get(error.validator) or expected(error)
        raise _Unfit(f"{at}: expected {wanted}, got {shown(error.instance)}") from error
    except _Unfit:
        raise
    except Exception as error:
        # Whatever either library says of a schema that it cannot work with.
        said = textwrap.shorten(str(error), _LONGEST, placeholder=" ...")
        raise _Unfit(f"it cannot be used: {fit(said, _LONGEST)}") from error


def _references(value: object) -> Iterator[str]:
    """Give what a schema refers to outside of itself."""
    if isinstance(value, dict):
        for name in ("$ref", "$dynamicRef"):
            found = value.get(name)
            if isinstance(found, str) and not found.startswith("#"):
                yield found
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for one in inner:
            yield from _references(one)
