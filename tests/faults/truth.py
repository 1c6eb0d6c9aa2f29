"""The one assertion of all these tests: nothing lost, nothing twice, and the states are true."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.acceptance.support import run
from tests.faults.servers import ask
from tests.support import wait_until

if TYPE_CHECKING:
    from tests.faults.scene import Scene

_QUIET_SECONDS = 10


def assert_whole(scene: Scene, *, states: bool = True) -> None:
    """Assert, once all is quiet, that the ledger is what the producer knows to be true.

    Waits for the last confirms and the last events first, and ends the daemons: what they had
    in hand and did not acknowledge would be in the queue again. Without ``states``, where no
    message said its place in its log, only that the states are those that follow from the events.
    """
    scene.assert_daemons_stayed()
    scene.producer.finish()
    goal = len(scene.producer.confirmed)
    wait_until(lambda: scene.progress.stored >= goal or is_over(scene), 240, f"event {goal}")
    assert_each_once(scene)
    if states:
        assert_states(scene)
    assert_verified(scene)
    assert ask(scene.database, "select reasons from jex.rejects limit 3") == []
    scene.assert_daemons_stayed()
    scene.assert_answered()
    scene.stop_daemons()
    assert scene.rabbit.ready(scene.vhost) == 0


def is_over(scene: Scene) -> bool:
    """Whether nothing more will come: nothing waits, and nothing was stored for a while."""
    quiet = scene.progress.quiet_seconds > _QUIET_SECONDS
    return quiet and scene.rabbit.ready(scene.vhost) == 0


def stored_texts(uri: str) -> Counter[str]:
    """Give the text of every event in the ledger, and how often it stands there."""
    rows = ask(uri, "select convert_from(raw, 'UTF8'), count(*) from jex.events group by 1")
    return Counter(dict(rows))


def assert_each_once(scene: Scene) -> None:
    confirmed = {message.raw for message in scene.producer.confirmed.values()}
    stored = stored_texts(scene.database)
    lost = confirmed - stored.keys()
    unknown = stored.keys() - confirmed
    several = [text for text, count in stored.items() if count > 1]
    found = {"lost": len(lost), "twice": len(several), "unknown": len(unknown)}
    sample = [*lost, *several, *unknown][:3]
    assert not sample, f"{found} of {len(confirmed)}, such as {sample}\n{scene.describe()}"


def assert_states(scene: Scene) -> None:
    known = {
        key: [job.state, job.exit_code, job.starts]
        for key, job in scene.schedd.jobs.items()
        if job.told
    }
    columns = "j.key, j.state, j.exit_code, c.starts"
    rows = ask(
        scene.database,
        f"select {columns} from jex.jobs j join jex.condor_jobs c on c.job_id = j.id",
    )
    told = {key: facts for key, *facts in rows}
    wrong = [
        f"{key}: {told.get(key)}, truly {truth}"
        for key, truth in known.items()
        if told.get(key) != truth
    ]
    assert not wrong, f"{len(wrong)} of {len(known)} jobs, such as {wrong[:3]}"
    assert told.keys() == known.keys()


def assert_verified(scene: Scene) -> None:
    """Assert that the command finds every job to be what its events make of it."""
    done = run("verify", JEXEVENTS_DBURI=scene.database)
    assert (done.code, done.out) == (0, ""), f"{done.out[:2000]}\n{done.err}"
