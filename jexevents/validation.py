"""The bundled JSON Schemas as validators: one decides, the other explains.

fastjsonschema decides, since it is fast enough for every message; jsonschema (draft 2020-12)
runs only over what was refused and says everything that is wrong with it. fastjsonschema knows
draft 7 at most, so the bundled schemas keep to the keywords that mean the same in both drafts,
and to what both libraries do alike; tests hold the schemas to that list and the two verdicts
equal. Where they should differ all the same, the one that decides stands.

To JSON Schema a real without a fraction (``1.0``) is an integer: callers ``int()`` it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module, resources
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import fastjsonschema

from jexevents import rfc3339
from jexevents.errors import JexError, Unacceptable
from jexevents.faults import fit, kind, pointer, shown
from jexevents.model import Fault

if TYPE_CHECKING:
    import jsonschema

MAX_FAULTS = 50

_PACKAGE = "jexevents.schemas"
_ENDINGS = (".json", ".jsonschema")
_FOLDERS = ("smrtlink",)
_MAX_CONDOR_NUMBER = 2**31 - 1
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
# A scheme, or a first segment without a colon; then what RFC 3986 allows, with one # at most.
_URI_CHARACTERS = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*"
_URI_REFERENCE = re.compile(
    rf"(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?#]*:)){_URI_CHARACTERS}(?:#{_URI_CHARACTERS})?"
)
_CONDOR_ID = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,10}))?")


class UnknownSchema(JexError):
    """There is no bundled schema of that name."""


def is_date_time(text: str) -> bool:
    """Tell whether ``text`` is an RFC 3339 time stamp (see rfc3339)."""
    try:
        rfc3339.parse(text)
    except Unacceptable:
        return False
    return True


def is_uuid(text: str) -> bool:
    """Tell whether ``text`` is a UUID in the hyphenated form (RFC 9562), in either case."""
    return _UUID.fullmatch(text) is not None


def is_uri_reference(text: str) -> bool:
    """Tell whether ``text`` is a URI or a relative reference by its characters (RFC 3986)."""
    return _URI_REFERENCE.fullmatch(text) is not None


def is_condor_id(text: str) -> bool:
    """Tell whether ``text`` is an HTCondor cluster or cluster.proc, each 0 to 2147483647."""
    match = _CONDOR_ID.fullmatch(text)
    return match is not None and all(
        int(number) <= _MAX_CONDOR_NUMBER for number in match.groups("0")
    )


FORMATS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "date-time": (is_date_time, rfc3339.EXPECTED),
    "uuid": (is_uuid, "a UUID such as ebbff967-b467-48a3-b3bf-d73f7cde8ed1"),
    "uri-reference": (
        is_uri_reference,
        "a URI reference such as /jobs or https://example.org/jobs",
    ),
    "condor-id": (is_condor_id, "an HTCondor id: CLUSTER or CLUSTER.PROC, each 0 to 2147483647"),
}


class Schemas:
    """The bundled schemas by name; compiled at first use, safe to share between threads.

    A schema's name is the last word of its ``$id``. That is also the name of its file, save where
    a seed has another name for that; ``files`` gives the name by that of the file. Both have the
    folder's name and a slash in front where a file stands in one.
    """

    def __init__(
        self,
        texts: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        added: Sequence[str] = (),
    ) -> None:
        """Take texts by name, and names by that of their files; without them the bundled ones.

        ``added`` are the names of those that are a site's own, without their folder.
        """
        if texts is None:
            bundled = _bundled()
            files = {file: _name(file, text) for file, text in bundled.items()}
            texts = {name: bundled[file] for file, name in files.items()}
        self.files = dict(files or {f"{name}.json": name for name in texts})
        self.added = tuple(added)
        self._texts = dict(texts)
        self._deciders: dict[str, Callable[[object], object]] = {}
        self._lock = Lock()

    def extended(self, texts: Mapping[str, str], under: str) -> Schemas:
        """Give these and others, as ``under/NAME``; those win over ours."""
        ours = {f"{under}/{name}": text for name, text in texts.items()}
        files = self.files | {f"{name}.json": name for name in ours}
        return Schemas(self._texts | ours, files, sorted(texts))

    def names(self) -> tuple[str, ...]:
        """Give the names, sorted."""
        return tuple(sorted(self._texts))

    def text(self, name: str) -> str:
        """Give a schema's JSON text. Raises UnknownSchema."""
        try:
            return self._texts[name]
        except KeyError as exc:
            known = ", ".join(self.names())
            raise UnknownSchema(
                f"There is no schema {shown(name)}.", remedy=f"Known are: {known}."
            ) from exc

    def document(self, name: str) -> dict:
        """Give a schema as a new Python value. Raises UnknownSchema."""
        return json.loads(self.text(name))

    def accepts(self, name: str, document: object) -> bool:
        """Tell whether the document is as the schema wants it. Raises UnknownSchema."""
        return self._refusal(name, document) is None

    def check(self, name: str, document: object, most: int | None = MAX_FAULTS) -> list[Fault]:
        """Say all that is wrong with a document, in the order of the pointers; [] if nothing.

        At most ``most``, None for all. ``document`` is what strictjson reads. Raises UnknownSchema.
        """
        refusal = self._refusal(name, document)
        if refusal is None:
            return []
        return explain(self.document(name), document, most) or [refusal]

    def _refusal(self, name: str, document: object) -> Fault | None:
        decide = self._deciders.get(name) or self._compile(name)
        try:
            decide(document)
        except fastjsonschema.JsonSchemaValueException as exc:
            return Fault("", fit(exc.message, 200), kind(document))
        return None

    def _compile(self, name: str) -> Callable[[object], object]:
        with self._lock:
            if name not in self._deciders:
                self._deciders[name] = decider(self.document(name))
            return self._deciders[name]


def explain(
    schema: Mapping[str, object], document: object, most: int | None = MAX_FAULTS
) -> list[Fault]:
    """Say what jsonschema finds wrong, sorted by pointer; at most ``most``, None for all."""
    found = _explainer()(schema, format_checker=_format_checker()).iter_errors(document)
    faults = {fault: None for error in found for fault in _faults_of(error)}
    return sorted(faults, key=lambda fault: (fault.pointer, fault.expected))[:most]


def decider(schema: Mapping[str, object]) -> Callable[[object], object]:
    """Give what decides by a schema, and raises fastjsonschema's errors."""
    return fastjsonschema.compile(
        schema,
        formats={name: check for name, (check, _) in FORMATS.items()},
        use_default=False,
        detailed_exceptions=False,
    )


@cache
def _explainer() -> type:
    # Only here, and below: it takes long to load, and is needed for what is refused alone.
    import jsonschema

    return jsonschema.validators.extend(
        jsonschema.Draft202012Validator, {"pattern": _check_pattern}
    )


@cache
def _format_checker() -> jsonschema.FormatChecker:
    import jsonschema

    checker = jsonschema.FormatChecker(formats=())
    for name, (check, _) in FORMATS.items():
        checker.checks(name)(_of_text(check))
    return checker


def _of_text(check: Callable[[str], bool]) -> Callable[[object], bool]:
    """A format says something about strings only; other types are for ``type`` to refuse."""
    return lambda value: not isinstance(value, str) or check(value)


def _check_pattern(_validator: object, pattern: str, value: object, _schema: object):
    # ECMA-262's $ is the end; Python's also stands before a last line feed.
    if isinstance(value, str) and not re.search(pattern.replace("$", r"\Z"), value):
        from jsonschema import ValidationError

        yield ValidationError("The pattern does not match.")


def _faults_of(error: jsonschema.ValidationError) -> list[Fault]:
    path = list(error.absolute_path)
    rule = error.validator
    if rule == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return [_missing(path, name, error) for name in missing]
    if rule == "additionalProperties" and error.validator_value is False:
        allowed = error.schema.get("properties", {})
        extra = [name for name in error.instance if name not in allowed]
        return [Fault(pointer([*path, name]), "no such member", "one") for name in extra]
    return [Fault(pointer(path), expected(error), _got(error, path))]


def _missing(path: list[str | int], name: str, error: jsonschema.ValidationError) -> Fault:
    properties = error.schema.get("properties", {})
    expected = f"{_types(properties.get(name, {}).get('type', 'any value'))}; it is required"
    return Fault(pointer([*path, name]), expected, absent(error.instance, name))


def absent(members: Iterable[str], name: str) -> str:
    """Say what there is of a member that is missing: nothing, or one that is spelled alike."""
    alike = [other for other in members if other.lower() == name.lower()]
    return f"nothing (but there is {shown(alike[0])})" if alike else "nothing"


def expected(error: jsonschema.ValidationError) -> str:
    """Say in a few words what a document should have had instead."""
    rule, value = error.validator, error.validator_value
    if rule == "type":
        return _types(value)
    if rule == "enum":
        return "one of " + ", ".join(json.dumps(choice) for choice in value)
    if rule == "format":
        return FORMATS[value][1]
    if rule == "pattern":
        return _PATTERNS.get(value) or f"text that matches {value}{_about(error.schema)}"
    wording = _WORDINGS.get(rule)
    return wording.format(value) if wording else f"{rule} {fit(str(value))}"


_WORDINGS = {
    "minimum": "a number of {} or more",
    "maximum": "a number of {} or less",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "uniqueItems": "no entry twice",
}

# What the patterns of the bundled schemas say; a site's own are shown as they are.
_PATTERNS = {
    r"^[^\u0000-\u001f\u007f-\u009f]*$": "text without control characters",
    r"^[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]*$": "text without control characters",
    r"^[^\s/\x00-\x1f\x7f]([^/\x00-\x1f\x7f]*[^\s/\x00-\x1f\x7f])?$": (
        "a name without slashes and control characters, and without blanks around it"
    ),
    "^[A-Za-z0-9][A-Za-z0-9._-]*$": "letters, digits, ., _ and -, a letter or digit first",
    "^[A-Za-z_][A-Za-z0-9_-]*$": "letters, digits, _ and -, a letter or _ first",
    "^[A-Za-z_][A-Za-z0-9_]*$": "letters, digits and _, a letter or _ first",
    "^[A-Za-z0-9_][A-Za-z0-9_.-]*$": "letters, digits, _, . and -, none of . and - first",
    "^[0-9]{1,9}$": "a whole number of at most 9 digits",
    "^[A-Za-z0-9_.-]+$": "letters, digits, _, . and -",
    r"^[0-9]{1,10}(\.[0-9]{1,10})?$": FORMATS["condor-id"][1],
    "^-?[0-9]{1,15}$": "a whole number of at most 15 digits, as a text",
}


def _about(schema: Mapping[str, object]) -> str:
    described = schema.get("description")
    return f" ({fit(described)})" if isinstance(described, str) and described else ""


def _types(value: str | list[str]) -> str:
    return value if isinstance(value, str) else " or ".join(value)


def _got(error: jsonschema.ValidationError, path: list[str | int]) -> str:
    if error.validator in ("minLength", "maxLength"):
        return f"{len(error.instance)} characters"
    if error.validator in ("minItems", "maxItems"):
        return f"{len(error.instance)} entries"
    return shown(error.instance, path)


def _bundled() -> dict[str, str]:
    """Give the texts by the names of their files; of those in a folder, with its name."""
    top = list(_folder().iterdir())
    found = {entry.name: entry for entry in top if entry.name.endswith(_ENDINGS)}
    for folder in (entry for entry in top if entry.name in _FOLDERS):
        inner = [entry for entry in folder.iterdir() if entry.name.endswith(_ENDINGS)]
        found |= {f"{folder.name}/{entry.name}": entry for entry in inner}
    return {file: entry.read_text(encoding="utf-8") for file, entry in found.items()}


def _name(file: str, text: str) -> str:
    found = json.loads(text).get("$id", "").rpartition(":")[2]
    return found or file.removesuffix(_ENDINGS[0])


def _folder() -> resources.abc.Traversable:
    """Find the schemas: the installed package, else the folder at the top of a checkout."""
    try:
        import_module(_PACKAGE)
    except ModuleNotFoundError:
        return Path(__file__).resolve().parent.parent / "schemas"
    return resources.files(_PACKAGE)


# The bundled ones, compiled once for all who check by them.
SCHEMAS = Schemas()
