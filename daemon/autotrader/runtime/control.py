"""The control socket: one JSON object a line in, one out, for the machine's owner of the daemon alone."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import struct
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import structlog

from autotrader.core.errors import AutotraderError, ControlError

MAX_REQUEST = 64 * 1024
MAX_CLIENTS = 32
MAX_SOCKET_PATH = 100
READ_TIMEOUT_S = 10.0

Handler = Callable[[str, dict[str, Any]], Awaitable[Any]]

log = structlog.get_logger("control")


def socket_path(root: Path) -> Path:
    """Return where the socket of a configuration folder lies; a shorter place where its own path is too long."""
    path = root / "var" / "autotrader.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    return runtime / f"autotrader-{os.getuid()}-{digest}.sock"


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


def ask(root: Path, command: str, arguments: dict[str, Any] | None = None, timeout_s: float = 60.0) -> Any:
    """Send one command to the daemon of a configuration folder and return its result.

    Raises ControlError when no daemon answers or when it refuses.
    """
    path = socket_path(root)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect(str(path))
            sock.sendall(orjson.dumps({"command": command, "arguments": arguments or {}}) + b"\n")
            chunks = []
            while chunk := sock.recv(1 << 16):
                chunks.append(chunk)
        except (FileNotFoundError, ConnectionRefusedError):
            raise ControlError(f"no daemon runs in {root}; start it with `autotrader run`") from None
        except TimeoutError:
            raise ControlError(f"the daemon in {root} did not answer within {timeout_s:.0f} s") from None
        except OSError as error:
            raise ControlError(f"the daemon in {root} cannot be reached: {error}") from error
    if not chunks:
        raise ControlError(f"the daemon in {root} closed the connection without an answer")
    try:
        answer = orjson.loads(b"".join(chunks))
    except orjson.JSONDecodeError:
        raise ControlError(f"the daemon in {root} ended in the middle of its answer") from None
    if not answer["ok"]:
        raise ControlError(answer["error"])
    return answer["result"]
