import ast
import re
import string
from pathlib import Path

import pytest

from autotrader import dashboard
from autotrader.core.language import LANGUAGES
from autotrader.dashboard.words import TEXTS, Words, chosen
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import Reason

SOURCES = sorted(Path(dashboard.__file__).parent.glob("*.py"))
HANGUL = re.compile("[가-힣]")
SAME_IN_BOTH = {"title"}


def called_keys():
    """Every key that the sources name: `words("key")`, columns `("col.x", ...)`, and panels and buttons by name."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in {"words", "_words", "_button", "_title"} or (name == "_panel"):
                    yield node.args[0].value
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("col."):
                yield node.value


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_key_that_the_sources_name_is_in_the_table():
    named = set(called_keys())
    assert len(named) > 60
    assert named <= set(TEXTS)


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_a_text_says_the_same_in_both_languages(key):
    both = TEXTS[key]
    assert both.en.strip()
    assert both.ko.strip()
    assert placeholders(both.en) == placeholders(both.ko)


@pytest.mark.parametrize("key", sorted(set(TEXTS) - SAME_IN_BOTH - {"other_language"}))
def test_korean_is_written_in_hangul_and_english_is_not(key):
    assert HANGUL.search(TEXTS[key].ko)
    assert not HANGUL.search(TEXTS[key].en)


@pytest.mark.parametrize("group", ["plan", "none", "done", "limit", "reload"])
def test_keys_made_at_run_time_are_in_the_table(group):
    wanted = {
        "plan": ["refused", "confirm", "changes", "starts", "stops", "restarts", "positions", "cancels", "stops_moved",
                 "waiting"],
        "none": ["strategies", "positions", "orders", "fills", "trades", "events"],
        "done": ["pause", "resume", "kill", "unlock", "reload"],
        "limit": ["max_daily_loss", "max_drawdown", "max_exposure", "max_open_positions"],
        "reload": ["applied", "unchanged", "rejected", "needs_confirmation"],
    }[group]  # fmt: skip
    assert {f"{group}.{name}" for name in wanted} <= set(TEXTS)


@pytest.mark.parametrize("state", list(OrderState))
def test_every_order_state_has_a_word(state):
    assert f"order.{state}" in TEXTS


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_word(reason):
    assert f"reason.{reason}" in TEXTS


def test_a_users_own_name_is_shown_as_it_is():
    assert Words("ko").of("state", "my-own-state") == "my-own-state"


def test_a_persons_choice_wins_and_nonsense_falls_back():
    assert [chosen(language, "en") for language in LANGUAGES] == list(LANGUAGES)
    assert chosen("<script>", "ko") == "ko"
