"""A change of the folder gives a hint, whatever way the change was made; the polling eye sees it without events."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil

import pytest

from autotrader.config import watch as watch_module
from autotrader.config.watch import Hint, directories, signatures, watch
from autotrader.core.clock import SystemClock


class Steps:
    """A clock whose sleepers wake when the test says so."""

    def __init__(self):
        self.waiting = asyncio.Event()
        self.turn = asyncio.Event()

    def now_ms(self):
        return 0

    def monotonic_s(self):
        return 0.0

    async def sleep(self, _seconds):
        self.turn.clear()
        self.waiting.set()
        await self.turn.wait()

    async def step(self):
        """Wake the sleepers, and return when they sleep again."""
        await self.waiting.wait()
        self.waiting.clear()
        self.turn.set()
        await self.waiting.wait()


@pytest.fixture
def root(tmp_path):
    for name in ("strategies.d", "risk.d"):
        (tmp_path / name).mkdir()
    (tmp_path / "strategies.d" / "a.yaml").write_text("a")
    return tmp_path


@contextlib.asynccontextmanager
async def hints(root, clock, **more):
    source = watch(root, clock, **more)
    try:
        yield source
    finally:
        await source.aclose()


async def blind(*_):
    """Stand in for an event source that died without a word."""
    await asyncio.Event().wait()


CHANGES = {
    "written": lambda root: (root / "strategies.d" / "a.yaml").write_text("b!"),
    "added": lambda root: (root / "risk.d" / "b.yml").write_text("b"),
    "removed": lambda root: (root / "strategies.d" / "a.yaml").unlink(),
    "renamed": lambda root: (root / "strategies.d" / "a.yaml").rename(root / "strategies.d" / "b.yaml"),
    "folder removed": lambda root: shutil.rmtree(root / "strategies.d"),
    "root removed": shutil.rmtree,
    "main file": lambda root: (root / "autotrader.yaml").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_the_polling_eye_sees_every_change_without_events(root, monkeypatch, change):
    monkeypatch.setattr(watch_module, "_events", blind)
    clock = Steps()
    async with hints(root, clock) as source:
        waiting = asyncio.ensure_future(anext(source))
        await clock.waiting.wait()
        await clock.step()
        assert not waiting.done()
        CHANGES[change](root)
        await clock.step()
        assert await waiting == Hint("poll")


class Ear:
    """Listens to a watch; an answer that is still awaited is kept, not cancelled."""

    def __init__(self, source):
        self.source = source
        self.answer = asyncio.ensure_future(anext(source))

    async def within(self, seconds):
        """Return the next hint, or nothing where none comes in that time."""
        done, _ = await asyncio.wait([self.answer], timeout=seconds)
        if not done:
            return None
        hint, self.answer = self.answer.result(), asyncio.ensure_future(anext(self.source))
        return hint

    async def armed(self, folder):
        """Write probes until one is heard, then listen until all is quiet."""
        for number in range(200):
            (folder / f"probe{number}.yaml").write_text("")
            if await self.within(0.05):
                break
        while await self.within(0.2):
            pass


@contextlib.asynccontextmanager
async def listening(root):
    source = watch(root, SystemClock(), poll_s=3600)
    ear = Ear(source)
    try:
        yield ear
    finally:
        ear.answer.cancel()
        await asyncio.gather(ear.answer, return_exceptions=True)
        await source.aclose()


def replace_over(root):
    (root / "new").write_text("c")
    (root / "new").replace(root / "strategies.d" / "a.yaml")


@pytest.mark.parametrize(
    "change", [*(CHANGES[name] for name in ("written", "added", "removed", "main file")), replace_over]
)
async def test_the_systems_events_give_a_hint(root, change):
    async with listening(root) as ear:
        await ear.armed(root)
        change(root)
        assert await ear.within(20) == Hint("event")


async def test_a_recreated_folder_is_watched_again(root):
    async with listening(root) as ear:
        await ear.armed(root)
        shutil.rmtree(root / "strategies.d")
        assert await ear.within(20)
        (root / "strategies.d").mkdir()
        await ear.armed(root / "strategies.d")
        (root / "strategies.d" / "a.yaml").write_text("again")
        assert await ear.within(20) == Hint("event")


async def test_a_swapped_symlink_gives_a_hint(root, tmp_path_factory):
    volume = tmp_path_factory.mktemp("volume")
    for version in ("v1", "v2"):
        (volume / version).mkdir()
        (volume / version / "x.yaml").write_text(version)
    (volume / "..data").symlink_to("v1")
    (root / "exchanges.d").symlink_to(volume / "..data")
    async with listening(root) as ear:
        await ear.armed(root)
        (volume / "..tmp").symlink_to("v2")
        os.replace(volume / "..tmp", volume / "..data")  # noqa: PTH105  what a kubelet does
        assert await ear.within(20) == Hint("event")


async def test_a_root_that_does_not_exist_yet_raises_nothing(tmp_path):
    root = tmp_path / "later"
    async with listening(root) as ear:
        assert await ear.within(0.05) is None
        root.mkdir()
        await ear.armed(root)
        (root / "autotrader.yaml").write_text("")
        assert await ear.within(20) == Hint("event")


async def test_an_error_inside_reaches_the_consumer(root, monkeypatch):
    async def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(watch_module, "_poll", broken)
    async with hints(root, SystemClock()) as source:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(anext(source), 20)


async def test_closing_leaves_no_task_behind(root):
    before = asyncio.all_tasks()
    async with listening(root) as ear:
        await ear.armed(root)
    assert asyncio.all_tasks() == before


def test_the_places_to_watch_are_real_directories(root):
    (root / "exchanges.d").symlink_to("risk.d")
    (root / "models.d").write_text("a file")
    assert set(directories(root)) == {str(root), str(root / "strategies.d"), str(root / "risk.d")}


def test_signatures_cover_what_a_load_would_read(root, loading):
    (root / "autotrader.yaml").write_text("")
    assert {name for name, seen in signatures(root).items() if seen} == set(loading(root).files)
