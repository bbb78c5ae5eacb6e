"""What `autotrader doctor` looks at: whether this machine, this folder and these exchanges are fit to trade.

Nothing is changed, and no order is sent. Each finding names its remedy. What cannot be found out is a warning.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from autotrader.app import Loader
from autotrader.app_venues import make_client
from autotrader.config.ccxt_exchange import CcxtExchange
from autotrader.config.exchanges import is_live
from autotrader.core.clock import SystemClock
from autotrader.core.errors import AutotraderError
from autotrader.core.paths import store_of
from autotrader.runtime.ask import ask
from autotrader.venues.ccxt.client import CcxtClient
from autotrader.venues.ccxt.rights import ASKED, check_rights

State = Literal["ok", "warning", "failed"]

FULL_BYTES, LOW_BYTES = 500 << 20, 5 << 30
"""Free space below which a journal is in danger, and below which somebody should look."""

SLOW_MS = 20.0
"""A durable write that takes longer holds every order up for as long."""

OFF_MS = 1_000
"""A machine's clock that is further off makes logs and schedules lie; orders are signed by the exchange's own time."""

WRITES = 20
TIME_ERROR = 5
"""What the kernel answers while nothing keeps its clock right."""

UNIT = "autotrader.service"
ASK_S = 10.0


class Finding(NamedTuple):
    """One thing that was looked at, how it is, and what to do where it is not well."""

    what: str
    state: State
    told: str
    remedy: str = ""


def examine(root: Path | None) -> Iterator[Finding]:
    """Yield what is found, one by one as it comes. `root` is the configuration folder; None where there is none."""
    yield _python()
    yield _clock()
    yield from _disk(store_of(root).parent if root is not None else Path.cwd())
    yield _gpu()
    yield _unit()
    if root is None:
        yield Finding("configuration", "warning", "none here", "go to its folder, or name it with -c")
        return
    loaded = Loader(root)()
    if loaded.declarations is None:
        told = "1 error" if len(loaded.problems) == 1 else f"{len(loaded.problems)} errors"
        yield Finding("configuration", "failed", told, "`autotrader check` tells each with its place")
        return
    yield Finding("configuration", "ok", f"{len(loaded.files)} files valid, {len(loaded.warnings)} warnings")
    yield _daemon(root)
    for name, declared in sorted(loaded.declarations.exchanges.items()):
        if isinstance(declared, CcxtExchange):
            yield from asyncio.run(_exchange(name, declared))
        else:
            yield Finding(f"exchange {name}", "ok", "embedded")


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", "ok", f"{version}, {os.cpu_count()} cores")


def _clock() -> Finding:
    """Ask the kernel whether something keeps its clock right."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        told = libc.adjtimex(ctypes.create_string_buffer(512))  # all zeros: it is only asked
    except (OSError, AttributeError):
        told = -1
    if told == TIME_ERROR:
        remedy = "install chrony or systemd-timesyncd; in a container, on its host"
        return Finding("clock", "warning", "nothing keeps it right", remedy)
    if told < 0:
        return Finding("clock", "warning", "the kernel does not say whether it is kept right", "see `timedatectl`")
    return Finding("clock", "ok", "kept right")


def _disk(folder: Path) -> Iterator[Finding]:
    """Look at the place where the journal lies, or the nearest folder above it that is there."""
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    told = f"{free / (1 << 30):.1f} GiB free at {folder}"
    if free < LOW_BYTES:
        yield Finding("disk", "failed" if free < FULL_BYTES else "warning", told, "make room, or move the folder")
    else:
        yield Finding("disk", "ok", told)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            took = []
            for _ in range(WRITES):
                began_s = time.perf_counter()
                os.pwrite(file.fileno(), b"a" * 4096, 0)
                os.fsync(file.fileno())
                took.append((time.perf_counter() - began_s) * 1000)
    except OSError as error:
        yield Finding("durable writes", "failed", str(error), f"{folder} must belong to whoever runs the daemon")
        return
    usual, worst = statistics.median(took), max(took)
    told = f"{usual:.2f} ms, {worst:.2f} ms at the most of {WRITES}"
    slow = usual > SLOW_MS
    yield Finding("durable writes", "warning" if slow else "ok", told, "use a faster disk: orders wait" if slow else "")


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("gpu", "warning", "torch is not installed", "install the package as README says")
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return Finding("gpu", "ok", ", ".join(names))
    return Finding("gpu", "ok", "none: the CPU does all of it")


def _unit() -> Finding:
    systemctl = shutil.which("systemctl")
    if systemctl is None or not Path("/run/systemd/system").is_dir():
        return Finding("systemd", "ok", "does not run here; start it with `autotrader run`")
    told: dict[str, str] = {}
    for question in ("is-enabled", "is-active"):
        done = subprocess.run(  # noqa: S603 - systemd's own tool, with fixed words
            [systemctl, question, UNIT], capture_output=True, text=True, timeout=ASK_S, check=False
        )
        told[question] = done.stdout.strip() or "not found"
    state, text = told["is-active"], f"{UNIT} is {told['is-enabled']} and {told['is-active']}"
    if state == "failed":
        return Finding("systemd", "failed", text, f"`journalctl -u {UNIT}` says why")
    installed = told["is-enabled"] not in {"not found", "not-found"}
    remedy = "" if installed else "systemd/install.sh puts it in place"
    return Finding("systemd", "ok" if installed else "warning", text, remedy)


def _daemon(root: Path) -> Finding:
    try:
        told = ask(root, "status", {})
    except AutotraderError:
        return Finding("daemon", "ok", "does not run on this folder")
    return Finding("daemon", "ok", f"runs, generation {told['generation']}, mode {told['mode']}")


async def _exchange(name: str, declared: CcxtExchange) -> list[Finding]:
    """Ask an exchange for its time, its markets, and where orders are live what the key may do."""
    where, found, clock = f"exchange {name}", list[Finding](), SystemClock()
    client = make_client(clock, name, declared)
    began_s = time.perf_counter()
    try:
        await client.open()
        took_ms = (time.perf_counter() - began_s) * 1000
        markets, off_ms = len(client.ticks()), clock.now_ms() - client.now_ms()
        told = f"{declared.id}, {markets} {declared.market} markets within {took_ms:.0f} ms"
        found.append(Finding(where, "ok", told))
        far = abs(off_ms) > OFF_MS
        remedy = "let something keep this machine's clock right" if far else ""
        found.append(Finding(f"{where} clock", "warning" if far else "ok", f"ours is {off_ms:+d} ms off", remedy))
        if is_live(declared):
            found.append(await _key(client, declared, where))
    except AutotraderError as error:
        remedy = "look at url, credentials, the network and the exchange's own status page"
        found.append(Finding(where, "failed", str(error), remedy))
    finally:
        await client.close()
    return found


async def _key(client: CcxtClient, declared: CcxtExchange, where: str) -> Finding:
    await client.read("fetch_balance")
    await check_rights(client)
    if declared.id not in ASKED or declared.url:
        return Finding(f"{where} key", "warning", "reads; the exchange does not tell whether it may withdraw",
                       "look at the exchange's own page that it may not")  # fmt: skip
    return Finding(f"{where} key", "ok", "reads and trades, and may not withdraw")
