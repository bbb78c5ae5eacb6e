"""The page's process, seen from the daemon, which holds the port, hands it over and takes the page along."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from pathlib import Path

import orjson
import structlog

from autotrader.config.daemon import DaemonSettings

FIRST_WAIT_S, MAX_WAIT_S = 1.0, 60.0
STOP_TIMEOUT_S = 3.0

log = structlog.get_logger("dashboard")


class PageProcess:
    """Keeps one page process alive. Its standard input is its lifeline: it ends when that closes, however we end."""

    def __init__(self, root: Path, settings: DaemonSettings, listener: socket.socket) -> None:
        self._root = root
        self._settings = settings
        self._listener = listener
        host, port = listener.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        self._process: asyncio.subprocess.Process | None = None
        self._keeper = asyncio.create_task(self._keep(), name="dashboard")

    async def _keep(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            began_s = time.monotonic()
            try:
                code = await self._once()
            except OSError as error:
                code = -1
                log.warning("the dashboard's process cannot be started", error=str(error))
            if time.monotonic() - began_s > MAX_WAIT_S:
                wait_s = FIRST_WAIT_S
            log.warning("the dashboard's process ended; it is started again", code=code, in_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, MAX_WAIT_S)

    async def _once(self) -> int:
        number = self._listener.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "autotrader.dashboard",
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(number,),
        )
        self._process = process
        assert process.stdin is not None
        password = self._settings.dashboard.password
        first = {
            "root": str(self._root),
            "fd": number,
            "language": self._settings.language,
            "timezone": self._settings.timezone,
            "password": password.reveal() if password is not None else "",
        }
        with contextlib.suppress(ConnectionError):
            process.stdin.write(orjson.dumps(first) + b"\n")
            await process.stdin.drain()
        return await process.wait()

    async def stop(self) -> None:
        """End the page."""
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self._listener.close()


async def start_page(root: Path, settings: DaemonSettings) -> PageProcess | None:
    """Start the page. A port that cannot be had costs the page, never the trading."""
    host, port = settings.dashboard.host, settings.dashboard.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        remedy = "set another dashboard.port in autotrader.yaml (0 takes a free one) and restart"
        log.warning("there is no dashboard", host=host, port=port, error=str(error), remedy=remedy)
        return None
    return PageProcess(root, settings, listener)
