"""What people ask the journal: the shapes of CONTRACT.md, read without disturbing who writes."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from autotrader.core.errors import StoreError
from autotrader.execution.ledger import Position, Trade
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import Fill, Order
from autotrader.store import queries
from autotrader.store.journal import Generation, Journal, LegRow
from autotrader.store.queries import Reader

D = Decimal
REST = {"guard": ["0.02", "0.04", None], "locked": ""}


@pytest.fixture
def reader(journal: Journal, path: Path):
    with journal.write():
        decision = journal.decision(900, 3, "a", "paper", "BTC/USDT", "enter", 7, {"share": "1000", "exposure": 1.0})
        for number, side in ((1, 1), (2, -1)):
            journal.order(
                Order(
                    f"at{number}", f"v{number}", "a", "paper", "BTC/USDT", side, "limit", D("100.5"), D("0.25"),
                    D("0.1"), D("100.25"), OrderState.PARTIAL, "entry", "entry", "g", 3, decision, 1_000 * number,
                    9_000,
                )
            )  # fmt: skip
            journal.fill(
                Fill(number, f"at{number}", "paper", "BTC/USDT", side, D("100.25"), D("0.1"), D("10.025"), D("0.01"),
                     "USDT", 2_000 * number, True, "entry", "g"),
                "a",
            )  # fmt: skip
        for number, side in ((1, 1), (2, -1)):
            journal.trade(
                Trade(side, 1_000, D(100), 2_000 + number, D(101), D("0.1"), D("0.02"), D("0.08"), "stop_loss"),
                "a", "paper", "BTC/USDT", "g",
            )  # fmt: skip
        journal.generation(Generation(1, 5, "start", "start", "h", {"autotrader.yaml": ""}, ["start"]))
        journal.generation(Generation(2, 6, "files", "changed", "i", {}, ["a: b", "c, d"]))
        journal.event(3, "warning", "breach", "max_drawdown", "it came to 9")
        journal.equity(60_000, [("paper", D("1000.5"), D(10)), ("perp", D(2000), D(20))])
        journal.equity(120_000, [("paper", D(1001), D(10)), ("perp", D(2000), D(20))])
    one = Reader(path)
    yield one
    one.close()


def test_an_order_has_the_keys_of_the_contract_in_its_order(reader: Reader) -> None:
    newest = reader.rows(queries.ORDERS)[0]
    assert list(newest) == [
        "client_id", "venue_id", "strategy", "exchange", "symbol", "side", "type", "price", "amount", "filled",
        "average", "state", "reason", "generation", "created_ts", "updated_ts",
    ]  # fmt: skip
    assert newest == {
        "client_id": "at2", "venue_id": "v2", "strategy": "a", "exchange": "paper", "symbol": "BTC/USDT",
        "side": "sell", "type": "limit", "price": "100.5", "amount": "0.25", "filled": "0.1", "average": "100.25",
        "state": "partial", "reason": "entry", "generation": 3, "created_ts": 2_000, "updated_ts": 9_000,
    }  # fmt: skip


def test_a_fill_has_the_keys_of_the_contract_and_why_it_happened(reader: Reader) -> None:
    assert reader.rows(queries.FILLS)[1] == {
        "client_id": "at1", "strategy": "a", "exchange": "paper", "symbol": "BTC/USDT", "side": "buy",
        "price": "100.25", "amount": "0.1", "fee": "0.01", "fee_currency": "USDT", "ts": 2_000, "reason": "entry",
    }  # fmt: skip


def test_a_trade_has_the_columns_of_the_backtests_file_in_their_order(reader: Reader) -> None:
    newest, older = reader.rows(queries.TRADES)
    assert list(newest) == [
        "strategy", "symbol", "side", "entry_ts", "entry_price", "exit_ts", "exit_price", "amount", "fees", "pnl",
        "reason",
    ]  # fmt: skip
    assert (newest["side"], older["side"]) == ("short", "long")
    assert (older["entry_price"], older["pnl"], older["exit_ts"]) == ("100", "0.08", 2_001)


def test_money_and_amounts_are_decimal_text_and_times_are_milliseconds(reader: Reader) -> None:
    for query in (queries.ORDERS, queries.FILLS, queries.TRADES):
        for row in reader.rows(query):
            for key, value in row.items():
                if key.endswith("ts") or key == "generation":
                    assert type(value) is int, key
                else:
                    assert type(value) is str, key


def test_a_generations_changes_are_a_list_and_a_decisions_detail_an_object(reader: Reader) -> None:
    assert [row["changes"] for row in reader.rows(queries.HISTORY)] == [["a: b", "c, d"], ["start"]]
    assert list(reader.rows(queries.HISTORY)[0]) == ["number", "at", "who", "why", "hash", "changes"]
    assert reader.rows(queries.DECISIONS)[0]["detail"] == {"share": "1000", "exposure": 1.0}


def test_an_event_tells_both_clocks(reader: Reader) -> None:
    assert reader.rows(queries.LOGS) == [
        {"at": 1_700_000_000_000, "ts": 3, "level": "warning", "kind": "breach", "subject": "max_drawdown",
         "message": "it came to 9"}
    ]  # fmt: skip


def test_the_equity_of_all_exchanges_is_one_curve_oldest_first(reader: Reader) -> None:
    assert reader.rows(queries.EQUITY) == [{"ts": 60_000, "equity": 3000.5}, {"ts": 120_000, "equity": 3001.0}]


@pytest.mark.parametrize(("limit", "rows"), [(1, 1), (2, 2), (100, 2), (10**9, 2), (0, 0), (-1, 0)])
def test_a_limit_is_a_limit_whatever_is_asked(reader: Reader, limit: int, rows: int) -> None:
    assert len(reader.rows(queries.ORDERS, limit)) == rows


@pytest.mark.parametrize(("amount", "stop", "take"), [(D(2), "98", "104"), (D(-2), "102", "96")], ids=["long", "short"])
def test_an_open_position_is_told_with_its_entry_its_exits_and_what_it_banked(
    journal: Journal, path: Path, amount, stop, take
) -> None:
    side = 1 if amount > 0 else -1
    position = Position(
        amount, D(3), D(300), D(1), D(100) + side * 10, D("0.5"), D("-3.25"), D(300), open_cost=D(200), opened_ms=4_000
    )
    with journal.write():
        journal.leg(LegRow("a", "paper", "BTC/USDT", position, REST))
        journal.leg(LegRow("b", "paper", "BTC/USDT", Position(realized=D(9)), REST))
    reader = Reader(path)
    assert reader.positions() == [
        {
            "strategy": "a", "exchange": "paper", "symbol": "BTC/USDT", "amount": str(amount), "entry_price": "100",
            "last_price": None, "unrealized": None, "realized": "6.25", "stop": stop, "take": take, "opened": 4_000,
            "locked": "",
        }
    ]  # fmt: skip
    reader.close()


def test_reading_goes_on_while_the_daemon_writes_and_never_blocks_it(journal: Journal, reader: Reader) -> None:
    with journal.write():
        journal.event(4, "info", "test", "", "not yet committed")
        assert len(reader.rows(queries.LOGS)) == 1
    assert len(reader.rows(queries.LOGS)) == 2


def test_a_reader_cannot_write(reader: Reader) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM orders")


def test_where_there_is_no_store_it_says_who_makes_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store at .*none.db yet; `autotrader run` makes it"):
        Reader(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("name", ["with space.db", "what?.db", "100%.db", "#1.db"])
def test_any_name_of_a_file_is_read(tmp_path: Path, clock, name: str) -> None:
    Journal(tmp_path / name, clock).close()
    reader = Reader(tmp_path / name)
    assert reader.rows(queries.ORDERS) == []
    reader.close()


def test_a_file_that_is_no_store_is_told_with_words(tmp_path: Path) -> None:
    path = tmp_path / "autotrader.db"
    path.write_bytes(b"x" * 4096)
    reader = Reader(path)
    for ask in (lambda: reader.rows(queries.ORDERS), reader.positions):
        with pytest.raises(StoreError, match="cannot be read: file is not a database"):
            ask()
    reader.close()
