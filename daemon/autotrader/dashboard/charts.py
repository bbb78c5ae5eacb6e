"""The page's charts as ECharts options. Pure: values in, plain data out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from autotrader.core.figures import wall_ms

LINE = "#3987d6"  # readable on the light and on the dark panel: the canvas cannot follow the system's theme by itself
AXIS = "#8590a2"
GRID = "rgba(133, 144, 162, 0.18)"
MONEY = "v => v == null ? '' : v.toLocaleString('en-US', {minimumFractionDigits: 2, maximumFractionDigits: 2})"
DATES = {  # by what changes at a tick; ISO dates are read alike in both languages
    "year": "{yyyy}",
    "month": "{yyyy}-{MM}",
    "day": "{MM}-{dd}",
    "hour": "{MM}-{dd} {HH}:{mm}",
    "minute": "{HH}:{mm}",
    "second": "{HH}:{mm}:{ss}",
}
FONT = "system-ui, 'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans CJK KR', 'Noto Sans KR', sans-serif"


def equity_points(curve: Sequence[tuple[int, float]], zone: ZoneInfo) -> list[list[float]]:
    """Return [time, equity] pairs whose UTC reading is the zone's wall clock."""
    return [[wall_ms(ts_ms, zone), round(equity, 2)] for ts_ms, equity in curve]


def equity_curve(points: list[list[float]], name: str) -> dict[str, Any]:
    """Return a line with its area that zooms by wheel, pinch and slider."""
    return {
        "useUTC": True,
        "animation": False,
        "textStyle": {"fontFamily": FONT},
        "grid": {"left": 8, "right": 32, "top": 14, "bottom": 40, "containLabel": True},
        "tooltip": {
            "trigger": "axis",
            "axisPointer": {"type": "line", "lineStyle": {"color": AXIS, "type": "dashed"}},
            "className": "chart-tip",
            "borderWidth": 0,
            "padding": 0,
            ":valueFormatter": MONEY,
        },
        "xAxis": {
            "type": "time",
            "axisLine": {"lineStyle": {"color": GRID}},
            "axisTick": {"show": False},
            "axisLabel": {"color": AXIS, "fontSize": 11, "hideOverlap": True, "formatter": DATES},
        },
        "yAxis": {
            "type": "value",
            "scale": True,
            "splitNumber": 4,
            "splitLine": {"lineStyle": {"color": GRID}},
            "axisLabel": {"color": AXIS, "fontSize": 11},
        },
        "dataZoom": [
            {"type": "inside", "throttle": 50},
            {
                "type": "slider",
                "height": 16,
                "bottom": 8,
                "showDetail": False,
                "brushSelect": False,
                "borderColor": "transparent",
                "backgroundColor": "rgba(133, 144, 162, 0.08)",
                "fillerColor": "rgba(57, 135, 214, 0.14)",
                "dataBackground": {"lineStyle": {"color": GRID}, "areaStyle": {"color": GRID}},
                "selectedDataBackground": {"lineStyle": {"color": LINE}, "areaStyle": {"color": LINE, "opacity": 0.12}},
                "handleStyle": {"color": LINE, "borderColor": LINE},
                "moveHandleSize": 0,
            },
        ],
        "series": [
            {
                "type": "line",
                "name": name,
                "data": points,
                "showSymbol": False,
                "symbolSize": 6,
                "lineStyle": {"width": 1.6, "color": LINE},
                "itemStyle": {"color": LINE},
                "areaStyle": {
                    "color": {
                        "type": "linear", "x": 0, "y": 0, "x2": 0, "y2": 1,
                        "colorStops": [
                            {"offset": 0, "color": "rgba(57, 135, 214, 0.28)"},
                            {"offset": 1, "color": "rgba(57, 135, 214, 0.02)"},
                        ],
                    }
                },
            }
        ],
    }  # fmt: skip
