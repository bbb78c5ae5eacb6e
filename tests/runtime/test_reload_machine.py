"""Whatever people do to the files, and whenever the process dies: the reload's promises hold.

Real files, the real runtime, the real paper venue; only the clock is the test's.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from autotrader.core.errors import AutotraderError, StoreError
from autotrader.execution.leg import REMOVED
from support.books import disagreements
from support.folders import folder, rules
from support.harness import Crash, Harness

NAMES = ("a", "b", "c", "d")
ENTRY = st.sampled_from(["close > 0", "close < 0", "close > open", "crosses_above(ema(close, 2), ema(close, 3))"])
EXIT = st.sampled_from(["close < 0", "close < open", "close > 0"])
FATE = st.sampled_from(["hold", "close", "adopt"])
STOP = st.sampled_from(["{stop_loss: 1%}", "{stop_loss: 30%, take_profit: 40%}", "{trailing_stop: 2%}"])
SYMBOL = st.sampled_from(["BTC/USDT", "ETH/USDT", "BTC/USDT, ETH/USDT"])
CAPITAL = st.sampled_from(["5%", "10%"])
BAD = st.sampled_from(
    [
        b"",
        b"kind: rules\nsymbols: [BTC/US",
        b"\xff\xfe\x00",
        b"kind: rulez\n",
        b"a: &a [*a]\n",
        b"{" * 2_000,
        b"kind: rules\nexchange: nowhere\nsymbols: [BTC/USDT]\ntimeframe: 5m\ncapital: 5%\non_remove: hold\n",
        b"x" * 300_000,
    ]
)


@st.composite
def declarations(draw: Any) -> str:
    return rules(
        symbols=draw(SYMBOL),
        enter_long=draw(ENTRY),
        exit_long=draw(EXIT),
        exits=draw(STOP),
        on_remove=draw(FATE),
        capital=draw(CAPITAL),
    )


class Reloads(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="reloads-"))
        self.killed = False
        self.linked = 0
        self.one: Harness | None = None

    # the life of the daemon

    @initialize(texts=st.lists(declarations(), min_size=1, max_size=3))
    def begin(self, texts: list[str]) -> None:
        files = dict(zip(NAMES, texts, strict=False))
        self.one = Harness(folder(self.root, files, speed="1x", recorded=False))
        self.loop.run_until_complete(self.one.start())

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @property
    def daemon(self) -> Any:
        assert self.one is not None
        return self.one.daemon

    def path(self, name: str) -> Path:
        return self.root / "strategies.d" / f"{name}.yaml"

    # what people do

    @rule(name=st.sampled_from(NAMES), text=declarations())
    def write(self, name: str, text: str) -> None:
        self.path(name).write_text(text)

    @rule(name=st.sampled_from(NAMES), data=BAD)
    def break_a_file(self, name: str, data: bytes) -> None:
        self.path(name).write_bytes(data)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    @rule(name=st.sampled_from(NAMES), part=st.floats(0, 1))
    def truncate(self, name: str, part: float) -> None:
        if self.path(name).exists():
            data = self.path(name).read_bytes()
            self.path(name).write_bytes(data[: int(len(data) * part)])

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES), adopts=st.booleans())
    def rename(self, old: str, new: str, adopts: bool) -> None:
        if old != new and self.path(old).exists() and not self.path(new).exists():
            self.path(old).rename(self.path(new))
            if adopts:
                with self.path(new).open("a") as file:
                    file.write(f"adopts: {old}\n")

    @rule(names=st.sets(st.sampled_from(NAMES)))
    def swap_the_folder_for_a_link(self, names: set[str]) -> None:
        self.linked += 1
        real = self.root / f"mounted-{self.linked}"
        shutil.copytree(self.root / "strategies.d", real)
        for name in names:
            (real / f"{name}.yaml").unlink(missing_ok=True)
        link = self.root / "next"
        link.symlink_to(real.name)
        if (self.root / "strategies.d").is_symlink():
            link.replace(self.root / "strategies.d")
        else:
            shutil.rmtree(self.root / "strategies.d")
            link.rename(self.root / "strategies.d")

    # what the daemon is asked

    @rule()
    def reload(self) -> None:
        before, calls, generation = dict(self.daemon.loop.strategies), self._calls(), self.daemon.reloader.generation
        outcome = self.run(self.daemon.reloader.reload("test", "asked"))
        self._identities(before)
        if not outcome.ok:
            assert self._calls() == calls, "a rejected reload called the exchange"
            assert self.daemon.loop.strategies == before
            assert self.daemon.reloader.generation == generation

    @rule(times=st.integers(2, 4))
    def reload_during_reload(self, times: int) -> None:
        before = dict(self.daemon.loop.strategies)

        async def together() -> None:
            await asyncio.gather(*(self.daemon.reloader.reload("test", str(n)) for n in range(times)))

        self.run(together())
        self._identities(before)

    @rule()
    def confirm(self) -> None:
        async def confirmed() -> None:
            try:
                plan = await self.daemon.reloader.plan()
            except AutotraderError:
                return
            outcome = await self.daemon.reloader.reload("test", "confirmed", plan.hash)
            assert outcome.status in {"applied", "unchanged", "rejected"}, outcome

        self.run(confirmed())

    @rule(back=st.integers(1, 3))
    def roll_back(self, back: int) -> None:
        number = max(1, self.daemon.reloader.generation - back)

        async def asked() -> None:
            try:
                await self.daemon.commands.handle("rollback", {"generation": number})
            except AutotraderError:
                return

        self.run(asked())

    @rule()
    def kill(self) -> None:
        self.run(self.daemon.commands.handle("kill", {}))
        self.killed = True

    @precondition(lambda self: self.killed)
    @rule()
    def unlock(self) -> None:
        self.run(self.daemon.commands.handle("unlock", {}))
        self.killed = False

    @rule(bars=st.integers(1, 4))
    def trade(self, bars: int) -> None:
        assert self.one is not None
        self.run(self.one.bars(bars))

    @rule()
    def half_a_minute(self) -> None:
        assert self.one is not None

        async def passes() -> None:
            await self.one.clock.advance(31)
            for _ in range(3):
                await asyncio.sleep(0.01)
                await self.one.clock.settle()

        self.run(passes())

    # what the machine does

    @rule()
    def crash_and_restart(self) -> None:
        self.run(self._restart())

    @rule(step=st.integers(0, 12), where=st.sampled_from(["", "commit", "order"]))
    def crash_in_a_reload(self, step: int, where: str) -> None:
        assert self.one is not None
        self.one.fuse.light(step, where)
        with suppress(Crash):
            self.run(self.daemon.reloader.reload("test", "crashing"))
        if self.one.fuse.out():
            self.run(self._restart())

    @rule(step=st.integers(0, 12), bars=st.integers(1, 3), where=st.sampled_from(["", "commit", "order"]))
    def crash_while_trading(self, step: int, bars: int, where: str) -> None:
        assert self.one is not None
        self.one.fuse.light(step, where)
        self.run(self.one.bars(bars))
        if self.one.fuse.out():
            self.run(self._restart())

    @rule(step=st.integers(0, 3))
    def the_disk_is_full_in_a_reload(self, step: int) -> None:
        """A write that fails is the reload's own, which is refused, or a later one, which ends the daemon."""
        assert self.one is not None
        before, generation = dict(self.daemon.loop.strategies), self.daemon.reloader.generation
        self.one.fuse.light(step, "commit", StoreError)
        outcome = self.run(self.daemon.reloader.reload("test", "no room"))
        if not self.one.fuse.out():
            return
        if self.daemon.failure is not None:
            self.run(self._restart())
        elif not outcome.ok:
            assert self.daemon.loop.strategies == before
            assert self.daemon.reloader.generation == generation

    async def _restart(self) -> None:
        assert self.one is not None
        await self.one.die()
        await self.one.start()

    # what must hold

    @invariant()
    def running_is_the_last_accepted_generation(self) -> None:
        if self.one is None:
            return
        reloader, loop = self.daemon.reloader, self.daemon.loop
        last = loop.journal.generations()[0]
        assert (last.number, last.hash) == (reloader.generation, reloader.current.hash)
        declared = {k.removeprefix("strategies/"): f for k, f in last_forms(reloader).items()}
        assert {name: strategy.spec for name, strategy in loop.strategies.items()} == declared

    @invariant()
    def every_open_position_has_one_owner(self) -> None:
        if self.one is None:
            return
        loop = self.daemon.loop
        seen: set[str] = set()
        for leg in loop.desk.legs.values():
            assert leg.owner in loop.strategies or leg.owner.startswith(REMOVED), leg.owner
            if leg.position.amount:
                assert leg.group not in seen
                seen.add(leg.group)
        seated = [leg for strategy in loop.strategies.values() for leg in strategy.legs()]
        assert all(loop.desk.legs[leg.key] is leg for leg in seated)

    @invariant()
    def the_kill_switch_survives(self) -> None:
        if self.one is None:
            return
        assert bool(self.daemon.loop.trader.killed) == self.killed

    @invariant()
    def nothing_failed(self) -> None:
        if self.one is None:
            return
        assert self.daemon.failure is None, repr(self.daemon.failure)
        assert all(not strategy.error for strategy in self.daemon.loop.strategies.values())

    def teardown(self) -> None:
        if self.one is not None:
            self.run(self.one.stop())
            assert disagreements(self.root / "var/autotrader.db", self.root / "var/paper-paper.db") == []
        self.loop.close()
        shutil.rmtree(self.root)

    def _calls(self) -> dict[str, int]:
        assert self.one is not None
        return dict(self.one.calls)

    def _identities(self, before: dict[str, Any]) -> None:
        for name, strategy in self.daemon.loop.strategies.items():
            if name in before and before[name].spec == strategy.spec:
                assert strategy is before[name], f"{name} did not change and was replaced"


def last_forms(reloader: Any) -> dict[str, str]:
    return {key: form for key, form in reloader.current.forms.items() if key.startswith("strategies/")}


Reloads.TestCase.settings = settings(
    max_examples=int(os.environ.get("EXAMPLES", "25")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestReloads = Reloads.TestCase
