"""Client order ids: the same cause gives the same id, another cause another, and every exchange takes them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.execution.ids import MAX_CLIENT_ID, client_id, group_id, guard_id, short_id

causes = st.tuples(
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.from_regex(r"(removed:)?[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True),
    st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True),
    st.from_regex(r"[A-Z0-9]{1,20}/[A-Z0-9]{1,20}", fullmatch=True),
    st.integers(0, 10**14),
)


@given(causes, st.sampled_from("exs"), st.integers(1, 10**12))
def test_an_id_is_short_and_plain_enough_for_every_exchange(cause, purpose, attempt) -> None:
    identity = client_id(group_id(*cause), purpose, attempt)
    assert re.fullmatch(rf"[a-z0-9_-]{{1,{MAX_CLIENT_ID}}}", identity)
    assert re.fullmatch(rf"[a-z0-9_-]{{1,{MAX_CLIENT_ID}}}", guard_id(group_id(*cause)))


@given(causes, st.sampled_from("exsp"), st.integers(1, 10**12))
def test_where_ids_are_shorter_one_follows_from_ours(cause, purpose, attempt) -> None:
    identity = client_id(group_id(*cause), purpose, attempt)
    assert re.fullmatch(r"[a-z2-7]{18}", short_id(identity, 18))
    assert short_id(identity, 18) == short_id(identity, 18) != short_id(f"{identity}1", 18)
    assert short_id(identity, MAX_CLIENT_ID) == identity


@given(causes)
def test_the_same_cause_gives_the_same_id(cause) -> None:
    assert group_id(*cause) == group_id(*cause)


@given(st.lists(causes, min_size=2, max_size=30, unique=True))
def test_different_causes_give_different_ids(many) -> None:
    assert len({group_id(*cause) for cause in many}) == len(many)


def test_a_hundred_thousand_entries_of_many_strategies_share_no_id() -> None:
    names = {
        group_id("run", f"s{owner}", "paper", "BTC/USDT", 1_700_000_000_000 + 300_000 * bar)
        for owner in range(100)
        for bar in range(1_000)
    }
    assert len(names) == 100_000


def test_orders_of_one_group_are_told_apart_by_purpose_and_number() -> None:
    group = group_id("run", "a", "paper", "BTC/USDT", 1)
    many = {client_id(group, purpose, attempt) for purpose in "exs" for attempt in range(1, 200)} | {guard_id(group)}
    assert len(many) == 3 * 199 + 1


def test_the_id_of_today_is_the_id_of_tomorrow() -> None:
    # a release that changed this would send again what an older one had sent
    assert client_id(group_id("r", "a", "paper", "BTC/USDT", 7), "e", 1) == "atkivytidcj2fzbvbde1"


def test_an_id_that_no_exchange_would_take_is_refused() -> None:
    assert client_id("g" * 32, "e", 1) == "at" + "g" * 32 + "e1"
    with pytest.raises(ValueError, match="longer than 36 characters"):
        client_id("g" * 32, "e", 10)
