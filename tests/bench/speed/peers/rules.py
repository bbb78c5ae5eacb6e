"""What the peers in Python share: indicators and crossings with pandas and numpy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from workloads import RSI


def ema(close: pd.Series | pd.DataFrame, span: int) -> pd.Series | pd.DataFrame:
    """Return the exponential mean, NaN before its n-th bar."""
    return close.ewm(span=span, adjust=False, min_periods=span).mean()


def rsi(close: pd.Series) -> pd.Series:
    """Return Wilder's RSI as the package `ta` computes it."""
    change = close.diff()
    up = change.clip(lower=0.0).fillna(0.0).ewm(alpha=1 / RSI, adjust=False, min_periods=RSI).mean()
    down = (-change.clip(upper=0.0)).fillna(0.0).ewm(alpha=1 / RSI, adjust=False, min_periods=RSI).mean()
    return (100.0 * up / (up + down)).where(down != 0.0, 100.0)


def crossings(fast: pd.Series | pd.DataFrame, slow: pd.Series | pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return where `fast` crosses above and below `slow`, on the deciding bar; NaN crosses nothing."""
    now = np.asarray(fast) - np.asarray(slow)
    before = np.full_like(now, np.nan)
    before[1:] = now[:-1]
    return (before <= 0.0) & (now > 0.0), (before >= 0.0) & (now < 0.0)


def next_bar(signal: np.ndarray) -> np.ndarray:
    """Return a signal one bar later, where its order fills."""
    later = np.zeros_like(signal)
    later[1:] = signal[:-1]
    return later
