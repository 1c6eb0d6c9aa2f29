"""One log followed through what may become of its files; what is lost is told."""

from __future__ import annotations

import gzip
import os
import random
import shutil

import pytest

from jexevents.eventlogs.occurrences import WINDOW, Occurrences
from jexevents.model import Arrival
from jexevents.monitor.logfile import LogFile
from jexevents.monitor.positions import Advance, PositionFile
from jexevents.sources.condor.message import read
from tests.monitoring import Monitor, Site, clean, events, gaps

RNG = random.Random(1)


def event(number: int, second: int = 0) -> bytes:
    return b"001 (%03d.000.000) 2026-11-22 04:10:%02d Job executing on host: <a>\n...\n" % (
        number,
        second,
    )


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
def monitor(site, tmp_path):
    monitor = Monitor(site.path, tmp_path / "position")
    yield monitor
    monitor.stop()


def restarted(monitor):
    monitor.stop()
    monitor.start()
    monitor.drain()


def numbers(monitor) -> list[int]:
    """Give the clusters of what was sent, without headers and gaps."""
    texts = [one["Event"] for one in monitor.all_messages]
    return [int(text[5:8]) for text in texts if text.startswith("001 (")]


# --- growth


def test_a_log_that_is_not_there_yet_is_followed_from_its_first_byte(tmp_path):
    monitor = Monitor(tmp_path / "later" / "EventLog", tmp_path / "position")
    monitor.drain()
    assert monitor.chain.problem is None
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "EventLog").write_bytes(event(1))
    monitor.drain()
    assert numbers(monitor) == [1]
    monitor.stop()


def test_what_was_not_noticed_yet_is_behind(site, monitor):
    site.write(event(1))
    assert monitor.chain.behind == len(event(1))
    monitor.drain()
    assert monitor.chain.behind == 0
    site.rename()
    site.begin()
    assert monitor.chain.behind == 0
    site.write(event(2))
    assert monitor.chain.behind == len(event(2))
    monitor.drain()
    assert monitor.chain.behind == 0


def test_an_event_that_is_half_written_is_waited_for(site, monitor):
    site.write(event(1) + event(2)[:40])
    monitor.drain()
    restarted(monitor)
    assert numbers(monitor) == [1]
    site.write(event(2)[40:])
    monitor.drain()
    assert numbers(monitor) == [1, 2]


def test_garbage_is_passed_on_and_reading_goes_on(site, monitor):
    site.write(event(1) + b"\x00\xffgarbage\n...\n" + event(2))
    monitor.drain()
    assert [one["Event"] for one in monitor.all_messages][1] == "\x00\udcffgarbage\n...\n"
    assert numbers(monitor) == [1, 2]


def test_offset_and_log_say_where_an_event_stands(site, monitor):
    site.write(event(1) + event(2))
    monitor.drain()
    first, second = monitor.all_messages
    assert (first["Offset"], second["Offset"]) == (0, len(event(1)))
    assert first["Log"] == second["Log"]
    assert str(os.stat(site.path).st_ino) in first["Log"]


def test_nothing_is_sent_twice_after_a_stop(site, monitor):
    site.write(event(1) + event(2))
    monitor.drain()
    restarted(monitor)
    site.write(event(3))
    monitor.drain()
    assert numbers(monitor) == [1, 2, 3]


def test_what_was_not_confirmed_is_sent_again_as_the_same_event(site, monitor):
    site.write(event(1) + event(1))
    monitor.broker.confirms_at_once = False
    monitor.step()
    monitor.broker.known = 1
    monitor.note()
    monitor.kill(RNG)
    monitor.start()
    site.write(event(1))
    monitor.drain()
    assert events(monitor.all_messages) == clean(site.all)
    assert [one["Occurrence"] for one in monitor.all_messages[-2:]] == [1, 2]


# --- rotation


def test_a_renamed_log_is_read_to_its_end_before_the_new_one(site, monitor):
    site.write(event(1))
    monitor.drain()
    site.write(event(2))
    site.rename()
    site.begin()
    site.write(event(2))
    monitor.drain()
    assert numbers(monitor) == [1, 2, 2]
    assert [one["Occurrence"] for one in monitor.all_messages] == [0, 0, 1]
    assert not gaps(monitor.all_messages)


def test_what_is_written_at_the_last_moment_comes_before_the_new_file(site, monitor, monkeypatch):
    """Between the last read of a file and the look that finds the next one."""
    site.write(event(1))
    monitor.drain()
    look = monitor.chain._look

    def written_before(now):
        with site.path.with_suffix(".1").open("ab") as old:
            old.write(event(5))
        monkeypatch.undo()
        look(now)

    site.rename()
    site.begin()
    site.write(event(5) + event(3))
    monkeypatch.setattr(monitor.chain, "_look", written_before)
    monitor.drain()
    assert numbers(monitor) == [1, 5, 5, 3]
    assert len({one["Log"] for one in monitor.all_messages[:2]}) == 1


def test_a_writer_that_has_not_noticed_the_rotation_is_still_heard(site, monitor):
    with site.path.open("ab", buffering=0) as old:
        old.write(event(1))
        site.rename()
        site.begin()
        site.write(event(3))
        monitor.drain()
        old.write(event(2))
        monitor.drain()
    assert sorted(numbers(monitor)) == [1, 2, 3]


def test_a_file_that_was_let_go_is_read_on_if_it_grows_after_all(site, monitor):
    with site.path.open("ab", buffering=0) as old:
        old.write(event(1))
        site.rename()
        site.begin()
        site.write(event(3))
        monitor.drain()
        monitor.now += 1000
        monitor.drain()
        old.write(event(2))
        monitor.now += 1000
        monitor.drain()
    assert sorted(numbers(monitor)) == [1, 2, 3]


def test_half_an_event_at_the_end_of_a_rotated_file_is_passed_on_in_time(site, monitor):
    site.write(event(1) + event(2)[:30])
    site.rename()
    site.begin()
    site.write(event(3))
    monitor.drain()
    assert len(monitor.all_messages) == 2
    monitor.now += 1000
    monitor.drain()
    assert monitor.all_messages[-1]["Event"] == event(2)[:30].decode()
    restarted(monitor)
    monitor.now += 1000
    monitor.drain()
    assert len(monitor.all_messages) == 3


def test_several_rotations_while_it_was_down_are_caught_up_with(site, monitor):
    site.write(event(1))
    monitor.drain()
    monitor.stop()
    for number in range(2, 7):
        site.write(event(number))
        site.rename()
        site.begin()
    site.write(event(9))
    monitor.start()
    monitor.drain()
    assert numbers(monitor) == [1, 2, 3, 4, 5, 6, 9]
    assert not gaps(monitor.all_messages)


def test_the_first_start_reads_the_older_files_too(site, monitor):
    monitor.stop()
    for number in range(1, 4):
        site.write(event(number))
        site.rename()
        site.begin()
    monitor.start()
    monitor.drain()
    assert numbers(monitor) == [1, 2, 3]


@pytest.mark.parametrize("is_down", [False, True])
def test_a_copied_and_truncated_log_loses_nothing(is_down, site, monitor):
    site.write(event(1) + event(2))
    monitor.drain()
    if is_down:
        monitor.stop()
    site.write(event(3) + event(1))
    site.copy_and_truncate()
    site.begin()
    site.write(event(4) + event(1))
    if is_down:
        monitor.start()
    monitor.drain()
    assert numbers(monitor) == [1, 2, 3, 1, 4, 1]
    assert [one["Occurrence"] for one in monitor.all_messages if "001.000" in one["Event"]] == [
        0,
        1,
        2,
    ]
    assert len({one["Log"] for one in monitor.all_messages}) == 2
    assert not gaps(monitor.all_messages)


def test_a_log_that_grew_longer_than_it_was_after_it_was_truncated(site, monitor):
    site.write(event(1))
    monitor.drain()
    site.copy_and_truncate()
    site.begin()
    for number in range(2, 6):
        site.write(event(number))
    monitor.drain()
    assert numbers(monitor) == [1, 2, 3, 4, 5]


def test_a_removed_log_is_read_to_its_end(site, monitor):
    site.write(event(1))
    monitor.drain()
    site.write(event(2))
    site.remove()
    monitor.drain()
    site.begin()
    site.write(event(3))
    monitor.drain()
    assert numbers(monitor) == [1, 2, 3]
    assert not gaps(monitor.all_messages)


def test_a_removed_log_is_let_go_in_time(site, monitor):
    """Its disk space is free then; and if it comes back, nothing is missing."""
    site.write(event(1) + event(2)[:20])
    monitor.drain()
    site.remove()
    monitor.drain()
    assert monitor.chain.gone_since is None
    monitor.now += 4000
    monitor.drain()
    assert monitor.all_messages[-1]["Event"] == event(2)[:20].decode()
    monitor.drain()
    assert monitor.chain.gone_since is not None
    restarted(monitor)
    site.begin()
    site.write(event(3))
    monitor.drain()
    assert numbers(monitor) == [1, 2, 3]
    assert not gaps(monitor.all_messages)
    assert monitor.chain.gone_since is None


def test_a_rotated_file_that_was_packed_while_it_was_down(site, monitor):
    site.write(event(1))
    monitor.drain()
    monitor.stop()
    site.write(event(2))
    site.rename()
    packed = site.path.with_suffix(".1")
    (site.path.with_suffix(".1.gz")).write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    site.begin()
    site.write(event(3))
    monitor.start()
    monitor.drain()
    assert numbers(monitor) == [1, 2, 3]
    assert not gaps(monitor.all_messages)
    restarted(monitor)
    assert numbers(monitor) == [1, 2, 3]


def test_an_inode_that_is_used_again_is_another_file(site, monitor, tmp_path):
    """Simulated: the position file says that the log's inode was that of an older file."""
    site.write(event(1))
    monitor.drain()
    monitor.stop()
    site.rename()
    shutil.copy(site.path.with_suffix(".1"), tmp_path / "moved")
    site.path.with_suffix(".1").write_bytes(event(2))  # the same inode, at the log's path
    site.path.with_suffix(".1").rename(site.path)
    (tmp_path / "moved").rename(site.path.with_suffix(".1"))
    monitor.start()
    monitor.drain()
    assert numbers(monitor) == [1, 2]
    assert not gaps(monitor.all_messages)


def test_a_symbolic_link_is_followed_with_the_files_of_its_target(tmp_path):
    (tmp_path / "real").mkdir()
    site = Site(tmp_path / "real")
    link = tmp_path / "link"
    link.symlink_to(site.path)
    monitor = Monitor(link, tmp_path / "position")
    site.write(event(1))
    monitor.drain()
    monitor.stop()
    site.write(event(2))
    site.rename()
    site.begin()
    site.write(event(3))
    monitor.start()
    monitor.drain()
    assert numbers(monitor) == [1, 2, 3]
    monitor.stop()


# --- headers


@pytest.fixture
def headed(tmp_path):
    (tmp_path / "headed").mkdir()
    return Site(tmp_path / "headed", headers=True)


@pytest.fixture
def headed_monitor(headed, tmp_path):
    monitor = Monitor(headed.path, tmp_path / "position-headed")
    yield monitor
    monitor.stop()


def test_a_header_that_is_written_anew_does_not_count_as_truncation(headed, headed_monitor):
    headed.write(event(1))
    headed_monitor.drain()
    headed.rename()
    headed_monitor.drain()
    headed.begin()
    headed.write(event(2))
    headed_monitor.drain()
    assert numbers(headed_monitor) == [1, 2]
    assert not gaps(headed_monitor.all_messages)
    names = [one["Log"] for one in headed_monitor.all_messages if "001 (" in one["Event"]]
    assert names == ["0.7.1795320660.1.1.9", "0.7.1795320720.1.2.9"]


def lose(site, monitor, files: int) -> None:
    """Have files written and rotated away while nobody reads."""
    monitor.stop()
    site.write(event(2))
    for _ in range(files):
        site.rename()
        site.begin()
        site.write(event(3))
    for path in site.path.parent.glob("EventLog.*"):
        path.unlink()
    site.write(event(4))
    monitor.start()
    monitor.drain()


def test_lost_files_are_told_with_what_was_lost(headed, headed_monitor):
    headed.write(event(1))
    headed_monitor.drain()
    read_so_far = len(headed.current)
    lose(headed, headed_monitor, 3)
    (gap,) = gaps(headed_monitor.all_messages)
    lost = sum(map(len, headed.all[:3])) - read_so_far
    assert gap == (
        "008 (-01.-01.-01) 2026-11-22 04:14:00Z jexevents log gap: "
        f"log={headed.path} reason=gone lost_files=2 lost_bytes={lost}"
        f" last_log=0.7.1795320660.1.1.9 last_offset={read_so_far} last_sequence=1"
        " next_log=0.7.1795320840.1.4.9 next_offset=0 next_sequence=4\n...\n"
    )
    assert numbers(headed_monitor) == [1, 3, 4]


def test_a_gap_is_a_well_formed_event_of_no_job(headed, headed_monitor):
    headed.write(event(1))
    headed_monitor.drain()
    lose(headed, headed_monitor, 2)
    (gap,) = gaps(headed_monitor.all_messages)
    found = read(Arrival(gap.encode(), "", {}), zone=__import__("datetime").timezone.utc)
    assert (found.name, found.job) == ("GENERIC", None)
    assert found.data["Info"].startswith("jexevents log gap: ")


def test_a_gap_that_is_told_twice_is_one_event(headed, headed_monitor):
    headed.write(event(1))
    headed_monitor.drain()
    headed_monitor.stop()
    headed.write(event(2))
    for _ in range(2):
        headed.rename()
        headed.begin()
    for path in headed.path.parent.glob("EventLog.*"):
        path.unlink()
    headed.write(event(4))
    for _ in range(2):
        headed_monitor.start()
        headed_monitor.broker.confirms_at_once = False
        headed_monitor.step()
        headed_monitor.stop()
    headed_monitor.start()
    headed_monitor.drain()
    told = [one for one in headed_monitor.all_messages if "log gap" in one["Event"]]
    assert len(told) == 3
    assert len(gaps(told)) == 1
    assert {one["Occurrence"] for one in told} == {0}


def test_the_end_of_a_file_that_was_read_whole_is_no_gap(headed, headed_monitor):
    headed.write(event(1))
    headed_monitor.drain()
    headed_monitor.stop()
    headed.rename()
    headed.path.with_suffix(".1").unlink()
    headed.begin()
    headed.write(event(2))
    headed_monitor.start()
    headed_monitor.drain()
    assert numbers(headed_monitor) == [1, 2]
    assert not gaps(headed_monitor.all_messages)


def test_a_file_in_between_that_is_missing_is_a_gap_though_the_log_was_watched(
    headed, headed_monitor
):
    headed.write(event(1))
    headed_monitor.drain()
    headed.rename()
    headed.begin()
    headed.write(event(2))
    headed.remove()
    headed.begin()
    headed.write(event(3))
    headed_monitor.drain()
    assert numbers(headed_monitor) == [1, 3]
    (gap,) = gaps(headed_monitor.all_messages)
    assert "reason=files lost_files=1" in gap


@pytest.mark.parametrize(("how", "reason"), [("remove", "gone"), ("truncate", "truncated")])
def test_without_headers_a_gap_is_told_where_there_may_be_one(how, reason, site, monitor):
    site.write(event(1) + event(2))
    monitor.drain()
    monitor.stop()
    site.write(event(3))
    if how == "remove":
        site.path.rename(site.path.with_name("elsewhere"))
    else:
        os.truncate(site.path, 0)
    site.begin()
    site.write(event(4))
    monitor.start()
    monitor.drain()
    assert numbers(monitor) == [1, 2, 4]
    (gap,) = gaps(monitor.all_messages)
    assert gap.startswith("008 (-01.-01.-01) 2026-11-22 04:10:00 jexevents log gap: ")
    assert f"reason={reason} lost_files=unknown lost_bytes=unknown" in gap
    assert monitor.all_messages[2]["Event"] == gap


def test_a_packed_file_that_is_damaged_is_told_and_passed(site, monitor):
    site.write(event(1))
    monitor.drain()
    monitor.stop()
    for number in range(2, 4000):
        site.write(event(number % 1000))
    site.rename()
    packed = site.path.with_suffix(".1")
    (site.path.with_suffix(".1.gz")).write_bytes(gzip.compress(packed.read_bytes())[:-100])
    packed.unlink()
    site.begin()
    site.write(event(3))
    monitor.start()
    monitor.drain()
    assert numbers(monitor)[-1] == 3
    assert len(gaps(monitor.all_messages)) == 1
    assert "reason=damaged" in gaps(monitor.all_messages)[0]
    restarted(monitor)
    assert len(gaps(monitor.all_messages)) == 1


# --- what cannot be read


def test_what_is_no_file_is_said_and_waited_for(tmp_path):
    path = tmp_path / "EventLog"
    os.mkfifo(path)
    monitor = Monitor(path, tmp_path / "position")
    monitor.drain()
    assert monitor.chain.problem == f"{path}: it is no regular file"
    path.unlink()
    path.write_bytes(event(1))
    monitor.drain()
    assert monitor.chain.problem is None
    assert numbers(monitor) == [1]
    monitor.stop()


def test_a_link_that_leads_nowhere_does_not_spin(tmp_path):
    path = tmp_path / "EventLog"
    path.symlink_to(tmp_path / "nowhere")
    monitor = Monitor(path, tmp_path / "position")
    monitor.step()
    monitor.step()
    assert not monitor.chain.more
    monitor.stop()


# --- positions


def test_the_position_file_gives_back_what_was_noted(tmp_path):
    positions = PositionFile(tmp_path / "position")
    counts = Occurrences()
    log = tmp_path / "EventLog\udcff"
    for number in range(5):
        seen = [counts.note(b"%d" % (number % 2))]
        file = LogFile(1, 2**64 - 1, name="n", head=b"\xff\x00", position=number, tail=b"\xfe")
        positions.note([(log, Advance({1: file}, seen))])
    positions.close()
    positions = PositionFile(tmp_path / "position")
    assert positions.logs() == [log]
    (found,), resumed = positions.load(log)
    assert (found.inode, found.head, found.position, found.read) == (2**64 - 1, b"\xff\x00", 4, 4)
    assert resumed.note(b"0") == counts.note(b"0")
    positions.forget(log)
    assert positions.load(log)[0] == []
    positions.close()


def test_the_position_file_does_not_grow_with_the_log(tmp_path):
    positions = PositionFile(tmp_path / "position")
    counts = Occurrences()
    sizes = []
    for _ in range(6):
        for _ in range(10):
            seen = [counts.note(b"%d" % counts.index) for _ in range(WINDOW // 20)]
            positions.note([(tmp_path, Advance({}, seen))])
        sizes.append(os.stat(tmp_path / "position").st_size)
    assert sizes[-1] <= sizes[2] * 1.1
    assert len(positions.load(tmp_path)[1]) <= WINDOW
    positions.close()
