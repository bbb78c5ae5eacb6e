"""What every kind must keep, run over whatever the registry finds."""

import copy
import json
import math
import random
from decimal import Decimal

import pytest

from autotrader.core.events import Bar
from autotrader.features.program import compile_program
from autotrader.strategies.contract import BAR, ENDED, FILL, HELD, NO_ENTRY, TIMER, WORKING, fresh_out
from autotrader.strategies.registry import kinds

BASE = {
    "exchange": "perp",
    "symbols": ["BTC/USDT", "ETH/USDT"],
    "timeframe": "5m",
    "capital": "20%",
    "on_remove": "hold",
}
EXAMPLES = {
    "rules": [
        {
            "let": {"fast": "ema(close, 3)"},
            "enter_long": "close > fast",
            "exit_long": "close < fast",
            "enter_short": "close < fast",
            "exit_short": "close > fast",
            "filters": ["volume > 0"],
        },
        {"exposure": "if(close > ema(close, 3), 1, -0.5)"},
        {"timeframe": None, "feed": "trades", "enter_long": "close > 1", "exit_long": "close < 1"},
    ],
    "grid": [
        {"params": {"range": "8%"}},
        {"params": {"step": "1%", "levels": 7, "spacing": "arithmetic", "stop_outside": True}},
        {
            "params": {"lower": Decimal("0.5"), "upper": 9, "levels": 60},
            "size": {"kind": "fixed", "amount": Decimal("0.1")},
        },
    ],
}
CASES = [
    pytest.param(kind, {"kind": name, **BASE, **example}, id=f"{name}-{i}")
    for name, kind in kinds().items()
    for i, example in enumerate(EXAMPLES.get(name, [None]))
]


def declared(kind, raw):
    return kind.Params.model_validate(raw)


def random_views(view, kind, p, seed, count=200):
    """Return views of a market that does whatever it likes, three-valued conditions and all."""
    rng = random.Random(seed)
    legs, slots = len(kind.instruments(p)[0]), kind.slots(p)
    columns = len(kind.features(p))
    values = (0.0, 1.0, 1.0, math.nan, -1.0, 0.5, -0.3, 7.0)
    return [
        view(
            legs,
            slots,
            event=rng.choice([BAR, BAR, BAR, FILL, TIMER]),
            now_ms=1_000 + 300_000 * i,
            features=[[rng.choice(values) for _ in range(columns)] for _ in range(legs)],
            lots=[rng.choice([0, 0, 5, -5]) for _ in range(legs)],
            entry_id=[rng.choice([0, 7]) for _ in range(legs)],
            entry_state=[rng.choice([NO_ENTRY, WORKING, HELD, ENDED]) for _ in range(legs)],
            may_short=[rng.choice([0, 1]) for _ in range(legs)],
        )
        for i in range(count)
    ]


def test_every_kind_has_an_example_here():
    assert set(EXAMPLES) == set(kinds())


@pytest.mark.parametrize(("kind", "raw"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_a_step_decides_alike_plain_and_compiled(kind, raw, seed, fold, view):
    p = declared(kind, raw)
    fold(kind, kind.constants(p), random_views(view, kind, p, seed), kind.slots(p))


@pytest.mark.parametrize(("kind", "raw"), CASES)
def test_a_step_is_pure(kind, raw, view):
    p = declared(kind, raw)
    c, state = kind.constants(p), kind.State()
    for seen in random_views(view, kind, p, 11):
        before = copy.deepcopy(seen)
        outs = [fresh_out(len(seen.lots), kind.slots(p)) for _ in range(2)]
        states = [kind.step(c, state, seen, out) for out in outs]
        assert states[0] == states[1]
        assert outs[0] == outs[1]
        assert repr(seen) == repr(before)
        state = states[0]


@pytest.mark.parametrize(("kind", "raw"), CASES)
def test_a_state_survives_the_journal(kind, raw, view):
    p = declared(kind, raw)
    c, state = kind.constants(p), kind.State()
    out = fresh_out(len(kind.instruments(p)[0]), kind.slots(p))
    for seen in random_views(view, kind, p, 12):
        state = kind.step(c, state, seen, out)
        read = json.loads(json.dumps(state, allow_nan=False))
        assert kind.State(*(tuple(value) if isinstance(value, list) else value for value in read)) == state


@pytest.mark.parametrize(("kind", "raw"), CASES)
def test_what_is_wanted_can_be_written_again_from_the_state(kind, raw, view):
    p = declared(kind, raw)
    legs, slots = len(kind.instruments(p)[0]), kind.slots(p)
    asleep = TIMER + 1  # no event at all
    c, state, out = kind.constants(p), kind.State(), fresh_out(legs, slots)
    for seen in random_views(view, kind, p, 13):
        state = kind.step(c, state, seen, out)
        again = fresh_out(legs, slots)
        assert kind.step(c, state, seen._replace(event=asleep), again) == state
        assert again == out


def walked(kind, p, count=400):
    """Return what a kind's columns are over the bars of a random walk."""
    own = kind.instruments(p)[0][0].feed.timeframe
    program = compile_program(kind.features(p), kind.lets(p), own)
    live, rng, price = program.live(), random.Random(5), 100.0
    found = []
    for at in range(count):
        open_, price = price, price * (1.0 + rng.uniform(-0.01, 0.01))
        bar = Bar(at * 60_000, open_, max(open_, price), min(open_, price), price, rng.uniform(1.0, 9.0))
        for key in program.series:
            live.update(key, bar)
        found.append([list(live.values())])
    return found


@pytest.mark.parametrize(("kind", "raw"), CASES)
def test_a_bar_that_does_not_stir_a_kind_changes_nothing(kind, raw, view):
    p = declared(kind, raw)
    c, state = kind.constants(p), kind.State()
    out = fresh_out(len(kind.instruments(p)[0]), kind.slots(p))
    columns = walked(kind, p)
    for seen, shown, later in zip(random_views(view, kind, p, 14, 399), columns, columns[1:], strict=False):
        before = seen._replace(event=BAR, features=shown)
        state = kind.step(c, state, before, out)
        place = out.stirred_by[0]
        if place and later[0][place - 1] != 1.0:
            again = copy.deepcopy(out)
            after = before._replace(now_ms=before.now_ms + 60_000, features=later)
            assert kind.step(c, state, after, again) == state
            assert again == out


@pytest.mark.parametrize(("kind", "raw"), CASES)
def test_a_kind_says_what_it_reads(kind, raw):
    p = declared(kind, raw)
    groups = kind.instruments(p)
    assert groups
    assert all(leg.feed.kind in {"bars", "trades", "quotes", "book"} for group in groups for leg in group)
    assert kind.wakes(p) <= set(range(6))
    assert kind.wakes(p)
    assert kind.slots(p) >= 0
    assert compile_program(kind.features(p), kind.lets(p), groups[0][0].feed.timeframe).columns == tuple(
        kind.features(p)
    )


@pytest.mark.parametrize(("kind", "raw"), CASES)
def test_params_are_frozen_and_refuse_unknown_keys(kind, raw):
    p = declared(kind, raw)
    with pytest.raises(ValueError, match="frozen"):
        p.capital = 1
    with pytest.raises(ValueError, match="Extra inputs"):
        declared(kind, {**raw, "lokback": 3})
