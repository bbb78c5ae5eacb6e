"""Reports: what they say, that they are whole in themselves, and that nothing is lost where data is thinned."""

import re
import string
from dataclasses import replace
from decimal import Decimal

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.backtest import echarts, report_data, report_search
from autotrader.backtest.compare import compare
from autotrader.backtest.report import comparison_page, report, write_comparison, write_report
from autotrader.backtest.report_words import TEXTS
from autotrader.backtest.result import LOCK, MINIMUM, REASONS, Curve, trade_returns
from autotrader.backtest.space import points, space, written
from autotrader.backtest.summary import measured
from autotrader.core import figures as fig
from autotrader.core.errors import AutotraderError
from autotrader.market.bars import Columns
from support import results
from support.results import START_MS
from support.searches import searched

HANGUL = re.compile("[가-힣]")
HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\"'&"


@pytest.fixture(scope="module")
def result():
    return results.result(bars=3_000)


def content(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return orjson.loads(found[1])


def seen(page):
    """Return what the page is without its scripts: its text, its tables, its links."""
    return re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.DOTALL)


def test_a_report_shows_the_figures_of_the_document(result):
    page = seen(report(result))
    whole = measured(result)["portfolio"]
    shown = (
        fig.share(whole.total_return), fig.share(whole.cagr), fig.share(-whole.max_drawdown), f"{whole.trades:,}",
        fig.money(whole.fees), fig.money(whole.final_equity), f"{whole.sharpe:.2f}".replace("-", fig.MINUS),
        result.data_hash, result.config_hash,
    )  # fmt: skip
    assert [text for text in shown if text not in page] == []


def test_a_report_needs_no_network(result):
    page = report(result)
    assert "default-src 'none'" in page
    assert re.findall(r'(?:src|href)\s*=\s*"(?!data:)[^"]*"', seen(page)) == []
    assert "@import" not in page
    assert "url(" not in re.search(r"<style>.*?</style>", page, re.DOTALL)[0]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_report_is_in_one_language(result, language):
    page = seen(report(result, language))
    assert f'<html lang="{language}">' in page
    assert bool(HANGUL.search(page)) == (language == "ko")
    other = {"en": "ko", "ko": "en"}[language]
    headings = ("monthly", "distribution", "monte_carlo", "trade_list", "equity_drawdown", "details")
    assert not any(getattr(TEXTS[key], other) in page for key in headings)


def test_the_same_result_gives_the_same_bytes(result, tmp_path):
    for name in ("one.html", "two.html"):
        write_report(result, tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert (tmp_path / "one.html").stat().st_size < 3_000_000


def test_what_files_are_called_is_never_markup():
    page = report(results.result(names=(HOSTILE, "plain"), symbols=(HOSTILE,), bars=400))
    assert "alert(1)</script>" not in page
    assert "<img src=x" not in page
    assert content(page)["legs"][0]["strategy"] == HOSTILE
    compared = comparison_page(compare({HOSTILE: results.result(bars=400), "b": results.result(bars=400, seed=2)}))
    assert "<img src=x" not in compared


def test_a_report_says_first_what_refused_entries_and_what_locked_the_account(result):
    assert "banner" not in seen(report(result))
    held = replace(result, refused={"max_order": 1_054, MINIMUM: 1, LOCK: 7}, locked_ms=START_MS, locked_by="12%")
    page, korean = seen(report(held)), seen(report(held, "ko"))
    assert "entries were refused by max_order (1,054 times), the exchange&#x27;s minimum (once), a loss lock" in page
    assert "max_drawdown (12%) locked the account at 2" in page
    assert page.index("banner warn") < page.index("tiles")
    assert "거부된 진입: max_order 1,054회, 거래소의 최소 주문 1회" in korean


def test_a_report_without_trades_or_curve_says_so():
    quiet = results.result(bars=300, every=10_000)
    assert "No trade was closed." in report(quiet)
    empty = quiet.__class__(
        strategies=(results.run([]),), portfolio=results.run([], name="portfolio"), legs=(results.leg(),),
        trades=results.trades(), seconds=0.0, data_hash="d", config_hash="c",
    )  # fmt: skip
    assert "no bars" in seen(report(empty))
    assert content(report(empty))["lines"][0]["ts"] == []


def test_a_million_bars_give_a_page_of_bounded_size():
    count = 1_000_000
    ts = results.START_MS + np.arange(count, dtype=np.int64) * 60_000
    rng = np.random.default_rng(2)
    close = np.round(40_000 * np.exp(np.cumsum(rng.normal(0, 4e-4, count))), 2)
    bars = Columns(ts, close, close + 1, close - 1, close, np.ones(count))
    begin = np.sort(rng.integers(0, count - 200, 30_000))
    rows = np.column_stack([
        np.zeros(30_000), np.ones(30_000), ts[begin], ts[begin + 60], np.full(30_000, 10**6), close[begin] * 100,
        close[begin + 60] * 100, np.full(30_000, 10**5), np.full(30_000, 1),
    ]).astype(np.int64)  # fmt: skip
    trades = results.trades(rows[np.argsort(rows[:, 3], kind="stable")])
    run = results.run(Curve(ts, close), name="portfolio")
    one = results.result(bars=300).__class__(
        (run,), run, (results.leg(timeframe="1m"),), trades, 0.1, "d", "c", {0: bars}
    )
    page = report(one)
    assert len(page) < 3_000_000
    told = content(page)
    assert len(told["markets"][0]["t"]) <= report_data.MAX_CANDLES
    assert told["trades"]["total"] == 30_000
    assert len(told["trades"]["n"]) == report_data.MAX_TRADES
    assert "the newest 4,000 of 30,000" in page


def test_a_comparison_has_a_column_a_run_and_marks_the_best(tmp_path):
    runs = {"fast": results.result(bars=800), "slow": results.result(bars=800, seed=3)}
    write_comparison(runs, tmp_path / "compared.html", "ko")
    page = (tmp_path / "compared.html").read_text()
    assert [line["name"] for line in content(page)["lines"]] == ["fast", "slow"]
    assert page.count('class="num best"') > 5
    assert TEXTS["other_data"].ko not in page


def test_runs_over_other_data_are_told_apart(result):
    other = result.__class__(**{**vars(result), "data_hash": "e" * 64})
    assert TEXTS["other_data"].en in comparison_page(compare({"a": result, "b": other}))


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=4_000))
def test_thinning_keeps_ends_highs_and_lows(equity):
    curve = results.curve(equity, 60_000)
    thin = report_data.thinned(curve)
    assert len(thin.ts) <= 2 * report_data.MAX_BUCKETS + 2
    assert (np.diff(thin.ts) > 0).all()
    assert (thin.equity.min(), thin.equity.max()) == (curve.equity.min(), curve.equity.max())
    assert (thin.ts[0], thin.ts[-1]) == (curve.ts[0], curve.ts[-1])


@given(st.lists(st.floats(1.0, 1e4), min_size=2, max_size=400), st.integers(600_000, 86_400_000 * 9))
def test_months_multiply_to_the_whole(equity, step_ms):
    curve = results.curve(equity, step_ms)
    months = report_data.monthly(curve)
    product = np.prod([1.0 + one.gain for one in months])
    assert product == pytest.approx(equity[-1] / equity[0], rel=1e-9)
    assert len({(one.year, one.month) for one in months}) == len(months)
    assert (months[0].year, months[0].month) == (2024, 1)


@given(st.integers(10, 400), st.sampled_from([60_000, 300_000, 3_600_000, 604_800_000]), st.integers(0, 99))
def test_folded_bars_keep_their_extremes_and_their_volume(count, width_ms, seed):
    bars = results.market(count, seed, "1m")
    folded = report_data.fold(bars, width_ms)
    assert folded.high.max() == bars.high.max()
    assert folded.low.min() == bars.low.min()
    assert folded.volume.sum() == pytest.approx(bars.volume.sum())
    assert (folded.open[0], folded.close[-1]) == (bars.open[0], bars.close[-1])
    assert (np.diff(folded.ts) >= width_ms).all()


@given(st.integers(2, 5_000), st.integers(10, 500), st.sampled_from(["1m", "7m", "1h", "1d"]))
def test_candles_are_as_many_as_a_screen_shows(count, most, timeframe):
    bars = results.market(count, 1, timeframe)
    made, width = report_data.coarser(bars, most, results.timeframe_ms(timeframe))
    assert len(made.ts) <= most + 1
    assert width % results.timeframe_ms(timeframe) == 0


@given(st.lists(st.floats(-3.0, 3.0), max_size=300))
def test_every_trade_is_in_the_histogram_and_no_step_mixes_gains_and_losses(gains):
    made = report_data.histogram(np.array(gains))
    assert sum(made["counts"]) == len(gains)
    if gains:
        assert len(made["edges"]) == len(made["counts"]) + 1
        assert 0.0 in made["edges"]
        assert len(made["counts"]) <= report_data.MAX_BINS + 2


def test_buying_and_holding_is_the_mean_of_the_markets(result):
    at = result.portfolio.curve
    held = report_data.benchmark(result, at)
    ends = [result.bars[index].close[-1] / result.bars[index].open[0] for index in (0, 1)]
    assert held.equity[0] == pytest.approx(100.0, rel=0.05)
    assert held.equity[-1] == pytest.approx(100.0 * np.mean(ends), rel=0.05)


def test_the_list_of_trades_adds_up(result):
    listed = report_data.trade_list(result)
    assert sum(listed["pnl"]) == pytest.approx(float(sum(Decimal(int(one)) for one in result.trades.pnl)) * 1e-8)
    assert listed["gain"][0] == pytest.approx(trade_returns(result.legs, result.trades)[-1])
    assert listed["n"][0] == listed["total"]


def test_the_most_telling_trades_have_the_bars_around_them(result):
    listed = report_data.trade_list(result)
    worst = str(int(np.argmin(listed["gain"])))
    bars = listed["close_ups"][worst]
    assert bars["t"][0] <= listed["entry"][int(worst)]
    assert bars["t"][-1] + bars["width"] >= listed["exit"][int(worst)]
    assert all(len(one["t"]) <= report_data.CLOSE_UP_BARS + 1 for one in listed["close_ups"].values())


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_a_text_says_the_same_in_both_languages(key):
    both = TEXTS[key]
    fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in both]
    assert fields[0] == fields[1]
    assert HANGUL.search(both.ko) or key in {"percentile_n", "band", "tile.money"}
    assert not HANGUL.search(both.en)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_word(reason):
    assert f"reason.{reason}" in TEXTS


def test_the_charts_are_found_whatever_their_build_calls_them():
    index = 'import{aS as a,aT as r}from"./x.js";export{a as echarts,r as loadEchartsGL};'
    program = 'var q="</script><!--";export{zz as $,_u as aS,n as aT};'
    made = echarts.inline(index, "aS as a,aT as r", program)
    assert made == 'var q="\\x3c/script>\\x3c!--";\nglobalThis.echarts=_u;'
    assert echarts.inline("export{a as other};", "aS as a", program) is None


def test_the_charts_that_are_shipped_are_found():
    made = echarts.script()
    assert len(made) > 500_000
    assert "</script" not in made.lower()


def test_a_missing_library_is_told(monkeypatch):
    monkeypatch.setattr(echarts, "files", lambda _: [])
    echarts.script.cache_clear()
    with pytest.raises(AutotraderError, match="nicegui"):
        echarts.script()
    echarts.script.cache_clear()


def test_single_events_are_shown_as_bars_of_a_second_at_least():
    ts = np.array([1_000, 1_000, 1_900, 2_000], dtype=np.int64)
    price = np.array([5.0, 7.0, 4.0, 6.0])
    made, width = report_data.coarser(Columns(ts, price, price, price, price, np.ones(4)), 100, 0)
    assert width == 1_000
    assert made.rows() == [(1_000, 5.0, 7.0, 4.0, 4.0, 3.0), (2_000, 6.0, 6.0, 6.0, 6.0, 1.0)]


SPACE = space(["let.n=5:14", "exits.stop_loss=1%:2%:0.2%"])
SCORES = st.lists(st.one_of(st.none(), st.just("refused"), st.floats(-9, 9, width=16)), min_size=1, max_size=60)


@given(SCORES, st.sampled_from(["sharpe", "max_drawdown", "sharpe,max_drawdown"]))
def test_the_picture_of_a_search_tells_every_trial(scores, objective):
    one = searched(["let.n=5:14", "exits.stop_loss=1%:2%:0.2%"], scores, objective)
    seen = one.content
    known = [score for score in scores if score not in {None, "refused"}]
    assert (one.trials, one.drawn) == (len(scores), len(known))
    assert (one.refused, one.undefined) == (scores.count("refused"), scores.count(None))
    drawn = {
        tuple(axis["values"][at[i]] for axis, at in zip(seen["axes"], seen["at"], strict=True)): score
        for i, score in enumerate([*seen["scores"][0], *(("refused" if one else None) for one in seen["refused"])])
    }
    where = [tuple(written(SPACE, point).values()) for point in points(SPACE)][: len(scores)]
    assert set(drawn) == set(where)
    for place, score in zip(where, scores, strict=True):
        assert drawn[place] == (score if score in {None, "refused"} else pytest.approx(score, rel=1e-5))


def test_the_axes_of_a_search_are_in_the_order_of_their_numbers_or_of_their_list():
    one = searched(["exits.stop_loss=9%:11%:1%", "timeframe=4h,5m,1h"], [1.0] * 9)
    assert [axis["values"] for axis in one.content["axes"]] == [["9%", "10%", "11%"], ["4h", "5m", "1h"]]
    assert [axis["numbers"] for axis in one.content["axes"]] == [[9.0, 10.0, 11.0], None]


def test_of_many_searched_values_those_are_drawn_that_the_objective_depends_on():
    paths = [f"let.{name}=0:1" for name in "abcdefghij"]
    scores = [float(number.bit_count() - 1 - (number >> 4 & 1) - (number >> 7 & 1)) for number in range(1_024)]
    one = searched(paths, scores)
    assert [axis["name"] for axis in one.content["axes"]] == [f"let.{name}" for name in "abdeghij"]
    assert (one.axes, one.searched) == (8, 10)


def test_of_very_many_trials_the_best_are_drawn_and_the_others_counted():
    count = report_search.MAX_DRAWN + 7
    one = searched(["let.n=1:20000"], [float(number) for number in range(count)])
    assert (one.trials, one.drawn) == (count, report_search.MAX_DRAWN)
    assert min(one.content["scores"][0]) == 7.0
    assert f"the best {one.drawn:,} are drawn" in report(results.result(bars=300), search=one)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_of_a_search_says_how_many_points_were_searched(result, language):
    one = searched(["let.n=1:9"], [1.0, None, "refused", 2.0])
    page = report(result, language, search=one)
    for key in ("search.trials", "search.undefined_count", "search.refused_count"):
        count = {"search.trials": 4}.get(key, 1)
        assert getattr(TEXTS[key], language).format(count=count) in seen(page)
    assert content(page)["search"]["objectives"][0]["label"] == getattr(TEXTS["sharpe"], language)
    assert content(report(result))["search"] is None
