"""Configuration folders for tests: small and valid, on recorded history where it is there, else on generated bars."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def history() -> Path | None:
    """Return the folder of recorded market data, or None in a clone that has none."""
    folder = Path(os.environ.get("AUTOTRADER_DATA", REPOSITORY.parent / "shared" / "data"))
    return folder if (folder / "candles").is_dir() else None


def source(speed: str, *, recorded: bool = True) -> str:
    """Return the lines of an exchange file that say where its prices come from."""
    data = history() if recorded else None
    if data is None:
        return f"generate: {{seed: 7, symbols: [BTC/USDT, ETH/USDT], speed: {speed}}}"
    return f"replay: {{data: {data}, exchange: binance, speed: {speed}}}"


def rules(fast: int = 12, slow: int = 26, *, symbols: str = "BTC/USDT, ETH/USDT", more: str = "", **keys: str) -> str:
    """Return a rules strategy that crosses two averages; `keys` replace or add top-level lines."""
    lines = {
        "kind": "rules",
        "exchange": "paper",
        "symbols": f"[{symbols}]",
        "timeframe": "5m",
        "capital": "8%",
        "enter_long": f"crosses_above(ema(close, {fast}), ema(close, {slow}))",
        "exit_long": f"crosses_below(ema(close, {fast}), ema(close, {slow}))",
        "exits": "{stop_loss: 1%, take_profit: 2%, trailing_stop: 0.8%}",
        "on_remove": "close",
    } | keys
    return "".join(f"{key}: {value}\n" for key, value in lines.items() if value) + more


def write(root: Path, files: dict[str, str]) -> Path:
    """Write files below a folder and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def folder(root: Path, strategies: dict[str, str], *, speed: str = "max", recorded: bool = True, **files: str) -> Path:
    """Write a whole configuration folder with a paper exchange and the named strategies."""
    paper = (
        "kind: simulated\nmarket: spot\nbalances: {USDT: 10000}\nfees: {maker: 0.1%, taker: 0.1%}\nslippage: 2bps\n"
        + source(speed, recorded=recorded)
        + "\n"
    )
    written = {"autotrader.yaml": "dashboard: {port: 0}\n", "exchanges.d/paper.yaml": paper}
    written |= {f"strategies.d/{name}.yaml": text for name, text in strategies.items()}
    return write(root, written | files)
