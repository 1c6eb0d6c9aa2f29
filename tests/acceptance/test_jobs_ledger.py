"""What the ledger has of executions is what their events make of them, sealed ones too."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta, timezone

from jexevents import processes
from jexevents.store.database import Database
from jexevents.store.prune import Prune
from jexevents.wiring import recognise
from tests.acceptance.jobs import SECONDS, WAITS_FOR, Jobs
from tests.acceptance.support import run
from tests.acceptance.test_jobs_survive import begun, supervisor_of
from tests.support import wait_until

FILES = {
    "waits.yml": WAITS_FOR,
    "in_a_row.yml": WAITS_FOR + "concurrency: queue\n",
    "again.yml": "command: test $JEXEVENTS_ATTEMPT = 3\nretries: {count: 2, backoff: 0.1}\n",
    "lost_again.yml": WAITS_FOR + "retries: {count: 1, backoff: 0, on: [lost]}\n",
    "slow.yml": "command: sleep 30\ntimeout: 0.3\n"
    "retries: {count: 1, backoff: 0, on: [time-out]}\n",
    "nothing.yml": "description: it does nothing\n",
    "nobody.yml": "command: x\nuser: no-such-user\n",
    "says.yml": "command: for word in complete lost requested claimed retried sealing; do"
    " event $word 'its own'; done; event sealed x; event inserted x; true\n",
}


def every_end(place: Jobs, folder) -> dict[str, dict]:
    """Have executions end in all ways; give them by job, over."""
    going = {name: place.run(name) for name in ("again", "slow", "nothing", "nobody", "says")}
    stopped = begun(place, "waits", folder / "never")
    for name in ("stop", "a-word", "continue", "terminate"):
        assert place.put(stopped, name, cause="so").status == 200
    lost = begun(place, "lost-again", folder / "never")
    processes.signal_all([supervisor_of(place, lost)], signal.SIGKILL)
    wait_until(
        lambda: (now := place.at(lost))["attempt"] == 2 and now["state"] == "RUNNING",
        SECONDS,
        "its second attempt",
    )
    first = begun(place, "in-a-row", folder / "never")
    waiting = place.run("in-a-row", file="/")
    assert place.put(waiting, "a-word").status == place.put(waiting, "kill").status == 200
    for one in (lost, first):
        assert place.put(one, "kill").status == 200
    going |= {"waits": stopped, "lost-again": lost, "in-a-row": first, "waiting": waiting}
    return {name: place.wait_over(one) for name, one in going.items()}


def verified(place: Jobs) -> str:
    done = run("verify", "--config", place.daemon.config)
    assert done.code == 0, done
    return done.err


def test_the_ledger_holds_what_the_events_say(jobs, tmp_path):
    place = jobs(FILES, WorkerSlots=6)
    over = every_end(place, tmp_path)
    assert {name: one["state"] for name, one in over.items()} == {
        "again": "COMPLETE",
        "slow": "TIMED-OUT",
        "nothing": "COMPLETE",
        "nobody": "FAILED",
        "says": "COMPLETE",
        "waits": "KILLED",
        "lost-again": "KILLED",
        "in-a-row": "KILLED",
        "waiting": "CANCELLED",
    }
    assert place.put(over["again"], "afterwards").status == 200
    assert f"{len(over)} jobs" in verified(place)
    before = datetime.now(timezone.utc) + timedelta(minutes=1)
    database = Database(place.options["DBURI"])
    steps = list(Prune(database, before, recognise).steps())
    database.close()
    assert sum(step.done for step in steps if step.thing == "jobs") == len(over)
    assert not [step.differences for step in steps if step.differences]
    for one in over.values():
        now = place.at(one)
        for name in ("state", "phase", "reason", "exit_code", "attempt", "commit", "started_at"):
            assert now[name] == one[name]
        assert place.ask("POST", f"/jobs/{one['job']}/{one['id']}").status == 409
        assert place.put(one, "kill").status == 409
    assert place.get(f"/jobs/says/{over['says']['id']}/stdout").status == 200
    verified(place)
    assert place.rows("select count(*) from jex.execution_queue") == [(0,)]
    bad = [line for line in place.daemon.log if line["level"] in ("error", "critical")]
    assert not bad
