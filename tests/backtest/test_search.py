"""A search over a strategy's file: which trials are made, what is counted, and that it goes on where it stopped."""

import json
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from autotrader.app import optimize_question, run_optimize
from autotrader.backtest import optimize
from autotrader.backtest.engine import simulate
from autotrader.backtest.grid import grid, together
from autotrader.backtest.objective import front, objectives
from autotrader.backtest.overfit import deflated_sharpe, moments
from autotrader.backtest.run import result_of
from autotrader.backtest.search import BATCH, Wanted, search
from autotrader.backtest.space import space
from autotrader.backtest.trial import Bench, Question, Span, Task, code
from autotrader.backtest.trials import daily_sharpe, remembered
from autotrader.backtest.walk_forward import IN_PARTS, stretches, walk
from autotrader.backtest.workers import opened
from autotrader.cli import main
from autotrader.core import jit
from autotrader.core.clock import DAY_MS
from autotrader.core.errors import AutotraderError
from autotrader.market.generate import BEGIN_MS
from support.folders import folder, rules

DAYS = 14
SPAN = {"from_ms": BEGIN_MS, "to_ms": BEGIN_MS + DAYS * DAY_MS}
LARGE = ("let.n=4:40", "let.m=20:80", "exits.stop_loss=0.5%:5%")
SMALL = ("let.n=5:15:5", "let.m=20,40")
STRATEGY = rules(
    symbols="BTC/USDT",
    let="{n: 12, m: 26}",
    enter_long="crosses_above(ema(close, n), ema(close, m))",
    exit_long="crosses_below(ema(close, n), ema(close, m))",
    exits="{stop_loss: 2%}",
)


@pytest.fixture(scope="module")
def question(tmp_path_factory) -> Question:
    root = folder(tmp_path_factory.mktemp("search"), {"cross": STRATEGY}, recorded=False)
    return optimize_question(root, "cross", **SPAN)


def wanted(question, paths=LARGE, trials=40, objective="sharpe", seed=1) -> Wanted:
    return Wanted(space(paths), objectives(objective), trials, seed, question.span)


def found(question, what, *, study=None, workers=1, ray="", told=None):
    bench = Bench(question)
    with remembered(study, code()) as trials, opened(bench, workers, ray) as evaluate:
        return search(bench, what, evaluate, trials, told)


def outcome(one):
    return [
        (trial.number, trial.values, trial.tried.form, dict(trial.tried.figures), trial.scores) for trial in one.trials
    ]


def evaluated(one):
    """Return an `evaluate` that counts the tasks that it is given."""
    count = []

    def evaluate(tasks):
        count.extend(tasks)
        return map(Bench(one).evaluate, tasks)

    return evaluate, count


def test_a_small_space_is_tried_point_by_point(question):
    one = found(question, wanted(question, SMALL, trials=6))
    assert one.enumerated
    assert [trial.values for trial in one.trials] == [
        {"let.n": n, "let.m": m} for n in ("5", "10", "15") for m in ("20", "40")
    ]


def test_a_trial_is_the_backtest_of_the_file_with_its_values(question, tmp_path):
    one = found(question, wanted(question, SMALL, trials=6)).best[0]
    text = STRATEGY.replace("n: 12", f"n: {one.values['let.n']}").replace("m: 26", f"m: {one.values['let.m']}")
    again = optimize_question(folder(tmp_path, {"cross": text}, recorded=False), "cross", **SPAN)
    assert Bench(again).evaluate(Task({}, again.span)).figures == one.tried.figures


def test_the_same_seed_makes_the_same_trials(question):
    assert outcome(found(question, wanted(question))) == outcome(found(question, wanted(question)))


def test_another_seed_makes_others(question):
    first, other = (found(question, wanted(question, seed=seed)) for seed in (1, 2))
    assert outcome(first) != outcome(other)


@pytest.mark.parametrize("workers", [0, 2], ids=["threads", "processes"])
def test_several_workers_find_what_one_finds(question, workers):
    one = outcome(found(question, wanted(question), workers=1))
    assert outcome(found(question, wanted(question), workers=workers)) == one


def test_more_trials_later_are_those_of_one_longer_search(question, tmp_path):
    study = tmp_path / "study.db"
    found(question, wanted(question, trials=BATCH + 5), study=study)
    with remembered(study, code()) as trials:
        evaluate, count = evaluated(question)
        later = search(Bench(question), wanted(question), evaluate, trials)
    whole = found(question, wanted(question))
    assert outcome(later) == outcome(whole)
    assert 0 < len(count) <= 40 - (BATCH + 5)


def test_what_was_done_before_an_interruption_is_kept(question, tmp_path):
    study = tmp_path / "study.db"

    def told(done, best):
        if done >= BATCH + 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found(question, wanted(question), study=study, told=told)
    with remembered(study, code()) as trials:
        evaluate, count = evaluated(question)
        later = search(Bench(question), wanted(question), evaluate, trials)
    assert outcome(later) == outcome(found(question, wanted(question)))
    assert len(count) <= 40 - BATCH - 3


def test_what_is_known_is_not_tried_again(question, tmp_path):
    study = tmp_path / "study.db"
    found(question, wanted(question, SMALL), study=study)
    with remembered(study, code()) as trials:
        evaluate, count = evaluated(question)
        search(Bench(question), wanted(question, SMALL, objective="calmar", seed=9), evaluate, trials)
    assert count == []


def test_other_bars_are_another_ground(question):
    bench = Bench(question)
    later = Span(BEGIN_MS + DAY_MS, question.span.to_ms)
    assert bench.ground(question.span) != bench.ground(later)
    cheaper = replace(question, exchanges=tuple(one._replace(taker=one.maker / 2) for one in question.exchanges))
    assert bench.ground(question.span) != Bench(cheaper).ground(question.span)


def test_every_strategy_ever_tried_is_counted(question, tmp_path):
    study = tmp_path / "study.db"
    first = found(question, wanted(question, SMALL), study=study)
    second = found(question, wanted(question, ("let.n=5:20:5", "let.m=20,40")), study=study)
    assert (first.luck.trials, second.luck.trials) == (6, 8)
    ratios = [daily_sharpe(trial.tried) for trial in second.trials]
    assert second.luck.variance == pytest.approx(np.var(ratios, ddof=1))
    of = moments(second.best[0].tried.daily)
    assert second.deflated_sharpe == deflated_sharpe(of, 8, second.luck.variance)


def test_an_invalid_strategy_is_told_and_not_counted(question):
    one = found(question, wanted(question, ("let.n=1,5", "let.m=20,40")))
    assert (one.refused, one.luck.trials) == (2, 2)
    assert "between 2 and" in one.trials[0].tried.refused
    assert one.trials[0].scores is None


def test_where_nothing_is_valid_the_first_reason_is_told(question):
    with pytest.raises(AutotraderError, match=r"none of 2 trials is a valid strategy; with let\.n = 0"):
        found(question, wanted(question, ("let.n=0:1",)))


def test_a_strategy_that_never_trades_has_no_score_and_a_sharpe_of_nothing(question):
    one = found(question, wanted(question, ("enter_long=0 > 1,close > 0",)))
    assert one.trials[0].scores is None
    assert daily_sharpe(one.trials[0].tried) == 0.0
    assert one.luck.trials == 2


def test_several_objectives_give_those_that_none_beats(question):
    one = found(question, wanted(question, objective="total_return,max_drawdown"))
    scores = [trial.scores for trial in one.trials]
    for best in one.best:
        assert not any(
            other != best.scores and all(a >= b for a, b in zip(other, best.scores, strict=True)) for other in scores
        )
    assert one.best[0].scores[0] == max(score[0] for score in scores)


def test_a_front_takes_the_first_of_equals_and_leaves_out_the_undefined():
    assert front([None, (1.0, 2.0), (2.0, 1.0), (1.0, 2.0), (0.0, 0.0)]) == [2, 1]


def test_a_drawdown_is_sought_low_unless_told_otherwise():
    assert [one.high for one in objectives("sharpe,max_drawdown,-cagr,+fees")] == [True, False, False, True]


@pytest.mark.parametrize("text", ["sharp", "sharpe,sharpe", "bars", ""])
def test_an_objective_that_cannot_be_is_refused(text):
    with pytest.raises(AutotraderError, match="objective"):
        objectives(text)


def test_overfitting_is_told_over_the_days_of_all_trials(question):
    over = found(question, wanted(question)).overfitting
    assert over is not None
    assert 0.0 <= over.probability <= 1.0


def test_stretches_follow_one_another_and_none_is_seen_before_it_is_traded():
    folds = stretches(BEGIN_MS + 5, BEGIN_MS + 30 * DAY_MS + 7, 4)
    length = {(one.outside.to_ms - one.outside.from_ms) // DAY_MS for one in folds}
    assert length == {4}
    for one, after in pairwise(folds):
        assert one.outside.to_ms == after.outside.from_ms
    for one in folds:
        assert one.inside.to_ms == one.outside.from_ms
        assert one.inside.to_ms - one.inside.from_ms == IN_PARTS * 4 * DAY_MS
    assert folds[-1].outside.to_ms == BEGIN_MS + 30 * DAY_MS


def test_too_few_days_are_refused():
    with pytest.raises(AutotraderError, match="too few for 4 folds; give at least 7"):
        stretches(BEGIN_MS, BEGIN_MS + 3 * DAY_MS, 4)


def test_a_walk_trades_the_best_of_each_search_on_days_it_has_not_seen(question):
    bench, what = Bench(question), wanted(question, SMALL)
    with remembered(None, code()) as trials, opened(bench) as evaluate:
        walked = walk(bench, what, 4, evaluate, trials)
    assert len(walked.daily) == 8
    for fold in walked.folds:
        assert fold.best == fold.found.best[0]
        assert fold.outside.figures == bench.evaluate(Task(fold.best.values, fold.stretch.outside)).figures
    assert walked.total_return == pytest.approx(np.prod(1 + walked.daily) - 1)


def test_the_document_and_the_tables_tell_the_same(question, tmp_path):
    study = tmp_path / "s.db"
    one = optimize.optimize(question, wanted(question, SMALL), optimize.How(folds=2, study=study))
    told = optimize.document(one)
    assert told["trials"] == told["counted"] == 6
    assert told["best"]["params"] == one.found.best[0].values
    assert told["study"] == str(study)
    assert [fold["params"] for fold in told["walk_forward"]["folds"]] == [fold.best.values for fold in one.walked.folds]
    (table, footing), (folds, _) = optimize.tables(one)
    assert table[0]["let.n"] == told["best"]["params"]["let.n"]
    assert len(folds) == 2
    assert told["best"]["yaml"] in footing


def test_progress_ends_at_all_of_it_and_tells_the_best(tmp_path):
    told = []
    root = folder(tmp_path, {"cross": STRATEGY}, recorded=False)
    run_optimize(root, "cross", space=SMALL, trials=6, progress=lambda *now: told.append(now), **SPAN)
    assert told[-1][0] == 1.0
    assert told[-1][1].startswith("best sharpe")
    assert (root / "var" / "optimize" / "cross.db").is_file()


def test_a_file_that_is_no_study_is_refused(question, tmp_path):
    path = tmp_path / "study.db"
    path.write_text("not a database, but long enough to be mistaken for one" * 20)
    with pytest.raises(AutotraderError, match="cannot be kept there"):
        found(question, wanted(question, SMALL), study=path)


def test_plans_on_several_threads_give_what_each_gives_alone(question):
    bench = Bench(question)
    plans = [bench.plan(bench.params({"let.n": str(n)})) for n in range(5, 15)]
    for plan, result in zip(plans, grid(plans, 3), strict=True):
        alone = result_of(simulate(plan))
        assert all(np.array_equal(one, other) for one, other in zip(result.trades, alone.trades, strict=True))
        assert np.array_equal(result.portfolio.curve.equity, alone.portfolio.curve.equity)


def test_work_on_threads_is_taken_as_it_is_needed():
    taken = []
    numbers = together(lambda one: one * one, (taken.append(one) or one for one in range(1_000)), 2)
    assert [next(numbers) for _ in range(3)] == [0, 1, 4]
    assert len(taken) < 20
    numbers.close()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_work_that_fails_is_told_where_its_turn_comes(threads):
    numbers = together(lambda one: 60 // (7 - one), range(40), threads)
    assert [next(numbers) for _ in range(7)] == [60 // (7 - one) for one in range(7)]
    with pytest.raises(ZeroDivisionError):
        next(numbers)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_thread_that_asks_works_too(threads):
    seen, all_at_work = set(), threading.Barrier(threads, timeout=30)

    def work(one):
        seen.add(threading.get_ident())
        if one < threads:
            all_at_work.wait()
        return one

    assert list(together(work, range(60), threads)) == list(range(60))
    assert threading.get_ident() in seen
    assert len(seen) == threads


def test_a_changed_parameter_compiles_nothing(question):
    bench = Bench(question)
    for _ in range(2):  # the second reads the columns that it shares with the first
        bench.evaluate(Task({}, question.span))
    before = set(jit.code_root().iterdir())
    for n in range(4, 20):
        assert not bench.evaluate(Task({"let.n": str(n), "exits.stop_loss": f"{n}0bps"}, question.span)).refused
    assert set(jit.code_root().iterdir()) == before


def test_the_command_prints_one_document_and_writes_the_page(tmp_path, capsys):
    root, page = folder(tmp_path, {"cross": STRATEGY}, recorded=False), tmp_path / "best.html"
    line = ["-c", str(root), "optimize", "cross", "--set", "let.n=5:6", "--to", "2024-01-06", "--json"]
    assert main([*line, "--walk-forward", "1", "--report", str(page)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["trials"] == 2
    assert len(told["walk_forward"]["folds"]) == 1
    assert page.stat().st_size > 100_000


def test_the_command_refuses_a_path_that_leads_nowhere(tmp_path, capsys):
    root = folder(tmp_path, {"cross": STRATEGY}, recorded=False)
    assert main(["-c", str(root), "optimize", "cross", "--set", "lett.n=5:6"]) == 1
    assert "is 'let' meant?" in capsys.readouterr().err
