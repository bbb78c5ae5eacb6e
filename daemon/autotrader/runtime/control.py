"""The control socket: one JSON object a line in, one out, for the machine's owner of the daemon alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import structlog

from autotrader.core.errors import AutotraderError, LockHeld

MAX_REQUEST = 64 * 1024
MAX_CLIENTS = 32
READ_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 10.0
BUSY_TIMEOUT_S = 0.5
"""How long one client too many is listened to before it is sent away."""


BUSY = f"{MAX_CLIENTS} clients are being answered; try again"
NO_REQUEST = f'a request is one line of JSON, at most {MAX_REQUEST} bytes: {{"command": NAME, "arguments": {{...}}}}'

Handler = Callable[[str, dict[str, Any]], Awaitable[Any]]

log = structlog.get_logger("control")


class ControlServer:
    """Answers commands over a Unix socket that only its owner (and root) may use."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. A socket that a dead daemon left behind is replaced; raises LockHeld where one still answers."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if _listens(self._path):
            raise LockHeld(
                f"a daemon already listens on {self._path}; stop it first, or run this one in a folder of its own"
            )
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path=str(self._path), limit=MAX_REQUEST)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening and let go of every client."""
        if self._server is None:
            return
        self._server.close()
        await asyncio.sleep(0)  # whoever was just accepted comes in, so as to be let go like the others
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or not _allowed(writer):
            writer.close()
            return
        busy = len(self._clients) >= MAX_CLIENTS
        self._clients.add(task)
        try:
            async with asyncio.timeout(BUSY_TIMEOUT_S if busy else READ_TIMEOUT_S):
                line = await _line(reader)
            answer = _refusal(BUSY) if busy else await self._answer(line)
            writer.write(orjson.dumps(answer, default=str) + b"\n")
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await writer.drain()
        except (TimeoutError, ConnectionError) as error:
            log.info("a control client went away", error=str(error))
            writer.transport.abort()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._clients.discard(task)

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = orjson.loads(line)
            command, arguments = request["command"], dict(request.get("arguments") or {})
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError):
            return _refusal(NO_REQUEST)
        try:
            return {"ok": True, "result": await self._handler(str(command), arguments)}
        except AutotraderError as error:
            return _refusal(str(error))


def _refusal(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Return the first line; nothing where it is longer than a request may be, or where the client is gone."""
    try:
        return await reader.readline()
    except ValueError:
        return b""


def _listens(path: Path) -> bool:
    """Say whether somebody answers there. A socket that its process left behind refuses at once."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        try:
            sock.connect(str(path))
        except BlockingIOError:
            return True  # it listens, and its queue is full
        except OSError:
            return False
    return True


def _allowed(writer: asyncio.StreamWriter) -> bool:
    sock = writer.get_extra_info("socket")
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid in {0, os.getuid()}
