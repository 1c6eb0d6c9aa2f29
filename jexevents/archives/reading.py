"""An uploaded file looked into: by its form, within its bounds."""

from __future__ import annotations

from enum import Enum
from typing import BinaryIO

from jexevents.archives import tars, zips
from jexevents.archives.gunzip import Gunzip
from jexevents.archives.listing import Archive, Limits, Listing, normal, refused
from jexevents.errors import Invalid
from jexevents.faults import fit
from jexevents.model import Fault

MAX_NAMED = 20


class Form(str, Enum):
    """How an archive is packed, by the ending of its file's name."""

    TAR_GZ = "tar.gz"
    ZIP = "zip"


_ENDINGS = {".tgz": Form.TAR_GZ, ".tar.gz": Form.TAR_GZ, ".zip": Form.ZIP}


def form_of(filename: str, forms: tuple[Form, ...]) -> Form:
    """Tell a file's form by its name. Raises Invalid where it is none of ``forms``."""
    for ending, form in _ENDINGS.items():
        if form in forms and filename.lower().endswith(ending):
            return form
    known = " or ".join(ending for ending, form in _ENDINGS.items() if form in forms)
    got = fit(filename) or "none"
    raise Invalid(
        f"The name of the file does not end in {known}.",
        [Fault("filename", f"a name that ends in {known}", got)],
    )


def read(file: BinaryIO, form: Form, manifest_name: str, limits: Limits) -> Archive:
    """Look into an archive; gives its manifest's bytes and the names of its files.

    ``file`` is at its begin, and can be sought in. Nothing is unpacked but the manifest. Raises
    Invalid where the archive is damaged, past its bounds, or holds what it must not.
    """
    listing = Listing(manifest_name, limits)
    if form is Form.ZIP:
        zips.walk(file, listing)
    else:
        tars.walk(Gunzip(file, limits), listing)
    return listing.finished()


def check_listed(listed: list[str], archive: Archive, manifest_name: str) -> None:
    """Hold the files of an archive to those that its manifest lists. Raises Invalid.

    The manifest may list itself.
    """
    names: set[str] = set()
    for name in listed:
        path = normal(name)
        if not path or path in names:
            raise refused(manifest_name, "each file listed once, by its path", fit(name))
        names.add(path)
    faults = [Fault(fit(name, 200), "a file that is listed", "none of that name in the archive")
              for name in sorted(names - archive.files)]  # fmt: skip
    faults += [
        Fault(fit(name, 200), f"a file that {manifest_name} lists", "one that it does not list")
        for name in sorted(archive.files - names - {manifest_name})
    ]
    if faults:
        raise Invalid(
            f"The archive does not hold what its {manifest_name} lists: {faults[0]}.",
            faults[:MAX_NAMED],
        )
