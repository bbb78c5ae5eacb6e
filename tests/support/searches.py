"""Searches made up for tests: a space, and the score that each of its points is to have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autotrader.backtest.objective import objectives, values
from autotrader.backtest.report_search import Picture, picture
from autotrader.backtest.search import Found, Trial, Wanted
from autotrader.backtest.space import points, space, written
from autotrader.backtest.trial import Span, Tried
from autotrader.backtest.trials import Luck


def searched(paths: Sequence[str], scores: Sequence[float | str | None], objective: str = "sharpe") -> Picture:
    """Return what a search over a space found; a score None is undefined, and "refused" no valid strategy."""
    wanted = Wanted(space(paths), objectives(objective), len(scores), 0, Span(None, None))
    trials = []
    for number, (point, score) in enumerate(zip(points(wanted.space), scores, strict=False)):
        refused = "no" if score == "refused" else ""
        known = None if score is None or refused else score
        figures = {} if known is None else {one.name: known for one in wanted.objectives}
        one = Tried(str(number), figures, np.empty(0), refused)
        trials.append(Trial(number, written(wanted.space, point), one, values(wanted.objectives, figures)))
    return picture(wanted, Found(tuple(trials), (), Luck(len(trials), 0.0), enumerated=True))
