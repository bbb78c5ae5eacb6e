"""The page's process: started by the daemon, told its settings in one line, gone when the daemon is gone."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import io
import os
import signal
import socket
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import uvicorn
from fastapi import FastAPI
from nicegui import ui

from autotrader.dashboard.feed import Feed
from autotrader.dashboard.guard import Guard
from autotrader.dashboard.page import Settings, build
from autotrader.dashboard.sessions import Sessions
from autotrader.dashboard.words import chosen

PR_SET_PDEATHSIG = 1
MAX_LINE = 64 * 1024
MAX_CONNECTIONS = 256
MAX_MESSAGE = 256 * 1024
STOP_TIMEOUT_S = 1


class PageServer(uvicorn.Server):
    """A server whose signals are handled here, not by uvicorn."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals alone."""
        yield


def main() -> None:
    """Serve the page until the daemon closes our standard input, ends us, or dies."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the terminal is the daemon's to answer
    lifeline = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - a buffer's lock hangs the exit
    first = orjson.loads(lifeline.readline(MAX_LINE))
    threading.Thread(target=end_at_eof, args=(lifeline,), daemon=True, name="lifeline").start()
    asyncio.run(serve(first))


def die_with_parent() -> None:
    """Ask the kernel to end this process when the daemon is killed. It holds no state that could be lost."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused PR_SET_PDEATHSIG")


def end_at_eof(lifeline: io.FileIO) -> None:
    """Wait for the lifeline to close, and end at once: there is nothing to save and nobody to serve."""
    while lifeline.read(1024):
        pass
    os._exit(0)


async def serve(first: dict[str, str | int]) -> None:
    """Serve the page on the inherited socket until SIGTERM."""
    language, password = chosen(str(first["language"]), "en"), str(first["password"])
    feed = Feed(Path(str(first["root"])))
    build(feed, Settings(language, ZoneInfo(str(first["timezone"])), login=bool(password)))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    ui.run_with(app, dark=None, tailwind=False, show_welcome_message=False, message_history_length=20)
    server = PageServer(
        uvicorn.Config(
            Guard(app, language, Sessions(password) if password else None),
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            ws_max_size=MAX_MESSAGE,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
    )
    polling = asyncio.create_task(feed.run(), name="feed")
    polling.add_done_callback(lambda _: setattr(server, "should_exit", True))  # a page without news is started anew
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, setattr, server, "should_exit", True)
    await server.serve(sockets=[socket.socket(fileno=int(first["fd"]))])
    feed.close()
    if not polling.done():
        polling.cancel()
        return
    await polling


if __name__ == "__main__":
    main()
