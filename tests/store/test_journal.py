"""The journal: what it was told it tells again, exactly; what is durable is; what fails leaves nothing half done."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotrader.core.clock import ManualClock
from autotrader.core.errors import BrokenInvariant, StoreError
from autotrader.execution.ledger import Position, Trade
from autotrader.execution.order_state import DONE, OrderState
from autotrader.execution.orders import Fill, Order
from autotrader.store.journal import Generation, Journal, LegRow, Progress, StateRow

D = Decimal
FULL, NORMAL = 2, 1
same_journal = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

decimals = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
numbers = st.integers(-(2**60), 2**60)
plain_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
orders = st.builds(
    Order,
    client_id=texts,
    venue_id=texts,
    strategy=texts,
    exchange=texts,
    symbol=texts,
    side=st.sampled_from((1, -1)),
    type=st.sampled_from(("market", "limit", "guard")),
    price=st.none() | decimals,
    amount=decimals,
    filled=decimals,
    average=st.none() | decimals,
    state=st.sampled_from(OrderState),
    reason=texts,
    purpose=texts,
    group=texts,
    generation=numbers,
    decision=numbers,
    created_ms=numbers,
    updated_ms=numbers,
)


def fill(fill_id: int = 1, side: int = 1, cost="100", fee="0.1", exchange="paper") -> Fill:
    return Fill(
        fill_id, "at1", exchange, "BTC/USDT", side, D(cost), D(1), D(cost), D(fee), "USDT", 5, True, "entry", "g"
    )


# round trips


@given(orders)
@same_journal
def test_an_order_comes_back_exactly(journal: Journal, order: Order) -> None:
    with journal.write(durable=False):
        journal.order(order)
    assert journal.find_order(order.client_id) == order


@given(
    st.builds(
        LegRow,
        texts,
        texts,
        texts,
        st.builds(Position, *[decimals] * 10, numbers),
        st.dictionaries(texts, plain_data, max_size=4),
    )
)
@same_journal
def test_a_leg_comes_back_exactly(journal: Journal, row: LegRow) -> None:
    with journal.write(durable=False):
        journal.leg(row)
    assert journal.legs() == [row]
    with journal.write(durable=False):
        journal.forget_leg(*row[:3])
    assert journal.legs() == []


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.builds(
        StateRow,
        texts,
        st.integers(0, 99),
        texts,
        st.lists(finite | st.integers(-(2**53), 2**53)),
        st.lists(st.lists(finite, max_size=3), max_size=9),
        numbers,
        numbers,
        st.lists(st.tuples(st.lists(numbers, min_size=6, max_size=6), texts).map(list), max_size=3),
        st.lists(st.lists(numbers, min_size=2, max_size=2), max_size=2),
    )
)
@same_journal
def test_a_state_comes_back_to_the_last_bit(journal: Journal, row: StateRow) -> None:
    with journal.write(durable=False):
        journal.state(row)
    assert journal.states() == {(row.strategy, row.part): row}
    with journal.write(durable=False):
        journal.forget_states(row.strategy)
    assert journal.states() == {}


@given(texts, plain_data)
@same_journal
def test_a_flag_comes_back_and_none_removes_it(journal: Journal, name: str, value) -> None:
    with journal.write(durable=False):
        journal.flag(name, value)
    assert journal.flags() == ({} if value is None else {name: value})
    with journal.write(durable=False):
        journal.flag(name, None)
    assert journal.flags() == {}


def test_generations_come_back_with_their_texts_newest_first(journal: Journal) -> None:
    rows = [
        Generation(1, 10, "start", "start", "h1", {"a.yaml": "x: 1\n", "b.yaml": "y"}, ["start"]),
        Generation(2, 20, "files", "changed", "h2", {"a.yaml": "x: 2\n"}, ["a: x", "b: removed"]),
        Generation(3, 30, "me", "rollback to 1", "h1", {"a.yaml": "x: 1\n", "b.yaml": "y"}, []),
    ]
    for row in rows:
        with journal.write():
            journal.generation(row)
    assert journal.generations(limit=10) == rows[::-1]
    assert journal.generations() == rows[2:]
    assert journal.generations(2) == [rows[1]]
    assert journal.generations(9) == []


def test_progress_is_kept_apart_for_each_exchange(journal: Journal) -> None:
    assert journal.progress_of("paper") == Progress(0, 0, None)
    with journal.write(durable=False):
        journal.progress("paper", 77, D("9000.5"))
        journal.progress("perp", 5, D(1))
    assert journal.progress_of("paper") == Progress(77, 0, D("9000.5"))


def test_amounts_are_written_without_exponents(journal: Journal, path: Path) -> None:
    with journal.write(durable=False):
        journal.leg(LegRow("a", "paper", "B/U", Position(amount=5 * D("1e-8"), realized=D("0E-8")), {}))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT amount, realized FROM legs").fetchone() == ("0.00000005", "0.00000000")


def test_orders_that_may_still_fill_are_told_oldest_first(journal: Journal) -> None:
    def order(name: str, state: OrderState, created_ms: int) -> Order:
        return Order(
            name,
            "",
            "a",
            "paper",
            "B/U",
            1,
            "market",
            None,
            D(1),
            D(0),
            None,
            state,
            "",
            "entry",
            "g",
            1,
            1,
            created_ms,
            0,
        )

    with journal.write(durable=False):
        for number, state in enumerate(OrderState):
            journal.order(order(f"at{number}", state, 100 - number))
    alive = journal.live_orders()
    assert {one.state for one in alive} == set(OrderState) - DONE
    assert [one.created_ms for one in alive] == sorted(one.created_ms for one in alive)


# fills


def test_a_fill_is_taken_once(journal: Journal) -> None:
    with journal.write():
        assert journal.fill(fill(), "a") is True
        assert journal.fill(fill(), "a") is False
        assert journal.fill(fill(exchange="perp"), "a") is True
    assert journal.progress_of("paper").fill_id == 1


def test_the_newest_fill_is_remembered_whatever_their_order(journal: Journal) -> None:
    with journal.write():
        for number in (1, 3, 2):
            journal.fill(fill(number), "a")
    assert journal.progress_of("paper").fill_id == 3


def test_a_fill_and_the_cash_that_it_moved_are_one_write(journal: Journal) -> None:
    # a crash between them once made a bought coin look like a withdrawal
    with journal.write():
        journal.progress("paper", 50, D(1000))
    with journal.write():
        journal.fill(fill(1, 1, "100", "0.1"), "a")
        journal.fill(fill(1, 1, "100", "0.1"), "a")
        journal.fill(fill(2, -1, "130", "0.2"), "a")
    assert journal.progress_of("paper") == Progress(50, 2, D(1000) - D("100.1") + D("129.8"))


def test_a_foreign_fill_moves_no_cash_of_ours(journal: Journal) -> None:
    with journal.write():
        journal.progress("paper", 50, D(1000))
        journal.fill(fill(), "")
    assert journal.progress_of("paper") == Progress(50, 1, D(1000))


def test_before_the_cash_is_known_a_fill_invents_none(journal: Journal) -> None:
    with journal.write():
        journal.fill(fill(), "a")
    assert journal.progress_of("paper") == Progress(0, 1, None)


# transactions


class BoomError(Exception):
    """Something goes wrong in the middle of a write."""


def synchronous(journal: Journal) -> int:
    return journal._db.execute("PRAGMA synchronous").fetchone()[0]


def test_a_durable_write_waits_for_the_disk_and_a_lazy_one_does_not(journal: Journal) -> None:
    with journal.write():
        assert synchronous(journal) == FULL
    with journal.write(durable=False):
        assert synchronous(journal) == NORMAL
    with journal.write(durable=False):
        assert synchronous(journal) == NORMAL
    with journal.write():
        assert synchronous(journal) == FULL


def test_what_fails_inside_leaves_nothing_behind(journal: Journal) -> None:
    def fail() -> None:
        with journal.write():
            journal.flag("killed", "yes")
            raise BoomError

    with pytest.raises(BoomError):
        fail()
    assert journal.flags() == {}
    with journal.write():
        journal.flag("killed", "no")
    assert journal.flags() == {"killed": "no"}


def test_an_inner_write_joins_the_outer_one(journal: Journal) -> None:
    def fail() -> None:
        with journal.write():
            with journal.write():
                journal.flag("inner", 1)
            with journal.write(durable=False):
                journal.flag("lazy", 1)
            raise BoomError

    with pytest.raises(BoomError):
        fail()
    assert journal.flags() == {}


def test_a_durable_write_inside_a_lazy_one_is_a_bug(journal: Journal) -> None:
    def nest() -> None:
        with journal.write(durable=False), journal.write():
            pass

    with pytest.raises(BrokenInvariant, match="durable write was asked for inside a lazy one"):
        nest()
    with journal.write():
        journal.flag("still", "works")


def test_a_second_process_sees_only_what_was_committed(journal: Journal, path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as other:
        with journal.write():
            journal.flag("a", 1)
            assert other.execute("SELECT COUNT(*) FROM flags").fetchone() == (0,)
        assert other.execute("SELECT COUNT(*) FROM flags").fetchone() == (1,)


def fill_the_disk(journal: Journal) -> None:
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_is_a_store_error_and_what_was_there_stays(journal: Journal) -> None:
    with journal.write():
        journal.flag("kept", 1)
    fill_the_disk(journal)

    def write_much() -> None:
        with journal.write():
            for number in range(1_000):
                journal.flag(f"flag {number}", "x" * 500)

    with pytest.raises(StoreError, match=r"autotrader.db cannot be written: database or disk is full"):
        write_much()
    assert journal.flags() == {"kept": 1}
    journal._db.execute("PRAGMA max_page_count = 1000000")
    with journal.write():
        journal.flag("again", 1)
    assert journal.flags() == {"kept": 1, "again": 1}


def test_a_store_that_another_process_holds_is_a_store_error(journal: Journal, path: Path) -> None:
    journal._db.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="database is locked"), journal.write():
            pass


# the file


def test_only_its_owner_may_read_the_store(journal: Journal, path: Path) -> None:
    with journal.write():
        journal.flag("a", 1)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look at" * 50])
def test_a_file_that_is_no_database_is_refused_with_words(path: Path, clock, content) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be opened: file is not a database; name a writable `store`"):
        Journal(path, clock)
    assert path.read_bytes() == content


def test_a_place_where_no_file_can_be_is_refused_with_words(tmp_path: Path, clock) -> None:
    (tmp_path / "var").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot be opened"):
        Journal(tmp_path / "var" / "autotrader.db", clock)


def test_a_journal_keeps_its_name_and_no_two_share_one(path: Path, tmp_path: Path, clock) -> None:
    runs = []
    for place in (path, path, tmp_path / "other.db"):
        journal = Journal(place, clock)
        runs.append(journal.run)
        journal.close()
    assert runs[0] == runs[1] != runs[2]


def test_closing_folds_the_log_into_the_file(path: Path, clock) -> None:
    journal = Journal(path, clock)
    with journal.write():
        journal.flag("a", 1)
    journal.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_was_committed_is_there_when_the_process_never_closed(path: Path, clock, tmp_path: Path) -> None:
    journal = Journal(path, clock)
    with journal.write():
        journal.flag("a", 1)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in path.parent.iterdir():  # what a power cut would leave
        (copy / file.name).write_bytes(file.read_bytes())
    journal.close()
    again = Journal(copy / path.name, clock)
    assert again.flags() == {"a": 1}
    again.close()


# what only grows


def test_pruning_keeps_the_newest_of_each_and_no_more(journal: Journal, clock: ManualClock) -> None:
    with journal.write():
        for number in range(30):
            journal.event(number, "info", "test", "", f"event {number}")
            journal.decision(number, 1, "a", "paper", "B/U", "enter", number, {})
            journal.equity(number, [("paper", D(number), D(0))])
    journal.prune(events=10, equity=5, decisions=20)
    left = {
        table: [row[0] for row in journal._db.execute(f"SELECT ts_ms FROM {table} ORDER BY ts_ms")]
        for table in ("events", "decisions", "equity")
    }
    assert left == {"events": list(range(20, 30)), "decisions": list(range(10, 30)), "equity": list(range(25, 30))}


def test_pruning_an_empty_or_small_journal_removes_nothing(journal: Journal) -> None:
    journal.prune()
    with journal.write():
        journal.event(1, "info", "test", "", "one")
    journal.prune(events=1)
    assert journal._db.execute("SELECT COUNT(*) FROM events").fetchone() == (1,)


def test_pruning_never_touches_orders_fills_and_trades(journal: Journal) -> None:
    trade = Trade(1, 1, D(1), 2, D(2), D(1), D(0), D(1), "exit")
    with journal.write():
        journal.fill(fill(), "a")
        journal.trade(trade, "a", "paper", "B/U", "g")
    journal.prune(events=0, equity=0, decisions=0)
    assert journal._db.execute("SELECT COUNT(*) FROM fills").fetchone() == (1,)
    assert journal._db.execute("SELECT COUNT(*) FROM trades").fetchone() == (1,)
