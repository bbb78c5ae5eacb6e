"""The colours and the mark that the dashboard and the reports share, light and dark."""

from __future__ import annotations

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1f6fc4"/>'
    '<path d="M6 21l6-6 5 4 9-10" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)

_LIGHT = """
  --page: #f5f6f8; --panel: #ffffff; --line: #e4e7ec; --text: #182130; --dim: #626e82; --hover: #f6f8fb;
  --accent: #1f6fc4; --up: #0b66ac; --down: #bf4a00;
  --good-bg: #e2f2ec; --good: #12664a; --live-bg: #e0edfb; --live: #0e599e; --calm-bg: #eceff3; --calm: #4c586b;
  --warn-bg: #fdf0d0; --warn: #7c5200; --bad-bg: #fbe3da; --bad: #a23606;
"""
_DARK = """
  --page: #0d1117; --panel: #151b23; --line: #262e39; --text: #e2e8f0; --dim: #8d99ab; --hover: #1a212b;
  --accent: #5aa6ee; --up: #62b1f2; --down: #f4945a;
  --good-bg: #12342a; --good: #6fd3ad; --live-bg: #12314f; --live: #82c0f7; --calm-bg: #222a35; --calm: #a6b1c2;
  --warn-bg: #3a2d0d; --warn: #efc25c; --bad-bg: #43200f; --bad: #f7a37d;
"""
_FONTS = """
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR",
    "Noto Sans CJK KR", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", "D2Coding",
    "Noto Sans Mono CJK KR", monospace;
"""

TOKENS = f"""
:root {{{_LIGHT}{_FONTS}  color-scheme: light dark; }}
@media (prefers-color-scheme: dark) {{ :root {{{_DARK}}} }}
"""
"""Colours and fonts of a page that is light or dark as the system is."""

CHOSEN_TOKENS = f"""
:root {{{_LIGHT}{_FONTS}  color-scheme: light; }}
:root[data-theme="dark"] {{{_DARK}  color-scheme: dark; }}
"""
"""The same for a page whose own script sets `data-theme`, so that a person can choose."""
