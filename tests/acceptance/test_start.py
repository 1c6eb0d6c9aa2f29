"""The main job: an event published to the exchange is found over HTTP; and the command line."""

from tests.acceptance.support import (
    INVOCATION,
    invocation_ad,
    message,
    publish,
    run,
    submission,
)
from tests.support import wait_until


def test_published_event_is_found_over_http(start, servers):
    daemon = start(**servers).wait_ready()
    publish(servers["AMQPURI"], map(message, [submission(60), invocation_ad(60, INVOCATION)]))
    job = daemon.wait_job("60")

    def names() -> set[str]:
        events = daemon.get(f"/ledger/jobs/{job['id']}/events").json()["items"]
        return {event["name"] for event in events}

    wait_until(lambda: names() == {"SUBMIT", "JOB_AD_INFORMATION"}, 10, "both events")
    assert daemon.get(f"/last-events/{INVOCATION}").json()["state"]["status"] == "Submitted"


def test_healthz_and_readyz(start, servers):
    daemon = start(**servers).wait_ready()
    assert daemon.get("/healthz").json() == {"status": "ok"}
    checks = daemon.get("/readyz").json()["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == {
        "database": True,
        "broker": True,
        "last_batch": True,
    }


def test_every_line_of_the_log_is_json(start, servers):
    daemon = start(**servers).wait_ready()
    publish(servers["AMQPURI"], [b"not an event"])
    daemon.wait_logged("message_rejected")
    assert daemon.stop() == 0
    assert len(daemon.log) == len(daemon.text.splitlines())


def test_version_and_help():
    assert run("--version").out.startswith("jexevents ")
    told = run("--help").out
    assert all(word in told for word in ("migrate", "check", "token", "--config", "64", "78"))


def test_usage_errors_are_64(tmp_path):
    for arguments in (["--nonsense"], ["nonsense"], ["token"], ["token", "make"], ["--config"]):
        done = run(*arguments)
        assert (done.code, done.out) == (64, ""), arguments
        assert "usage: jexevents" in done.err


def test_no_configuration_named_is_64():
    done = run()
    assert done.code == 64
    assert "--config" in done.err


def test_configuration_can_come_from_the_environment_alone(servers):
    done = run("check", JEXEVENTS_AMQPURI=servers["AMQPURI"], JEXEVENTS_DBURI=servers["DBURI"])
    assert done.code == 0, done.err
