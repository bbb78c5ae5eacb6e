"""The example of each real exchange is accepted as it lies there, and with every commented line switched on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autotrader.app import Loader

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((REPOSITORY / "exchanges.d").glob("*.example"))
NAMES = {"binance", "binance-swap", "bithumb", "bybit", "coinbase", "kraken", "okx", "upbit"}
COMMENTED = re.compile(r"^# ( *[a-z_]+:(?: .*)?)$", re.MULTILINE)
ONLY_PAPER = re.compile(r"^(orders: paper|balances:).*\n", re.MULTILINE)
REFERENCE = re.compile(r"\$\{file:(\w+)\}")


def named(path: Path) -> str:
    return path.name.removesuffix(".yaml.example")


@pytest.fixture
def alone(shipped):
    """Give the shipped folder without its examples, where secrets can be laid down."""
    for path in shipped.glob("exchanges.d/*.example"):
        path.unlink()
    (shipped / "secrets").mkdir()
    return shipped


def test_the_examples_are_these():
    assert {named(path) for path in EXAMPLES} == NAMES


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_an_example_is_accepted_once_it_is_copied(alone, path):
    text = path.read_text(encoding="utf-8")
    assert f"exchanges.d/{named(path)}.yaml" in text
    (alone / "exchanges.d" / f"{named(path)}.yaml").write_text(text, encoding="utf-8")
    loaded = Loader(alone)()
    assert [one.render() for one in (*loaded.problems, *loaded.warnings)] == []
    declared = loaded.declarations.exchanges[named(path)]
    assert (declared.kind, declared.orders, declared.credentials) == ("ccxt", "paper", None)


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_an_example_is_accepted_with_every_line_switched_on(alone, path):
    whole = COMMENTED.sub(r"\1", path.read_text(encoding="utf-8"))
    live = "\norders: live" in whole
    if live:
        whole = ONLY_PAPER.sub("", whole)
    for name in REFERENCE.findall(whole):
        secret = alone / "secrets" / name
        secret.touch(0o600)
        secret.write_text("a-secret-for-tests", encoding="utf-8")
    (alone / "exchanges.d" / f"{named(path)}.yaml").write_text(whole, encoding="utf-8")
    main = alone / "autotrader.yaml"
    main.write_text(main.read_text(encoding="utf-8").replace("mode: paper", "mode: live"), encoding="utf-8")
    loaded = Loader(alone)()
    assert [one.render() for one in (*loaded.problems, *loaded.warnings)] == []
    declared = loaded.declarations.exchanges[named(path)]
    assert declared.orders == ("live" if live else "paper")
    assert declared.budget is not None
    assert declared.fees is not None
    if live:
        assert (declared.unprotected == "accept") == (not declared.keeps_stops)
