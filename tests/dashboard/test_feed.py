import asyncio
import socket
import threading

import pytest

from autotrader.core.errors import ControlError
from autotrader.core.paths import store_of
from autotrader.dashboard import feed as fd
from autotrader.dashboard.feed import CURVE_EVERY_S, CURVE_POINTS, MAX_COMMANDS, MAX_VIEWERS, RECENT, Feed, Source
from autotrader.dashboard.view import Snapshot, view_of
from autotrader.runtime.ask import socket_path


class Asked:
    """Stands in for the control socket: canned answers, or an error."""

    def __init__(self, world):
        self.world = world
        self.error = ""
        self.calls = []

    def __call__(self, _root, command, arguments=None, timeout_s=60.0):
        self.calls.append((command, arguments, timeout_s))
        if self.error:
            raise ControlError(self.error)
        return asyncio.run(self.world.answer(command, arguments or {}))


@pytest.fixture
def asked(world):
    return Asked(world)


def test_a_reading_brings_the_status_and_the_newest_rows(root, asked):
    snapshot = Source(root, asked).read(Snapshot())
    assert snapshot.status["generation"] == 12
    assert len(snapshot.positions) == 3
    assert len(snapshot.orders) == RECENT
    assert [row["ts"] for row in snapshot.fills] == sorted((row["ts"] for row in snapshot.fills), reverse=True)
    assert snapshot.trouble == snapshot.store_trouble == ""


def test_a_daemon_that_is_silent_keeps_the_last_status_while_the_journal_is_read_on(root, asked):
    source = Source(root, asked)
    first = source.read(Snapshot())
    asked.error = "the daemon did not answer within 3 s"
    second = source.read(first)
    assert second.status is first.status
    assert second.trouble == asked.error
    assert len(second.fills) == RECENT
    asked.error = ""
    assert source.read(second).trouble == ""


def test_a_daemon_is_waited_for_only_so_long(root, asked):
    Source(root, asked).read(Snapshot())
    assert {timeout_s for _, _, timeout_s in asked.calls} == {fd.STATUS_TIMEOUT_S}


def test_a_store_that_is_not_there_yet_is_told_and_found_later(tmp_path, asked, worlds):
    source = Source(tmp_path, asked)
    first = source.read(Snapshot())
    assert "there is no store" in first.store_trouble
    worlds.fill_journal(tmp_path, points=3)
    second = source.read(first)
    assert second.store_trouble == ""
    assert len(second.curve) == 3


def test_a_store_that_is_no_database_is_told(tmp_path, asked):
    store_of(tmp_path).parent.mkdir(parents=True)
    store_of(tmp_path).write_text("not a database, but long enough to be looked at by its header" * 10)
    assert "cannot be read: file is not a database" in Source(tmp_path, asked).read(Snapshot()).store_trouble


def test_the_curve_is_read_less_often_than_the_rest(root, asked):
    now_s = [100.0]
    source = Source(root, asked, lambda: now_s[0])
    first = source.read(Snapshot())
    now_s[0] += CURVE_EVERY_S - 0.1
    second = source.read(first)
    assert second.curve is first.curve
    now_s[0] += 0.2
    assert source.read(second).curve is not first.curve


def test_a_long_history_comes_in_a_bounded_number_of_points_and_ends_where_it_ends(tmp_path, asked, worlds):
    points = CURVE_POINTS * 2
    worlds.fill_journal(tmp_path, points=points)
    curve = Source(tmp_path, asked).read(Snapshot()).curve
    assert CURVE_POINTS // 2 < len(curve) <= CURVE_POINTS
    assert [ts for ts, _ in curve] == sorted({ts for ts, _ in curve})
    assert curve[-1][0] == worlds.NOW_MS - 1_200_000


async def test_every_viewer_gets_the_same_reading(root, asked):
    feed, seen = Feed(root, ask=asked), []
    feed.watch("a", seen.append)
    feed.watch("b", seen.append)
    await feed.once()
    assert seen[0] is seen[1]
    assert [command for command, _, _ in asked.calls] == ["status", "positions"]
    feed.close()


async def test_nobody_is_polled_for_while_nobody_looks(root, asked):
    feed, seen = Feed(root, ask=asked), asyncio.Event()
    polling = asyncio.create_task(feed.run())
    await asyncio.sleep(0)
    assert asked.calls == []
    feed.watch("a", lambda _: seen.set())
    await asyncio.wait_for(seen.wait(), 5)
    feed.leave("a")
    assert not feed._watched.is_set()
    polling.cancel()
    feed.close()


async def test_viewers_are_bounded(root, asked):
    feed = Feed(root, ask=asked)
    assert all(feed.watch(str(number), lambda _: None) for number in range(MAX_VIEWERS))
    assert not feed.watch("one more", lambda _: None)
    assert feed.watch("0", lambda _: None)
    feed.leave("0")
    assert feed.watch("one more", lambda _: None)
    feed.close()


async def test_a_command_says_who_asked(root, asked):
    feed = Feed(root, ask=asked)
    answer = await feed.tell("pause")
    assert answer.ok
    assert asked.world.told == [("pause", {"who": "dashboard"})]
    feed.close()


async def test_a_command_that_is_refused_is_an_answer_and_no_error(root, asked):
    asked.error = "there is no strategy 'x'"
    feed = Feed(root, ask=asked)
    answer = await feed.tell("close", name="x")
    assert not answer.ok
    assert answer.error == "there is no strategy 'x'"
    feed.close()


async def test_commands_to_a_daemon_that_hangs_are_bounded_and_hold_up_no_reading(root, asked):
    hanging = threading.Event()

    def hang(root, command, arguments=None, timeout_s=60.0):
        if command == "pause":
            hanging.wait(10)
        return asked(root, command, arguments, timeout_s)

    feed = Feed(root, Source(root, asked), hang)
    waiting = [asyncio.create_task(feed.tell("pause")) for _ in range(MAX_COMMANDS)]
    await asyncio.sleep(0)
    refused = await feed.tell("pause")
    assert not refused.ok
    assert "still waiting" in refused.error
    await asyncio.wait_for(feed.once(), 5)
    assert view_of(feed.snapshot).head.connected
    hanging.set()
    assert all(answer.ok for answer in await asyncio.gather(*waiting))
    feed.close()


def test_a_daemon_that_dies_in_the_middle_of_its_answer_is_a_silent_one(tmp_path):
    path = socket_path(tmp_path)
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def die():
            client, _ = listener.accept()
            with client:
                client.recv(1024)
                client.sendall(b'{"ok": true, "res')

        dying = threading.Thread(target=die)
        dying.start()
        snapshot = Source(tmp_path).read(Snapshot())
        dying.join(5)
    assert "in the middle of its answer" in snapshot.trouble
