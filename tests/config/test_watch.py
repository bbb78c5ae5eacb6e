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


async def armed(source, root):
    """Return when the events arrive: a probe file is written until one is seen."""
    waiting = asyncio.ensure_future(anext(source))
    for number in range(200):
        (root / f"probe{number}.yaml").write_text("")
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        if done:
            break
    await waiting


async def next_hint(source):
    return await asyncio.wait_for(anext(source), 20)


def replace_over(root):
    (root / "new").write_text("c")
    (root / "new").replace(root / "strategies.d" / "a.yaml")


@pytest.mark.parametrize(
    "change", [*(CHANGES[name] for name in ("written", "added", "removed", "main file")), replace_over]
)
async def test_the_systems_events_give_a_hint(root, change):
    async with hints(root, SystemClock(), poll_s=3600) as source:
        await armed(source, root)
        change(root)
        assert await next_hint(source) == Hint("event")


async def test_a_recreated_folder_is_watched_again(root):
    async with hints(root, SystemClock(), poll_s=3600) as source:
        await armed(source, root)
        shutil.rmtree(root / "strategies.d")
        await next_hint(source)
        (root / "strategies.d").mkdir()
        await armed(source, root / "strategies.d")


async def test_a_swapped_symlink_gives_a_hint(root, tmp_path_factory):
    volume = tmp_path_factory.mktemp("volume")
    for version in ("v1", "v2"):
        (volume / version).mkdir()
        (volume / version / "x.yaml").write_text(version)
    (volume / "..data").symlink_to("v1")
    (root / "exchanges.d").symlink_to(volume / "..data")
    async with hints(root, SystemClock(), poll_s=3600) as source:
        await armed(source, root)
        (volume / "..tmp").symlink_to("v2")
        os.replace(volume / "..tmp", volume / "..data")  # noqa: PTH105  what a kubelet does
        assert await next_hint(source) == Hint("event")


async def test_a_root_that_does_not_exist_yet_raises_nothing(tmp_path):
    root = tmp_path / "later"
    async with hints(root, SystemClock(), poll_s=3600) as source:
        waiting = asyncio.ensure_future(anext(source))
        await asyncio.wait([waiting], timeout=0.05)
        assert not waiting.done()
        root.mkdir()
        (root / "autotrader.yaml").write_text("")
        assert await asyncio.wait_for(waiting, 20)


async def test_an_error_inside_reaches_the_consumer(root, monkeypatch):
    async def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(watch_module, "_poll", broken)
    async with hints(root, SystemClock()) as source:
        with pytest.raises(ZeroDivisionError):
            await next_hint(source)


async def test_closing_leaves_no_task_behind(root):
    before = asyncio.all_tasks()
    async with hints(root, SystemClock()) as source:
        await armed(source, root)
    assert asyncio.all_tasks() == before


def test_the_places_to_watch_are_real_directories(root):
    (root / "exchanges.d").symlink_to("risk.d")
    (root / "models.d").write_text("a file")
    assert set(directories(root)) == {str(root), str(root / "strategies.d"), str(root / "risk.d")}


def test_signatures_cover_what_a_load_would_read(root, loading):
    (root / "autotrader.yaml").write_text("")
    assert {name for name, seen in signatures(root).items() if seen} == set(loading(root).files)
