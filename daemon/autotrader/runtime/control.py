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

from autotrader.core.errors import AutotraderError

MAX_REQUEST = 64 * 1024
MAX_CLIENTS = 32
READ_TIMEOUT_S = 10.0

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
        """Listen. A socket that a dead daemon left behind is replaced."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path=str(self._path), limit=MAX_REQUEST)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening and let go of every client."""
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.cancel()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._clients) >= MAX_CLIENTS or not _allowed(writer):
            writer.close()
            return
        self._clients.add(task)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                line = await reader.readline()
            writer.write(orjson.dumps(await self._answer(line), default=str) + b"\n")
            await writer.drain()
        except (TimeoutError, ConnectionError, ValueError) as error:
            log.info("a control client went away", error=str(error))
        finally:
            self._clients.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = orjson.loads(line)
            command, arguments = request["command"], request.get("arguments", {})
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return {"ok": False, "error": 'a request is one line of JSON: {"command": NAME, "arguments": {...}}'}
        try:
            return {"ok": True, "result": await self._handler(str(command), dict(arguments))}
        except AutotraderError as error:
            return {"ok": False, "error": str(error)}


def _allowed(writer: asyncio.StreamWriter) -> bool:
    sock = writer.get_extra_info("socket")
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid in {0, os.getuid()}
