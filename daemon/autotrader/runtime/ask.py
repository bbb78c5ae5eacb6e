"""Asking the daemon: the client's side of the control socket. It imports little, for `status` must answer at once."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import orjson

from autotrader.core.errors import ControlError

MAX_SOCKET_PATH = 100


def socket_path(root: Path) -> Path:
    """Return where the socket of a configuration folder lies; a shorter place where its own path is too long."""
    path = root / "var" / "autotrader.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    return runtime / f"autotrader-{os.getuid()}-{digest}.sock"


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
