"""What else shaped a result than its trades: what refused entries, and what locked the account."""

from __future__ import annotations

from autotrader.backtest.report_words import TEXTS
from autotrader.backtest.result import LOCK, MINIMUM, Result
from autotrader.core.clock import iso
from autotrader.core.language import Dictionary, Language


def notes(result: Result, language: Language = "en") -> list[str]:
    """Return a sentence for each thing that a person who reads the figures has to know."""
    words = Dictionary(language, TEXTS)
    told = []
    if result.locked_ms:
        told.append(words("note.locked", bound=result.locked_by, at=iso(result.locked_ms)))
    told += [words("note.own_lock", name=one.strategy, bound=one.bound, at=iso(one.ms)) for one in result.own_locks]
    if result.refused:
        names = {MINIMUM: words("note.minimum"), LOCK: words("note.lock")}
        by = [
            words("note.once" if count == 1 else "note.often", by=names.get(name, name), count=f"{count:,}")
            for name, count in result.refused.items()
        ]
        told.append(words("note.refused", by=", ".join(by)))
    return told
