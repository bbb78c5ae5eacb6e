"""A time that an exchange is asked for in pieces: in windows as long as it takes, one whose page is full in halves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from autotrader.core.errors import VenueUnavailable

MAX_PAGES = 2_000
"""Bound of the questions in one reading; what is left is read the next time."""


async def read_spans(
    begin_ms: int,
    end_ms: int,
    window_ms: int,
    ask: Callable[[int, int], Awaitable[bool]],
    done: Callable[[int], None],
    place: str,
) -> None:
    """Ask for all from `begin_ms` to `end_ms`, both included.

    `ask` takes the first and the last millisecond of a span, and tells whether its page was full: exchanges differ in
    which end of such a span they leave out. `done` is told the end of each window. Raises VenueUnavailable beyond
    MAX_PAGES, and what `ask` raises.
    """
    pages = 0
    while begin_ms <= end_ms:
        until_ms = min(begin_ms + window_ms - 1, end_ms)
        spans = [(begin_ms, until_ms)]
        while spans:
            if pages == MAX_PAGES:
                raise VenueUnavailable(f"{place}: there are more than {pages} pages; the rest comes next")
            pages += 1
            first_ms, last_ms = spans.pop()
            if await ask(first_ms, last_ms) and first_ms < last_ms:
                middle_ms = (first_ms + last_ms) // 2
                spans += [(middle_ms + 1, last_ms), (first_ms, middle_ms)]
        done(until_ms)
        begin_ms = until_ms + 1
