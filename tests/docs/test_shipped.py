"""What is shipped works as it lies there: the declarations are valid and trade, the schemas are current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autotrader.app import Loader, write_schemas
from autotrader.store import queries
from autotrader.strategies import registry
from autotrader.strategies.rules import Params
from support.harness import Harness

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_shipped_declarations_are_valid_without_a_warning():
    loaded = Loader(REPOSITORY)()
    assert [problem.render() for problem in (*loaded.problems, *loaded.warnings)] == []


def test_the_committed_schemas_are_those_that_the_command_writes(tmp_path):
    written = {path.name: path.read_text(encoding="utf-8") for path in write_schemas(tmp_path)}
    committed = {path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / "schemas").iterdir()}
    assert committed == written, "run  make schemas"


@pytest.mark.parametrize(
    "path", [REPOSITORY / "autotrader.yaml", *REPOSITORY.glob("*.d/*.yaml")], ids=lambda path: path.name
)
def test_a_shipped_file_names_a_schema_that_is_there(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    schema = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert schema is not None
    assert (path.parent / schema[1]).is_file()


def test_the_shipped_strategies_show_what_there_is():
    declared = Loader(REPOSITORY)().declarations.strategies.values()
    assert {one.kind for one in declared} == set(registry.kinds())
    strategies = [one for one in declared if isinstance(one, Params)]
    assert len(strategies) >= 4
    assert {"percent", "notional", "volatility"} <= {one.size.kind for one in strategies}
    assert {"market", "limit"} == {one.execution.kind for one in strategies}
    assert any(one.enter_short for one in strategies)
    assert any(one.exits.trailing_stop for one in strategies)
    assert any('timeframe="' in text for one in strategies for text in one.let.values())


async def test_every_shipped_strategy_trades_within_a_day_of_the_embedded_market(shipped):
    for path in shipped.glob("exchanges.d/*.yaml"):
        path.write_text(path.read_text(encoding="utf-8").replace("speed: 60x", "speed: 1x"), encoding="utf-8")
    world = Harness(shipped)
    daemon = await world.start()
    reader = queries.Reader(shipped / "var" / "autotrader.db")

    def everyone_traded() -> bool:
        traded = {row["strategy"] for row in reader.rows(queries.FILLS, 1_000)}
        return traded == set(daemon.loop.strategies)

    try:
        await world.until(everyone_traded, bars=24 * 12)
        refused = [row for row in reader.rows(queries.LOGS, 1_000) if row["level"] in {"warning", "error"}]
        assert refused == []
    finally:
        reader.close()
        await world.stop()
