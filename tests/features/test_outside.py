"""What comes from outside the bars: where it is computed, how it is refused, and when a day is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.clock import DAY_MS
from autotrader.core.errors import ExpressionError
from autotrader.features.expression import parse
from autotrader.features.fold import Folder
from autotrader.features.graph import SeriesKey
from autotrader.features.outside import references
from autotrader.features.program import compile_program
from autotrader.market.bars import Columns
from autotrader.market.metrics import HELD_MS, KNOWN_AFTER_MS, bars_of
from support.columns import batch

OWN = SeriesKey("", "1h")
FEAR = SeriesKey("value", "1d", "sentiment/fear_greed", "metric")
TRADES = SeriesKey("n_transactions", "1d", "onchain/btc-network", "metric")
RATE = SeriesKey("", "8h", "", "funding")
PERP = SeriesKey("", "1h", "perp")
HOUR_MS = 3_600_000
T0 = 1_704_067_200_000  # a midnight


def compiled(text, timeframe="1h", **lets):
    return compile_program({"x": text}, lets, timeframe)


def home(text, **lets):
    program = compiled(text, **lets)
    return program.nodes[program.outputs[0]].series


def refusal(text):
    with pytest.raises(ExpressionError) as caught:
        compiled(text)
    return caught.value.message, caught.value.column, caught.value.length


@pytest.mark.parametrize(
    ("text", "series"),
    [
        ('sentiment("fear_greed")', FEAR),
        ('onchain("btc-network", "n_transactions")', TRADES),
        ("funding()", RATE),
        ('funding(symbol="ETH/USDT")', SeriesKey("ETH/USDT", "8h", "", "funding")),
        ('funding(exchange="perp")', SeriesKey("", "8h", "perp", "funding")),
        ('close(exchange="perp")', PERP),
        ('ema(close, 9, timeframe="1d", exchange="perp")', SeriesKey("", "1d", "perp")),
        ('sma(funding(), 3, exchange="perp")', SeriesKey("", "8h", "perp", "funding")),
    ],
)
def test_a_call_reads_the_series_that_it_names(text, series):
    assert home(text) == series


@pytest.mark.parametrize(
    "text",
    [
        'zscore(sentiment("fear_greed"), 30)',
        'zscore(100 - sentiment("fear_greed"), 30)',
        'if(sentiment("fear_greed") < 20, 1, 0)',
        'crosses_above(sentiment("fear_greed"), 50)',
        'sentiment("fear_greed") < prev(sentiment("fear_greed"), 1)',
    ],
)
def test_what_is_made_of_a_metric_alone_is_computed_on_its_own_rows(text):
    assert home(text) == FEAR


def test_several_metrics_meet_on_the_rows_of_the_one_that_is_fed_last():
    program = compiled('zscore(sentiment("fear_greed") / onchain("btc-network", "n_transactions"), 30)')
    assert {program.nodes[index].series for index in program.outputs} == {program.series[-2]}
    assert program.warmup(FEAR) == program.warmup(TRADES) == 30


@pytest.mark.parametrize(
    "text", ['close / onchain("btc-network", "n_transactions")', 'sma(close * sentiment("fear_greed"), 5)']
)
def test_what_is_mixed_with_prices_is_computed_at_each_bar(text):
    assert home(text) == OWN


def test_a_metric_does_not_change_with_the_bars_that_ask_for_it():
    assert compiled('sma(close / mood, 5, timeframe="1d")', mood='sentiment("fear_greed")').series == (
        FEAR,
        SeriesKey("", "1d"),
        OWN,
    )


def test_what_is_read_is_fed_before_what_reads_it():
    program = compiled(
        'close - close(exchange="perp", timeframe="1d") + funding() + close(timeframe="1w") + sentiment("fear_greed")',
        "1d",
    )
    assert program.series == (
        FEAR,
        RATE,
        SeriesKey("", "1d", "perp"),
        SeriesKey("", "1w"),
        SeriesKey("", "1d"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sentiment(5)", ("the file of sentiment is a text in quotes", 10, 1)),
        ("sentiment(fear_greed)", ("the file of sentiment is a text in quotes", 10, 10)),
        ('sentiment("../x")', ('"../x" is not the name of a file', 10, 6)),
        ('sentiment("a", "b")', ("sentiment takes one text, the name of a file", 0, 19)),
        ("sentiment", ("'sentiment' is a function", 0, 9)),
        ('onchain("btc")', ("onchain takes two texts, a file and its column", 0, 14)),
        ('onchain("btc", "a b")', ('"a b" is not the name of a column', 15, 5)),
        (
            'sentiment("a", timeframe="1d")',
            ("sentiment takes no timeframe=: it has rows of its own", 25, 4),
        ),
        (
            'zscore(sentiment("a"), 30, timeframe="1w")',
            (
                "timeframe= has no meaning here: zscore is computed on the rows of the metrics themselves",
                37,
                4,
            ),
        ),
        (
            'sma(funding(), 3, timeframe="1d")',
            (
                "timeframe= has no meaning here: sma is computed on the rows of the funding rates themselves",
                28,
                4,
            ),
        ),
        ('funding(timeframe="1d")', ("funding takes no timeframe=: a rate holds until the next one", 18, 4)),
        ("funding(3)", ("funding takes only symbol= and exchange=", 8, 1)),
        ('close(exchange="Not One")', ("'Not One' is not the name of an exchange", 15, 9)),
        ("close(exchange=5)", ("exchange= takes a text", 15, 1)),
        ('sma(close(exchange="b"), 3, exchange="a")', ("a feature of a cannot look into b", 4, 19)),
        ('ema(close, 3, exchnge="a")', ("ema(x, n) has no argument 'exchnge'", 22, 3)),
    ],
)
def test_a_refusal_says_what_and_where(text, told):
    assert refusal(text) == told


def test_what_an_expression_names_is_told_with_its_place():
    text = 'sma(funding(), 3, exchange="perp") > 0 and close(exchange="a") > -sentiment("fear_greed") + funding()'
    found = [
        (one.kind, one.name, one.column, text[one.place.column :][: one.place.length])
        for one in references(parse(text))
    ]
    assert found == [
        ("exchange", "perp", "", '"perp"'),
        ("funding", "perp", "", "funding()"),
        ("exchange", "a", "", '"a"'),
        ("metric", "sentiment/fear_greed", "value", 'sentiment("fear_greed")'),
        ("funding", "", "", "funding()"),
    ]


def own_bars(hours):
    ts = T0 + HOUR_MS * np.arange(hours, dtype=np.int64)
    price = 100.0 + np.sin(np.arange(hours) / 7)
    return Columns(ts, price, price + 1, price - 1, price, np.ones(hours))


def table(columns):
    return np.column_stack(columns)


def mood(days, values):
    return bars_of(T0 + DAY_MS * np.array(days, dtype=np.int64), np.array(values, dtype=np.float64))


MOODS = st.lists(st.tuples(st.integers(-12, 12), st.integers(0, 100)), min_size=1, unique_by=lambda row: row[0]).map(
    sorted
)


@given(MOODS, st.integers(-12, 12), st.integers(0, 100))
def test_rows_dated_from_a_day_on_change_nothing_until_that_day_is_over(rows, day, value):
    program = compiled('sentiment("fear_greed") + sma(sentiment("fear_greed"), 2) * close')
    bars = own_bars(24 * 14)
    kept = [row for row in rows if row[0] < day]
    before, after = (
        batch(program, {OWN: table(bars), FEAR: table(mood(*zip(*each, strict=True)))})
        for each in (rows, [*kept, (day, value)])
    )
    unknown = bars.ts + HOUR_MS < T0 + day * DAY_MS + KNOWN_AFTER_MS
    np.testing.assert_array_equal(before[unknown], after[unknown])


def test_a_value_is_seen_from_the_close_at_which_its_day_is_over_and_for_a_week():
    bars = own_bars(24 * 12)
    seen = batch(compiled('sentiment("fear_greed")'), {OWN: table(bars), FEAR: table(mood([0], [42]))})[:, 0]
    closes = bars.ts + HOUR_MS
    known = (closes >= T0 + KNOWN_AFTER_MS) & (closes < T0 + KNOWN_AFTER_MS + HELD_MS)
    assert (seen[known] == 42).all()
    assert np.isnan(seen[~known]).all()

    market = {OWN: table(own_bars(24 * 10)), FEAR: table(mood([0, 6], [1, 2]))}
    seen = batch(compiled('sentiment("fear_greed")'), market)
    seen = batch(
        compiled('sentiment("fear_greed")'), {OWN: table(own_bars(24 * 10)), FEAR: table(mood([0, 6], [1, 2]))}
    )
    assert np.isfinite(seen[23:, 0]).all()


def test_compiled_columns_live_values_and_plain_columns_are_the_same_bits():
    program = compile_program(
        {
            "mood": 'zscore(sentiment("fear_greed"), 3)',
            "chain": 'close / onchain("btc-network", "n_transactions")',
            "both": 'sma(sentiment("fear_greed") / onchain("btc-network", "n_transactions"), 2)',
            "rate": 'sma(funding(), 2) + close(timeframe="4h")',
            "gap": 'zscore(basis(close, close(exchange="perp")), 20)',
        },
        {},
        "1h",
    )
    own = own_bars(24 * 20)
    perp = Columns(*(np.delete(column, range(50, 60)) for column in own))._replace(
        close=np.delete(own.close, range(50, 60)) + 2
    )
    ts = T0 + 4 * HOUR_MS * np.arange(120, dtype=np.int64)
    longer = Columns(ts, *(column[3::4] for column in own[1:]))
    rate = np.linspace(1e-4, -1e-4, 40)
    rates = Columns(T0 - 8 * HOUR_MS + 8 * HOUR_MS * np.arange(40, dtype=np.int64), rate, rate, rate, rate, 0 * rate)
    days = [-5, -4, -3, -2, 0, 1, 2, 10, 11, 13]
    bars = {
        OWN: own,
        SeriesKey("", "4h"): longer,
        PERP: perp,
        RATE: rates,
        FEAR: mood(days, range(10, 20)),
        TRADES: mood(days[1:], np.sqrt(range(9))),
    }
    made = np.empty((len(program.columns), len(own.ts)))
    folder = Folder(program, bars)
    assert not folder.still
    folder.rows(0, len(own.ts), made)
    made = made.T
    np.testing.assert_array_equal(made, batch(program, {key: table(columns) for key, columns in bars.items()}))
    assert np.isfinite(made[-30:]).all()
