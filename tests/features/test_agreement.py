"""The catalogue against two independent ones: the `ta` package and TA-Lib. Differences are argued in the docs."""

import numpy as np
import pandas as pd
import pytest
import ta
import talib

from autotrader.features.catalogue import CATALOGUE
from support.kernels import defaults, fold, inputs_of

EXACT = 0
FORGOTTEN = 1_500
"""Bars after which a recursion that began elsewhere has the same value."""

FIRST_ROWS = {
    "adx_pos": "ta leaves the first value at zero",
    "adx_neg": "ta leaves the first value at zero",
}
NOT_IN_TA = {
    *("crosses_above", "crosses_below"),
    *("rma", "dema", "tema", "t3", "trima", "hma", "zlema", "vwma", "apo", "dx", "adxr"),
    *(
        "supertrend",
        "supertrend_direction",
        "cmo",
        "mom",
        "rocr",
        "stoch_slow",
        "bop",
        "true_range",
        "natr",
        "choppiness",
    ),
    *("parkinson", "garman_klass", "adosc", "pvi", "linreg", "linreg_slope", "linreg_intercept", "linreg_angle"),
    *("linreg_forecast", "percent_rank", "beta", "midpoint", "midprice", "median_price", "typical_price"),
    *("weighted_price", "average_price", "efficiency_ratio", "connors_rsi", "squeeze", "bull_power", "bear_power"),
    *("coppock", "fisher", "spread", "basis", "premium", "hedge_ratio", "spread_zscore", "half_life"),
}


def series(btc):
    return [pd.Series(btc[:, i]) for i in range(1, 6)]


def by_ta(btc):
    """Return what ta and pandas give, by feature: with ta's default parameters, which are ours."""
    _, h, l, c, v = series(btc)  # noqa: E741 - as short as the columns that ta asks for
    slow = pd.Series(inputs_of(CATALOGUE["crosses_above"], btc)[1])
    macd, bands = ta.trend.MACD(c), ta.volatility.BollingerBands(c)
    ichimoku, keltner = ta.trend.IchimokuIndicator(h, l), ta.volatility.KeltnerChannel(h, l, c)
    donchian, sar = ta.volatility.DonchianChannel(h, l, c), ta.trend.PSARIndicator(h, l, c)
    adx, vortex, kst = ta.trend.ADXIndicator(h, l, c), ta.trend.VortexIndicator(h, l, c), ta.trend.KSTIndicator(c)
    aroon, stoch = ta.trend.AroonIndicator(h, l), ta.momentum.StochasticOscillator(h, l, c)
    stochrsi, ease = ta.momentum.StochRSIIndicator(c), ta.volume.EaseOfMovementIndicator(h, l, v)
    ppo, pvo = ta.momentum.PercentagePriceOscillator(c), ta.momentum.PercentageVolumeOscillator(v)
    return {
        "sma": ta.trend.sma_indicator(c, 20),
        "ema": ta.trend.ema_indicator(c, 20),
        "wma": ta.trend.wma_indicator(c, 20),
        "kama": ta.momentum.kama(c),
        "macd": macd.macd(),
        "macd_signal": macd.macd_signal(),
        "macd_hist": macd.macd_diff(),
        "ppo": ppo.ppo(),
        "ppo_signal": ppo.ppo_signal(),
        "ppo_hist": ppo.ppo_hist(),
        "pvo": pvo.pvo(),
        "pvo_signal": pvo.pvo_signal(),
        "pvo_hist": pvo.pvo_hist(),
        "trix": ta.trend.trix(c),
        "tsi": ta.momentum.tsi(c),
        "adx": adx.adx(),
        "adx_pos": adx.adx_pos(),
        "adx_neg": adx.adx_neg(),
        "aroon_up": aroon.aroon_up(),
        "aroon_down": aroon.aroon_down(),
        "aroon": aroon.aroon_indicator(),
        "ichimoku_conversion": ichimoku.ichimoku_conversion_line(),
        "ichimoku_base": ichimoku.ichimoku_base_line(),
        "ichimoku_a": ichimoku.ichimoku_a(),
        "ichimoku_b": ichimoku.ichimoku_b(),
        "vortex_pos": vortex.vortex_indicator_pos(),
        "vortex_neg": vortex.vortex_indicator_neg(),
        "mass_index": ta.trend.mass_index(h, l),
        "cci": ta.trend.cci(h, l, c),
        "dpo": ta.trend.dpo(c),
        "kst": kst.kst(),
        "kst_signal": kst.kst_sig(),
        "stc": ta.trend.stc(c),
        "psar": sar.psar(),
        "psar_up": sar.psar_up(),
        "psar_down": sar.psar_down(),
        "rsi": ta.momentum.rsi(c),
        "roc": ta.momentum.roc(c),
        "log_return": ta.others.daily_log_return(c) / 100,
        "cumulative_return": ta.others.cumulative_return(c),
        "stoch": stoch.stoch(),
        "stoch_signal": stoch.stoch_signal(),
        "williams_r": ta.momentum.williams_r(h, l, c),
        "stochrsi": stochrsi.stochrsi(),
        "stochrsi_k": stochrsi.stochrsi_k(),
        "stochrsi_d": stochrsi.stochrsi_d(),
        "awesome_oscillator": ta.momentum.awesome_oscillator(h, l),
        "ultimate_oscillator": ta.momentum.ultimate_oscillator(h, l, c),
        "atr": ta.volatility.average_true_range(h, l, c, 14),
        "stdev": c.rolling(20).std(ddof=0),
        "var": c.rolling(20).var(ddof=0),
        "ulcer_index": ta.volatility.ulcer_index(c),
        "bollinger_mid": bands.bollinger_mavg(),
        "bollinger_upper": bands.bollinger_hband(),
        "bollinger_lower": bands.bollinger_lband(),
        "bollinger_width": bands.bollinger_wband(),
        "bollinger_pct": bands.bollinger_pband(),
        "keltner_mid": keltner.keltner_channel_mband(),
        "keltner_upper": keltner.keltner_channel_hband(),
        "keltner_lower": keltner.keltner_channel_lband(),
        "keltner_width": keltner.keltner_channel_wband(),
        "keltner_pct": keltner.keltner_channel_pband(),
        "donchian_high": donchian.donchian_channel_hband(),
        "donchian_low": donchian.donchian_channel_lband(),
        "donchian_mid": donchian.donchian_channel_mband(),
        "donchian_width": donchian.donchian_channel_wband(),
        "donchian_pct": donchian.donchian_channel_pband(),
        "obv": ta.volume.on_balance_volume(c, v),
        "adi": ta.volume.acc_dist_index(h, l, c, v),
        "cmf": ta.volume.chaikin_money_flow(h, l, c, v),
        "force_index": ta.volume.force_index(c, v),
        "ease_of_movement": ease.ease_of_movement().replace([np.inf, -np.inf], np.nan),
        "ease_of_movement_signal": ease.sma_ease_of_movement(),
        "vpt": ta.volume.volume_price_trend(c, v),
        "nvi": ta.volume.negative_volume_index(c, v),
        "mfi": ta.volume.money_flow_index(h, l, c, v),
        "vwap": ta.volume.volume_weighted_average_price(h, l, c, v),
        "highest": c.rolling(20).max(),
        "lowest": c.rolling(20).min(),
        "window_sum": c.rolling(20).sum(),
        "median": c.rolling(20).median(),
        "prev": c.shift(20),
        "returns": c.pct_change(20),
        "zscore": (c - c.rolling(20).mean()) / c.rolling(20).std(ddof=0),
        "correl": c.rolling(30).corr(slow),
        "covariance": c.rolling(30).cov(slow, ddof=0),
    }


def by_talib(btc):
    """Return what TA-Lib gives, by feature: parameters, values, and the bars after which they must agree."""
    o, h, l, c, v = (np.ascontiguousarray(btc[:, i]) for i in range(1, 6))  # noqa: E741
    slow = inputs_of(CATALOGUE["crosses_above"], btc)[1]
    upper, _, lower = talib.BBANDS(c, 20, 2, 2)
    line, signal, hist = talib.MACD(c)
    fast_k, fast_d = talib.STOCHF(h, l, c, 5, 3, 0)
    return {
        "sma": ((20,), talib.SMA(c, 20), EXACT),
        "ema": ((20,), talib.EMA(c, 20), FORGOTTEN),
        "wma": ((20,), talib.WMA(c, 20), EXACT),
        "dema": ((20,), talib.DEMA(c, 20), FORGOTTEN),
        "tema": ((20,), talib.TEMA(c, 20), FORGOTTEN),
        "t3": ((5, 0.7), talib.T3(c, 5, 0.7), FORGOTTEN),
        "trima": ((20,), talib.TRIMA(c, 20), EXACT),
        "kama": ((10, 2, 30), talib.KAMA(c, 10), FORGOTTEN),
        "macd": ((12, 26, 9), line, FORGOTTEN),
        "macd_signal": ((12, 26, 9), signal, FORGOTTEN),
        "macd_hist": ((12, 26, 9), hist, FORGOTTEN),
        "ppo": ((12, 26, 9), talib.PPO(c, 12, 26, 1), FORGOTTEN),
        "apo": ((12, 26), talib.APO(c, 12, 26, 0), EXACT),
        "trix": ((15,), talib.TRIX(c, 15), FORGOTTEN),
        "adx": ((14,), talib.ADX(h, l, c, 14), FORGOTTEN),
        "adxr": ((14,), talib.ADXR(h, l, c, 14), FORGOTTEN),
        "dx": ((14,), talib.DX(h, l, c, 14), FORGOTTEN),
        "adx_pos": ((14,), talib.PLUS_DI(h, l, c, 14), FORGOTTEN),
        "adx_neg": ((14,), talib.MINUS_DI(h, l, c, 14), FORGOTTEN),
        "cci": ((14,), talib.CCI(h, l, c, 14), EXACT),
        "rsi": ((14,), talib.RSI(c, 14), FORGOTTEN),
        "cmo": ((14,), talib.CMO(c, 14), FORGOTTEN),
        "mom": ((10,), talib.MOM(c, 10), EXACT),
        "roc": ((10,), talib.ROC(c, 10), EXACT),
        "rocr": ((10,), talib.ROCR(c, 10), EXACT),
        "returns": ((10,), talib.ROCP(c, 10), EXACT),
        "stoch": ((5,), fast_k, 2),
        "stoch_signal": ((5, 3), fast_d, EXACT),
        "stoch_slow": ((5, 3, 3), talib.STOCH(h, l, c, 5, 3, 0, 3, 0)[1], EXACT),
        "williams_r": ((14,), talib.WILLR(h, l, c, 14), EXACT),
        "ultimate_oscillator": ((7, 14, 28), talib.ULTOSC(h, l, c), EXACT),
        "bop": ((), talib.BOP(o, h, l, c), EXACT),
        "true_range": ((), talib.TRANGE(h, l, c), 1),
        "atr": ((14,), talib.ATR(h, l, c, 14), FORGOTTEN),
        "natr": ((14,), talib.NATR(h, l, c, 14), FORGOTTEN),
        "stdev": ((20,), talib.STDDEV(c, 20), EXACT),
        "var": ((20,), talib.VAR(c, 20), EXACT),
        "bollinger_upper": ((20, 2.0), upper, EXACT),
        "bollinger_lower": ((20, 2.0), lower, EXACT),
        "adi": ((), talib.AD(h, l, c, v), EXACT),
        "adosc": ((3, 10), talib.ADOSC(h, l, c, v), EXACT),
        "mfi": ((14,), talib.MFI(h, l, c, v, 14), 1),
        "linreg": ((14,), talib.LINEARREG(c, 14), EXACT),
        "linreg_slope": ((14,), talib.LINEARREG_SLOPE(c, 14), EXACT),
        "linreg_intercept": ((14,), talib.LINEARREG_INTERCEPT(c, 14), EXACT),
        "linreg_angle": ((14,), talib.LINEARREG_ANGLE(c, 14), EXACT),
        "linreg_forecast": ((14,), talib.TSF(c, 14), EXACT),
        "correl": ((30,), talib.CORREL(c, slow, 30), EXACT),
        "beta": ((30,), talib.BETA(slow, c, 30), EXACT),
        "highest": ((20,), talib.MAX(c, 20), EXACT),
        "lowest": ((20,), talib.MIN(c, 20), EXACT),
        "window_sum": ((20,), talib.SUM(c, 20), EXACT),
        "midpoint": ((20,), talib.MIDPOINT(c, 20), EXACT),
        "midprice": ((20,), talib.MIDPRICE(h, l, 20), EXACT),
        "median_price": ((), talib.MEDPRICE(h, l), EXACT),
        "typical_price": ((), talib.TYPPRICE(h, l, c), EXACT),
        "weighted_price": ((), talib.WCLPRICE(h, l, c), EXACT),
        "average_price": ((), talib.AVGPRICE(o, h, l, c), EXACT),
    }


@pytest.fixture(scope="module")
def traded(btc):
    """Bars with volume and range: what the packages make of bars without is argued, not compared."""
    return btc[(btc[:, 5] > 0) & (btc[:, 2] > btc[:, 3])]


@pytest.fixture(scope="module")
def ours(traded):
    def column(name, params):
        feature = CATALOGUE[name]
        return fold(feature, params, inputs_of(feature, traded))

    return column


@pytest.fixture(scope="module")
def theirs(traded):
    with np.errstate(all="ignore"):
        return by_ta(traded)


@pytest.fixture(scope="module")
def theirs_talib(traded):
    return by_talib(traded)


def agree(a, b, from_bar, name, rtol=1e-9):
    a, b = a[from_bar:], b[from_bar:]
    assert np.array_equal(np.isnan(a), np.isnan(b)), name
    # A difference of two prices carries the rounding of the prices, not of itself: the scale is the column's.
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.nanmax(np.abs(b)), err_msg=name)


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - NOT_IN_TA))
def test_a_definition_follows_ta(name, ours, theirs):
    feature = CATALOGUE[name]
    params = defaults(feature)
    from_bar = feature.warmup(*params) - 1 + (name in FIRST_ROWS)
    agree(ours(name, params), theirs[name].to_numpy(), from_bar, name)


def test_everything_in_ta_is_compared(theirs):
    assert set(theirs) == set(CATALOGUE) - NOT_IN_TA


@pytest.mark.parametrize("name", sorted(by_talib(np.ones((200, 6)))))
def test_a_definition_agrees_with_ta_lib(name, ours, theirs_talib):
    params, values, from_bar = theirs_talib[name]
    from_bar = max(from_bar, CATALOGUE[name].warmup(*params) - 1 + from_bar * (from_bar < FORGOTTEN))
    agree(ours(name, params), values, from_bar, name, rtol=2e-9)


def test_a_value_of_ta_shows_from_the_same_bar_on(theirs):
    elsewhere = {"stc", "adx", "adx_pos", "adx_neg", "atr", "ichimoku_b", "kst", "kst_signal", "psar", "ulcer_index"}
    elsewhere |= {"keltner_upper", "keltner_lower", "keltner_pct", "psar_up", "psar_down"}
    for name, values in theirs.items():
        first = int(np.argmax(values.notna())) + 1
        if name not in elsewhere:
            assert first == CATALOGUE[name].warmup(*defaults(CATALOGUE[name])), name
