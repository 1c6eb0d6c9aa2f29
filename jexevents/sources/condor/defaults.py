"""What HTCondor's reader says of an event that leaves something out.

For the text form these are the lines that older versions did not write. For JSON and XML it
also takes an ending that is not mentioned for one by a signal and usage for none.
"""

from __future__ import annotations

from typing import Any

from jexevents.sources.condor.lines import ZERO_USAGE

_RUN_USAGE = {"RunRemoteUsage": ZERO_USAGE, "RunLocalUsage": ZERO_USAGE}
_TOTAL_USAGE = {"TotalRemoteUsage": ZERO_USAGE, "TotalLocalUsage": ZERO_USAGE}
_RUN_BYTES = {"SentBytes": 0.0, "ReceivedBytes": 0.0}
_ALL_BYTES = {**_RUN_BYTES, "TotalSentBytes": 0.0, "TotalReceivedBytes": 0.0}

TEXT_DEFAULTS: dict[int, dict[str, Any]] = {
    3: {"SentBytes": 0.0},
    4: {
        "Checkpointed": False,
        "TerminatedAndRequeued": False,
        "TerminatedNormally": False,
        **_RUN_BYTES,
    },
    5: _ALL_BYTES,
    6: {"ResidentSetSize": 0},
    7: {"Message": "", **_RUN_BYTES},
    10: {"NumberOfPIDs": -1},
    12: {"HoldReasonCode": 0, "HoldReasonSubCode": 0},
    14: {"Node": -1},
    15: {"ReturnValue": -1, "TerminatedBySignal": -1, **_ALL_BYTES},
    22: {"EventDescription": "Job disconnected, attempting to reconnect"},
    23: {"EventDescription": "Job reconnected"},
    24: {"EventDescription": "Job reconnect impossible: rescheduling job"},
    36: {"NextProcId": 0, "NextRow": 0, "Completion": 0},
    37: {"PauseCode": 0, "HoldCode": 0},
}

_CHECKSUM = {"Checksum": "", "ChecksumType": ""}
_REAL_LIMIT = 2**63
_ENDED = {"TerminatedNormally": False}

AD_DEFAULTS: dict[int, dict[str, Any]] = {
    **TEXT_DEFAULTS,
    3: {**TEXT_DEFAULTS[3], **_RUN_USAGE},
    4: {**TEXT_DEFAULTS[4], **_RUN_USAGE},
    5: {**TEXT_DEFAULTS[5], **_ENDED, **_RUN_USAGE, **_TOTAL_USAGE},
    15: {**TEXT_DEFAULTS[15], **_ENDED, **_RUN_USAGE, **_TOTAL_USAGE},
    16: _ENDED,
    41: {"ReservedSpace": 0, "ExpirationTime": 0, "UUID": "", "Tag": ""},
    42: {"UUID": ""},
    43: {"Size": 0, **_CHECKSUM, "UUID": ""},
    44: {**_CHECKSUM, "Tag": ""},
    45: {"Size": 0, **_CHECKSUM, "Tag": ""},
    47: {"Type": "None"},
}


def complete(number: int, ad: dict[str, Any]) -> None:
    """Fill into the ad of a JSON or XML event what it leaves out; counts of bytes are reals."""
    for name, value in AD_DEFAULTS.get(number, {}).items():
        came = ad.setdefault(name, value)
        if type(value) is float and type(came) is int and abs(came) < _REAL_LIMIT:
            ad[name] = float(came)
    if ad.get("CriticalError") is False:
        ad["CriticalError"] = 0
