"""What a person may tell the running daemon, whoever carries the word: command line, dashboard, bot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from autotrader.core.errors import BrokenInvariant, ControlError, StoreError
from autotrader.execution.leg import REMOVED
from autotrader.execution.orders import Reason
from autotrader.runtime.plan import plain
from autotrader.runtime.slots import stop_adding
from autotrader.runtime.status import positions, status

if TYPE_CHECKING:
    from autotrader.runtime.daemon import Daemon

Command = Callable[[dict[str, Any]], Awaitable[Any]]


class Commands:
    """Each command takes a turn of the trading loop, is journalled, and answers with plain data."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._known: dict[str, Command] = {
            "ping": self._ping,
            "status": self._status,
            "positions": self._positions,
            "pause": self._pause,
            "resume": self._resume,
            "close": self._close,
            "kill": self._kill,
            "unlock": self._unlock,
            "reload": self._reload,
            "plan": self._plan,
            "rollback": self._rollback,
            "stop": self._stop,
        }

    async def handle(self, command: str, arguments: dict[str, Any]) -> Any:
        """Carry out one command. Raises ControlError for one that is not known or cannot be done.

        A broken invariant or a journal that cannot be written stops the daemon, which recovers by starting again.
        """
        action = self._known.get(command)
        if action is None:
            raise ControlError(
                f"'{command}' is not a command of this daemon; it knows {', '.join(sorted(self._known))}"
            )
        try:
            return await action(arguments)
        except (BrokenInvariant, StoreError) as error:
            self._daemon.failure = error
            self._daemon.stopping.set()
            raise

    async def _ping(self, _: dict[str, Any]) -> Any:
        return "pong"

    async def _status(self, _: dict[str, Any]) -> Any:
        return status(self._daemon)

    async def _positions(self, _: dict[str, Any]) -> Any:
        return positions(self._daemon.loop)

    async def _pause(self, arguments: dict[str, Any]) -> Any:
        loop, name = self._daemon.loop, self._strategy(arguments)
        async with loop.turn:
            loop.trader.paused[name] = str(arguments.get("reason") or "paused by a person")
            self._keep(f"entries of {name or 'all strategies'} are paused", "pause", arguments)
            stop_adding(loop.trader, name, self._now_ms())
            await loop.finish(self._now_ms(), None)
        return {"paused": dict(loop.trader.paused)}

    async def _resume(self, arguments: dict[str, Any]) -> Any:
        loop, name = self._daemon.loop, self._strategy(arguments)
        async with loop.turn:
            if not name:
                loop.trader.paused.clear()
                loop.trader.exits_only = ""
            loop.trader.paused.pop(name, None)
            if name in loop.strategies:
                loop.strategies[name].error = ""
            self._keep(f"entries of {name or 'all strategies'} are allowed again", "resume", arguments)
        return {"paused": dict(loop.trader.paused)}

    async def _close(self, arguments: dict[str, Any]) -> Any:
        loop, name = self._daemon.loop, self._strategy(arguments)
        async with loop.turn:
            now_ms = self._now_ms()
            count = loop.trader.leave_all(Reason.CLOSE, now_ms, name)
            self._keep(f"{count} positions of {name or 'all strategies'} are being closed", "close", arguments)
            await loop.finish(now_ms, None)
        return {"closing": count}

    async def _kill(self, arguments: dict[str, Any]) -> Any:
        loop = self._daemon.loop
        async with loop.turn:
            now_ms = self._now_ms()
            loop.trader.killed = str(arguments.get("reason") or "killed by a person")
            with loop.journal.write():
                loop.journal.flag("killed", loop.trader.killed)
            count = loop.trader.leave_all(Reason.KILL, now_ms)
            self._keep(
                f"kill switch: {count} positions and entries are being ended; locked until unlock", "kill", arguments
            )
            await loop.finish(now_ms, None)
        return {"killed": loop.trader.killed, "closing": count}

    async def _unlock(self, arguments: dict[str, Any]) -> Any:
        loop, name = self._daemon.loop, self._strategy(arguments)
        async with loop.turn:
            if name and name not in loop.trader.own:
                raise ControlError(f"'{name}' has no limits of its own; `autotrader unlock` lifts those of the account")
            loop.trader.unlock(name)
            what = f"the loss locks of {name}" if name else "kill switch and loss locks"
            self._keep(f"{what} are lifted", "unlock", arguments)
            await loop.finish(self._now_ms(), None)
        return {"killed": loop.trader.killed}

    async def _reload(self, arguments: dict[str, Any]) -> Any:
        who = str(arguments.get("who") or "command line")
        if arguments.get("background"):
            self._daemon.reload_soon(who)
            return {"asked": True}
        outcome = await self._daemon.reloader.reload(who, "asked for", str(arguments.get("plan") or ""))
        return outcome._asdict()

    async def _plan(self, _: dict[str, Any]) -> Any:
        return plain(await self._daemon.reloader.plan())

    async def _rollback(self, arguments: dict[str, Any]) -> Any:
        number = arguments.get("generation")
        if not isinstance(number, int) or not 0 < number < 2**63:
            raise ControlError(f"there is no generation {number}; `autotrader history` lists them")
        who = str(arguments.get("who") or "command line")
        return (await self._daemon.roll_back(int(number), who))._asdict()

    async def _stop(self, _: dict[str, Any]) -> Any:
        self._daemon.stopping.set()
        return {"stopping": True}

    def _strategy(self, arguments: dict[str, Any]) -> str:
        name = str(arguments.get("name") or "")
        loop = self._daemon.loop
        owners = {leg.owner.removeprefix(REMOVED) for leg in loop.desk.legs.values()}
        if name and name.removeprefix(REMOVED) not in {*loop.strategies, *owners}:
            known = ", ".join(sorted(loop.strategies)) or "none"
            raise ControlError(f"there is no strategy '{name}'; there are: {known}")
        return name

    def _now_ms(self) -> int:
        return max((account.market_ms for account in self._daemon.loop.accounts.values()), default=0)

    def _keep(self, message: str, kind: str, arguments: dict[str, Any]) -> None:
        loop = self._daemon.loop
        with loop.journal.write():
            loop.journal.flag("paused", loop.trader.paused or None)
            loop.journal.flag("killed", loop.trader.killed or None)
            loop.journal.event(self._now_ms(), "info", kind, str(arguments.get("who") or "command line"), message)
