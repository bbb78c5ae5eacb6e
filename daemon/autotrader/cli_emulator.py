"""The emulator's command: an exchange on loopback, for clients to be tried against."""

from __future__ import annotations

import argparse
import asyncio
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from autotrader.cli_output import print_json
from autotrader.core.clock import iso

if TYPE_CHECKING:
    from autotrader.venues.emulator.serve import Standing


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of recorded history")
    command.add_argument("--port", type=_port, required=True, metavar="N", help="on 127.0.0.1; 0 takes a free one")
    command.add_argument("--exchange", default="binance", metavar="NAME", help="whose history; default binance")
    command.add_argument("--faults", type=Path, metavar="FILE", help="what goes wrong on purpose")
    command.add_argument("--state", type=Path, metavar="FILE", help="keep orders and balances there; else in memory")
    command.add_argument(
        "--balance", type=_balance, action="append", default=[], metavar="ASSET=AMOUNT",
        help="what the account starts with; left out: some of everything",
    )  # fmt: skip


def emulate(arguments: argparse.Namespace) -> None:
    """Serve until the process is told to stop."""
    from autotrader.venues.emulator.serve import serve

    asyncio.run(
        serve(
            arguments.data,
            arguments.exchange,
            arguments.port,
            faults=arguments.faults,
            state=arguments.state,
            balances=dict(arguments.balance),
            ready=lambda standing: _tell(arguments, standing),
        )
    )


def _tell(arguments: argparse.Namespace, standing: Standing) -> None:
    if arguments.json:
        print_json({"ok": True, **standing._asdict()})
    else:
        told = (
            f"{standing.exchange} on {standing.url}: {', '.join(standing.symbols)}\n"
            f"the market stands at {iso(standing.market_ms)} UTC, {standing.shift_days} days ago, "
            f"and ends at {iso(standing.end_ms)} UTC\n"
        )
        sys.stdout.write(told)
    sys.stdout.flush()


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65_535:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is no port; write a number from 0 to 65535")


def _balance(text: str) -> tuple[str, Decimal]:
    asset, _, amount = text.partition("=")
    if asset.isalnum() and amount.replace(".", "", 1).isdecimal() and len(amount) <= 20:
        return asset.upper(), round(Decimal(amount), 8)
    raise argparse.ArgumentTypeError(f"'{text}' is no balance; write it as USDT=10000")
