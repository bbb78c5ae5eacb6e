"""Which of the contract's files are valid today, by name: an issue that brings more of them moves this list."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from autotrader.app import Loader

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("AUTOTRADER_DATA") or REPOSITORY.parent / "shared" / "data").parent
CONTRACT = SHARED / "contract"
BASE = ("exchanges.d/paper.yaml", "exchanges.d/perp.yaml", "risk.d/default.yaml")

VALID_OF_CONTRACT = {
    "exchanges.d/binance.yaml",
    "exchanges.d/paper.yaml",
    "exchanges.d/perp.yaml",
    "exchanges.d/upbit.yaml",
    "risk.d/default.yaml",
    "strategies.d/btc-trend.yaml",
    "strategies.d/grid.yaml",
}
CONTRACT_FILES = 19
SHIPPED = {
    "autotrader.yaml",
    "exchanges.d/paper.yaml",
    "exchanges.d/perp.yaml",
    "risk.d/default.yaml",
    "strategies.d/breakout.yaml",
    "strategies.d/btc-grid.yaml",
    "strategies.d/btc-trend.yaml",
    "strategies.d/dip-in-uptrend.yaml",
    "strategies.d/eth-pullback.yaml",
    "strategies.d/perp-both-ways.yaml",
}


def files_of(folder: Path) -> list[str]:
    names = [folder / "autotrader.yaml", *folder.glob("*.d/*.yaml")]
    return sorted(str(path.relative_to(folder)) for path in names)


def valid(folder: Path, scratch: Path) -> set[str]:
    """Return the files that are accepted by themselves, beside the folder's own exchanges and limits."""
    found = set()
    for name in files_of(folder):
        root = scratch / name.replace("/", "_")
        for needed in (*BASE, name):
            (root / needed).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / needed, root / needed)
        secret = root / "secrets" / "binance_secret"
        secret.parent.mkdir()
        secret.touch(0o600)
        secret.write_text("a-secret-for-tests", encoding="utf-8")
        if not Loader(root)().problems:
            found.add(name)
    return found


def test_the_contracts_files_that_are_valid_today_are_these(tmp_path, monkeypatch):
    """In a clone that lies beside no contract, the shipped files are what there is to look at."""
    monkeypatch.setenv("BINANCE_KEY", "a-key-for-tests")
    folder, expected, count = (
        (CONTRACT, VALID_OF_CONTRACT, CONTRACT_FILES) if CONTRACT.is_dir() else (REPOSITORY, SHIPPED, len(SHIPPED))
    )
    assert len(files_of(folder)) == count
    assert valid(folder, tmp_path) == expected


def test_every_shipped_file_is_valid_by_itself(tmp_path):
    assert valid(REPOSITORY, tmp_path) == SHIPPED
