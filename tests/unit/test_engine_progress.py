"""The progress of a pull: sums that are right, and small whatever comes."""

from __future__ import annotations

import json
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from jexevents.engine.progress import MAX_LAYERS, fold, nothing


def line(layer: object, status: object, current: object = None, total: object = None) -> dict:
    return {
        "id": layer,
        "status": status,
        "progressDetail": {"current": current, "total": total} if total is not None else {},
    }


# As dockerd 20.10 sends them for an image of two layers, one of which it has.
PULL = [
    {"status": "Pulling from jexevents/test", "id": "latest"},
    line("a1", "Already exists"),
    line("b2", "Pulling fs layer"),
    line("b2", "Downloading", 100, 1000),
    line("b2", "Downloading", 1000, 1000),
    line("b2", "Verifying Checksum"),
    line("b2", "Download complete"),
    line("b2", "Extracting", 300, 1000),
    line("b2", "Extracting", 1000, 1000),
    line("b2", "Pull complete"),
    {"status": "Digest: sha256:00"},
    {"status": "Status: Downloaded newer image for jexevents/test:latest"},
]


def test_a_pull_from_its_first_line_to_its_last() -> None:
    seen = [nothing()]
    for one in PULL:
        seen.append(fold(seen[-1], one))
    assert seen[1] == nothing()
    assert seen[4] == {
        "layers": {
            "a1": {"status": "Already exists", "current": 0, "total": 0},
            "b2": {"status": "Downloading", "current": 100, "total": 1000},
        },
        "current": 100,
        "total": 1000,
    }
    # Unpacking a layer does not begin its bytes anew.
    assert [one["current"] for one in seen[5:11]] == [1000] * 6
    assert seen[-1]["layers"]["b2"]["status"] == "Pull complete"
    assert seen[-1] == seen[10]


def test_a_layer_whose_size_the_registry_does_not_say() -> None:
    found = reduce(
        fold, [line("a", "Downloading", 5, -1), line("a", "Downloading", 9, 0)], nothing()
    )
    assert (found["current"], found["total"]) == (9, 9)


def test_an_earlier_progress_is_not_changed() -> None:
    first = fold(nothing(), line("a", "Downloading", 1, 2))
    kept = json.loads(json.dumps(first))
    fold(first, line("a", "Downloading", 2, 2))
    fold(first, line("b", "Downloading", 2, 2))
    assert first == kept


def test_thousands_of_layers_stay_small() -> None:
    flood = [line(f"{n:064d}" * 9, "x" * 9999, 1, 1) for n in range(3000)]
    found = reduce(fold, flood, nothing())
    assert len(found["layers"]) == MAX_LAYERS
    assert len(json.dumps(found)) < 300 * MAX_LAYERS


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
STATUSES = st.sampled_from([one["status"] for one in PULL]) | VALUES
LINES = st.builds(line, st.sampled_from(["a", "b", ""]) | VALUES, STATUSES, VALUES, VALUES)


@given(
    st.lists(LINES | st.dictionaries(st.sampled_from(["id", "status", "progressDetail"]), VALUES))
)
def test_any_lines_give_a_progress_that_adds_up(flood: list[dict]) -> None:
    found = reduce(fold, flood, nothing())
    layers = found["layers"].values()
    assert found["current"] == sum(one["current"] for one in layers)
    assert found["total"] == sum(one["total"] for one in layers)
    assert all(0 <= one["current"] <= one["total"] <= 2**53 for one in layers)
    json.dumps(found, allow_nan=False)
