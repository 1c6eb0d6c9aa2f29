import signal, time
from jexevents import processes
from tests.acceptance.jobs import Jobs, WAITS_FOR, SECONDS
from tests.acceptance.support import run
from tests.acceptance.test_jobs_survive import FILES, begun, supervisor_of
from tests.support import wait_until
MORE = {**FILES, "slow.yml": "command: sleep 30\ntimeout: 0.3\nretries: {count: 1, backoff: 0, on: [time-out]}\n", "nothing.yml": "description: x\n", "bad.yml": "command: x\nuser: nosuchuser\n",
  "says.yml": "command: event complete x; event lost; event requested; event claimed; event retried; event progress 5; true\n"}
def test_all(jobs, tmp_path):
    p = jobs(MORE, WorkerSlots=6)
    ends = [p.run("again"), p.run("slow"), p.run("nothing"), p.run("bad"), p.run("says")]
    k = begun(p, "waits", tmp_path/"n1"); print(p.put(k, "stop").status, p.put(k, "mine", cause="c").status, p.put(k, "continue").status, p.put(k, "terminate").status); ends.append(k)
    l = begun(p, "lost-again", tmp_path/"n2"); processes.signal_all([supervisor_of(p, l)], signal.SIGKILL); ends.append(l)
    wait_until(lambda: p.at(l)["attempt"] == 2 and p.at(l)["state"] == "RUNNING", 20, "2")
    print(p.put(l, "kill").status)
    q1 = begun(p, "in-a-row", tmp_path/"n3"); q2 = p.run("in-a-row", file="/"); print(p.put(q2, "before", cause="x").status, p.put(q2, "kill").status); ends += [q1, q2]
    p.put(q1, "kill")
    for e in ends:
        d = p.wait_over(e); print(d["job"], d["state"], d["status"], d["attempt"], d["reason"], [x["event"] for x in d["events"]])
    print(p.put(ends[0], "afterwards").status)
    r = run("verify", "--config", p.daemon.config); print(r)
    time.sleep(1.2)
    r = run("prune", "--help"); print(r.out)
    r = run("prune", "--older-than", "1s", "--force", "--config", p.daemon.config); print(r)
    r = run("verify", "--config", p.daemon.config); print(r)
    for e in ends[:3]:
        d = p.at(e); print(d)
        print(p.put(e, "afterwards").status)
        print(p.ask("POST", f"/jobs/{e['job']}/{e['id']}").status)
        print(p.get(f"/jobs/{e['job']}/{e['id']}/stdout").status)
    r = run("verify", "--config", p.daemon.config); print(r)
    print(p.rows("select count(*) from jex.execution_attempts"), p.rows("select count(*) from jex.execution_queue"), p.rows("select * from jex.execution_orders"))
    assert not [x for x in p.daemon.log if x.get("level") in ("error", "critical")], [x for x in p.daemon.log if x.get("level") in ("error", "critical")]
