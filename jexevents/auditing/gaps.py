"""What a monitor could not read, as it says in an event of its own (jexevents.monitor)."""

from __future__ import annotations

import re

GAP = "jexevents log gap:"

_MEMBER = re.compile(r"(?<!\S)(\w{1,40})=(\S{1,4096})")
_MOST_MEMBERS = 20
_WORDS = 500


def gap_said(info: str) -> dict[str, str]:
    """Give the members (``name=value``) that such an Info has, and all of it as ``told``."""
    members = dict(_MEMBER.findall(info)[:_MOST_MEMBERS])
    return members | {"told": info[len(GAP) : len(GAP) + _WORDS].strip()}
