import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.dashboard.sessions import (
    ALL_TRIES,
    MAX_ADDRESSES,
    MAX_ENDED,
    SESSION_S,
    TRIES,
    WINDOW_S,
    Attempts,
    Sessions,
    network,
)


class Hand:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now_s = 1_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def hand():
    return Hand()


@pytest.fixture
def sessions(hand):
    return Sessions("hunter2", hand)


@pytest.fixture
def attempts(hand):
    return Attempts(hand)


def test_only_the_password_is_right(sessions):
    assert sessions.right("hunter2")
    assert not sessions.right("hunter")
    assert not sessions.right("")


def test_a_session_is_valid_until_it_expires(sessions, hand):
    token = sessions.begin()
    assert sessions.valid(token)
    hand.now_s += SESSION_S + 1
    assert not sessions.valid(token)


def test_a_session_that_was_logged_out_is_not_valid_any_more(sessions):
    token, other = sessions.begin(), sessions.begin()
    sessions.end(token)
    assert not sessions.valid(token)
    assert sessions.valid(other)


def test_another_process_does_not_take_our_tokens(sessions, hand):
    assert not Sessions("hunter2", hand).valid(sessions.begin())


@given(st.data())
def test_a_token_with_any_character_changed_is_refused(data):
    sessions = Sessions("hunter2", lambda: 0.0)
    token = sessions.begin()
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="latin-1").filter(lambda c: c != token[at]))
    assert not sessions.valid(token[:at] + other + token[at + 1 :])


@given(st.text(max_size=300))
def test_no_text_that_we_did_not_sign_is_a_token(text):
    assert not Sessions("hunter2", lambda: 0.0).valid(text)


def test_what_is_remembered_of_logouts_is_bounded(sessions):
    witness = sessions.begin()
    for _ in range(MAX_ENDED + 1):
        sessions.end(sessions.begin())
    assert len(sessions._ended) <= MAX_ENDED
    assert not sessions.valid(witness)  # a new secret ended them all


def test_after_a_few_wrong_passwords_an_address_waits_for_the_window_to_pass(attempts, hand):
    for _ in range(TRIES):
        assert attempts.wait_s("192.0.2.1") == 0
        attempts.failed("192.0.2.1")
    wait_s = attempts.wait_s("192.0.2.1")
    assert 0 < wait_s <= WINDOW_S + 1
    assert attempts.wait_s("192.0.2.2") == 0
    hand.now_s += wait_s
    assert attempts.wait_s("192.0.2.1") == 0


def test_many_addresses_together_are_slowed_too(attempts):
    for number in range(ALL_TRIES):
        attempts.failed(f"192.0.2.{number}")
    assert attempts.wait_s("203.0.113.9") > 0


def test_one_ipv6_subscriber_is_one_address():
    assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("not an address") == ""


def test_what_is_remembered_of_attempts_is_bounded(attempts):
    for number in range(MAX_ADDRESSES + 50):
        attempts.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(attempts._by_address) == MAX_ADDRESSES
    assert len(attempts._all) == ALL_TRIES
