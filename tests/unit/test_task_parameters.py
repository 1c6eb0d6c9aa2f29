"""The parameters of a run: each is read, or refused by its name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.definitions.definition import Retries
from jexevents.errors import Invalid
from jexevents.executions.run import ContainerRun, Mount, run_of_json
from jexevents.tasks.parameters import MAX_BYTES, Policy, read, with_image

POLICY = Policy(("/srv/data", "/scratch"), ("none", "lab"), 100)


def faults(parameters: dict[str, Any], times: int = 1, policy: Policy = POLICY) -> list[str]:
    with pytest.raises(Invalid) as refused:
        read(parameters, policy, times)
    return [fault.pointer for fault in refused.value.faults]


def test_nothing_is_the_images_own() -> None:
    run = read({}, POLICY)
    assert run == ContainerRun(image="", repository="", network="none")


def test_all_of_them() -> None:
    run = read(
        {
            "command": """sh -c 'echo "a b"'""", "entrypoint": ["/bin/env"],
            "environment": {"A": "x=y", "N": 3, "F": True}, "secrets": ["TOKEN", "TOKEN"],
            "workdir": "/srv/", "memory": "512m", "cpus": "0.5", "user": 1000, "network": "lab",
            "mounts": [{"source": "/srv/data/a", "target": "/in", "read_only": True}],
            "timeout": 1.5, "retries": 2, "priority": -1, "labels": "gpu", "max_output": "1M",
        },
        POLICY,
    )  # fmt: skip
    assert run == ContainerRun(
        image="",
        repository="",
        command=("sh", "-c", 'echo "a b"'),
        entrypoint=("/bin/env",),
        environment={"A": "x=y", "N": "3", "F": "true"},
        secrets=("TOKEN",),
        workdir="/srv",
        mounts=(Mount("/srv/data/a", "/in", True),),
        memory_bytes=512 << 20,
        cpus=0.5,
        user="1000",
        network="lab",
        timeout_seconds=1.5,
        max_output_bytes=1 << 20,
        priority=-1,
        labels=("gpu",),
        retries=Retries(2),
    )


def test_what_waits_in_the_queue_is_read_again() -> None:
    run = with_image(read({"command": "a", "labels": ["b"]}, POLICY), "i", "r", False)
    again = run_of_json(run.as_json())
    assert again == run
    assert (again.image, again.repository, again.pull) == ("i", "r", False)


def test_an_environment_as_a_list() -> None:
    assert read({"environment": ["A=b=c", "B="]}, POLICY).environment == {"A": "b=c", "B": ""}
    assert read({"environment": "A=b"}, POLICY).environment == {"A": "b"}
    assert faults({"environment": ["A"]}) == ["/environment/0"]
    assert faults({"environment": ["A=1", "A=2"]}) == ["/environment/1"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("command", "echo 'x"), ("command", ["a\0b"]), ("entrypoint", '"'),
        ("workdir", "srv"), ("workdir", "/a/../b"), ("memory", "5m"), ("memory", "many"),
        ("memory", -1), ("cpus", 0), ("cpus", "x"), ("user", "a b"), ("user", "-x"),
        ("network", "host"), ("network", "bridge"), ("timeout", 0), ("priority", 1.5),
        ("labels", ["a b"]), ("labels", ["x"] * 5 + [""]), ("max_output", "1X"),
        ("retries", -1),
    ],
)  # fmt: skip
def test_what_is_refused(name: str, value: Any) -> None:
    assert faults({name: value}) == [f"/{name}"]


@pytest.mark.parametrize("name", ["JEXEVENTS_URL", "1A", "A-B", ""])
def test_names_that_no_variable_has(name: str) -> None:
    assert faults({"environment": {name: "x"}}) == [f"/environment/{name}"]
    assert faults({"secrets": [name]}) == ["/secrets/0"]


def test_a_secret_is_not_in_the_environment_as_well() -> None:
    assert faults({"environment": {"A": ""}, "secrets": ["A"]}) == ["/secrets/0"]


@pytest.mark.parametrize(
    "source",
    ["/srv", "/srv/data2", "/srv/data/../../etc", "srv/data", "/", "", "//srv/data", "/etc"],
)
def test_folders_that_are_not_mounted(source: str) -> None:
    assert faults({"mounts": [{"source": source, "target": "/x"}]}) == ["/mounts/0/source"]


def test_mounts() -> None:
    one = {"source": "/srv/data", "target": "/x"}
    assert read({"mounts": [one]}, POLICY).mounts == (Mount("/srv/data", "/x"),)
    assert faults({"mounts": [one, {**one, "target": "/x/"}]}) == ["/mounts/1/target"]
    assert faults({"mounts": [{**one, "target": "/"}]}) == ["/mounts/0/target"]
    assert faults({"mounts": [one]}, policy=Policy()) == ["/mounts/0/source"]


@pytest.mark.parametrize("times", [0, -1, 101])
def test_times_that_are_not_allowed(times: int) -> None:
    assert faults({}, times) == ["/times"]


def test_how_much_there_may_be() -> None:
    assert faults({"command": ["x" * MAX_BYTES]}) == [""]
    large = {"command": ["x" * (MAX_BYTES - 100)]}
    many = Policy(max_times=10_000)
    assert read(large, many, 1000)
    assert faults(large, 10_000, many) == [""]


def test_every_fault_is_told() -> None:
    assert faults({"cpus": 0, "network": "x", "labels": [""]}, 0) == [
        "/cpus", "/network", "/labels", "/times",
    ]  # fmt: skip


@given(st.text())
def test_any_command_is_read_or_refused(text: str) -> None:
    try:
        words = read({"command": text}, POLICY).command
    except Invalid:
        return
    assert words is None or all("\0" not in word for word in words)
