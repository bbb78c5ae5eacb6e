from dataclasses import fields, replace
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.language import LANGUAGES
from autotrader.dashboard.feed import Source
from autotrader.dashboard.login import login_page
from autotrader.dashboard.markup import chip
from autotrader.dashboard.render import panels, plan
from autotrader.dashboard.view import MAX_STRATEGIES, Snapshot, view_of
from autotrader.dashboard.words import Words

SEOUL = ZoneInfo("Asia/Seoul")
EN = Words("en")
VOID = {"br", "input", "meta", "link", "hr", "img"}


class Checker(HTMLParser):
    """Fails where tags do not nest; keeps the names of the tags and the text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], set(), ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def shown(snapshot, words=EN):
    return panels(view_of(snapshot), words, SEOUL)


@pytest.fixture
def whole(root, world, snapshot):
    def ask(_root, command, *_, **__):
        return world.status if command == "status" else world.positions

    return Source(root, ask).read(Snapshot())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_panel_is_well_formed(whole, language):
    made = shown(whole, Words(language))
    for field in fields(made):
        Checker(getattr(made, field.name))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_panel_of_an_empty_world_is_well_formed_and_says_something(language):
    made = shown(Snapshot(), Words(language))
    for field in fields(made):
        text = Checker(getattr(made, field.name)).text
        assert text or field.name == "banners"


def test_the_header_tells_mode_generation_equity_and_time_in_the_declared_zone(whole):
    text = Checker(shown(whole).figures).text
    for part in ("PAPER", "generation 12", "10,342.17", "USDT", "2024-11-30 23:55:00 KST", "connected"):
        assert part in text


def test_a_good_day_has_no_banner(whole):
    assert shown(whole).banners == ""


def test_a_silent_daemon_is_said_first(whole):
    made = shown(replace(whole, trouble="the daemon did not answer within 3 s"))
    text = Checker(made.banners).text
    assert text.startswith("The daemon does not answer.")
    assert "within 3 s" in text
    assert "no answer" in made.figures


def test_a_rejected_reload_shows_every_error_with_its_caret_line(snapshot, worlds):
    snapshot.status["reload"].update(ok=False, status="rejected", message=worlds.BROKEN)
    checker = Checker(shown(snapshot).banners)
    assert "pre" in checker.tags
    assert worlds.BROKEN in checker.text


def test_what_needs_a_confirmation_shows_the_plan_that_is_confirmed(snapshot):
    snapshot.status["reload"].update(
        ok=False, status="needs_confirmation", message="it loosens max_exposure", plan="5f0c9a1be2d34c77"
    )
    text = Checker(shown(snapshot).reload).text
    assert "needs confirmation" in text
    assert "it loosens max_exposure" in text
    assert "5f0c9a1be2d34c77" in text


def test_waiting_removals_are_listed(snapshot):
    snapshot.status["reload"]["waiting"] = ["eth-range: its file is gone; it stops in 24 s"]
    assert "eth-range: its file is gone" in Checker(shown(snapshot).reload).text


def test_a_strategys_error_has_a_row_of_its_own(snapshot):
    snapshot.status["strategies"][0].update(state="failed", error="division by zero")
    html = shown(snapshot).strategies
    assert "Error: division by zero" in Checker(html).text
    assert 'colspan="8"' in html


def test_a_decision_is_told_in_the_declared_zone_and_language(snapshot):
    snapshot.status["strategies"] = [snapshot.status["strategies"][1]]
    assert "11-30 23:35:00 long ETH/USDT" in Checker(shown(snapshot).strategies).text
    assert "11-30 23:35:00 롱 ETH/USDT" in Checker(shown(snapshot, Words("ko")).strategies).text


def test_a_decision_of_an_unknown_form_is_shown_as_it_is(snapshot):
    snapshot.status["strategies"][0]["last_decision"] = "rebalanced"
    assert "rebalanced" in Checker(shown(snapshot).strategies).text


def test_more_strategies_than_fit_are_counted(snapshot):
    one = snapshot.status["strategies"][0]
    snapshot.status["strategies"] = [{**one, "name": f"s{number}"} for number in range(MAX_STRATEGIES + 7)]
    html = shown(snapshot).strategies
    assert html.count("<tr>") == MAX_STRATEGIES + 1
    assert "and 7 more" in html


def test_limits_are_bars_with_their_figures(snapshot):
    html = shown(snapshot).risk
    assert html.count('role="meter"') == 4
    assert 'aria-valuenow="26"' in html
    assert "79.73" in html
    assert "312.66" in html


def test_a_limit_that_is_near_or_met_changes_its_tone(snapshot):
    used = snapshot.status["risk"]["used"]["max_daily_loss"]
    for value, tone in (("100", "gauge "), ("260", "gauge warn"), ("312.66", "gauge bad")):
        used["value"] = value
        first = shown(snapshot).risk.partition("Daily loss")[0].rpartition("<div ")[2]
        assert tone in first


def test_without_limits_the_risk_panel_says_so(snapshot):
    for used in snapshot.status["risk"]["used"].values():
        used["bound"] = None
    assert "No limit is declared" in shown(snapshot).risk


def test_locks_are_told_with_what_lifts_them(snapshot, worlds):
    snapshot.status["risk"].update(
        killed="killed by a person",
        drawdown_locked=True,
        daily_loss_day=worlds.NOW_MS // worlds.DAY_MS,
        cooldown_until=worlds.NOW_MS + 3_600_000,
    )
    text = Checker(shown(snapshot).risk).text
    for part in ("blocked", "until unlock", "until the next UTC day", "2024-12-01 00:55:00 KST"):
        assert part in text


def test_the_locks_of_a_strategy_alone_are_told_with_its_name_and_block_nobody_else(snapshot, worlds):
    free = {"drawdown_locked": False, "daily_loss_day": 0, "cooldown_until": 0}
    snapshot.status["risk"]["paused"] = {}
    snapshot.status["risk"]["own"] = {"eth-dip": free | {"drawdown_locked": True}, "btc-trend": free}
    text = Checker(shown(snapshot).risk).text
    assert "eth-dip: drawdown, until unlock" in text
    assert "btc-trend" not in text
    assert "allowed" in text
    assert view_of(snapshot).risk.locked


def test_a_probation_is_told_with_its_end_and_the_way_back(snapshot, worlds):
    snapshot.status["reload"]["probation"] = {"generation": 13, "back": 12, "until": worlds.NOW_MS, "rejects": 0}
    assert "Generation 13 is on probation until 2024-12-01 00:55:00 KST" not in shown(snapshot).risk
    text = Checker(shown(snapshot).reload).text
    assert "Generation 13 is on probation until 2024-11-30 23:55:00 KST; if it misbehaves, 12 comes back" in text


def test_a_plan_tells_its_consequences_and_leaves_out_what_is_empty(world):
    text = Checker(plan(world.plan, EN)).text
    assert "strategies.d/eth-range: removed" in text
    assert "80.00% → 60.00%" in text
    assert "Orders that are cancelled" not in text


def test_a_plan_that_changes_nothing_says_so(world):
    world.plan.update(changes=[], stops=[])
    assert "Nothing would change" in plan(world.plan, EN)


HOSTILE = "<img src=x onerror=alert(1)>\"'&</pre><script>alert(1)</script>"


FIGURES = {"price", "amount", "filled", "average", "fee", "entry_price", "exit_price", "fees", "pnl"}


def test_nothing_that_comes_from_outside_becomes_markup(whole, world):
    for row in world.status["strategies"]:
        row.update(name=HOSTILE, kind=HOSTILE, state=HOSTILE, symbols=[HOSTILE], error=HOSTILE, last_decision=HOSTILE)
        row["position"] = {HOSTILE: "1"}
    for row in world.positions:
        row.update(strategy=HOSTILE, exchange=HOSTILE, symbol=HOSTILE, locked=HOSTILE)
    world.status.update(mode=HOSTILE)
    world.status["exchanges"][0]["currency"] = HOSTILE
    world.status["risk"].update(killed=HOSTILE, exits_only=HOSTILE, paused={HOSTILE: HOSTILE})
    world.status["reload"].update(status="rejected", message=HOSTILE, plan=HOSTILE, waiting=[HOSTILE])
    order, fill, trade, event = (
        {key: value if isinstance(value, int) or key in FIGURES else HOSTILE for key, value in row.items()}
        for row in (whole.orders[0], whole.fills[0], whole.trades[0], whole.events[0])
    )
    hostile = replace(
        whole, orders=[order], fills=[fill], trades=[trade], events=[event], trouble=HOSTILE, store_trouble=HOSTILE
    )
    made = shown(hostile)
    for field in fields(made):
        assert not {"img", "script"} & Checker(getattr(made, field.name)).tags, field.name
    world.status["reload"]["status"] = "needs_confirmation"
    assert not {"img", "script"} & Checker(shown(hostile).reload).tags
    assert not {"img", "script"} & Checker(plan({**world.plan, "changes": [HOSTILE]}, EN)).tags
    assert not {"img", "script"} & Checker(login_page(EN, HOSTILE)).tags


@given(st.text())
def test_a_chip_shows_any_text_as_text(text):
    assert "<" not in chip(text, "calm").removeprefix('<span class="chip calm">').removesuffix("</span>")
