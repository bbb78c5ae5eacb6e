"""The languages that people read, what a text in all of them is, and the words for trades."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

Language = Literal["en", "ko"]

LANGUAGES: Final[tuple[Language, ...]] = ("ko", "en")


class Both(NamedTuple):
    """One text in both languages; `{name}` in braces is filled in."""

    en: str
    ko: str


TRADE_WORDS: Final[Mapping[str, Both]] = {
    "side.buy": Both("buy", "매수"),
    "side.sell": Both("sell", "매도"),
    "side.long": Both("long", "롱"),
    "side.short": Both("short", "숏"),
    "reason.entry": Both("entry", "진입"),
    "reason.exit": Both("exit", "청산"),
    "reason.stop_loss": Both("stop loss", "손절"),
    "reason.take_profit": Both("take profit", "익절"),
    "reason.trailing_stop": Both("trailing stop", "추적 손절"),
    "reason.max_holding": Both("max holding", "보유 기한"),
    "reason.close": Both("close", "청산 명령"),
    "reason.kill": Both("kill", "긴급 정지"),
    "reason.removed": Both("removed", "전략 제거"),
    "reason.liquidation": Both("liquidation", "강제 청산"),
    "reason.breach": Both("breach", "한도 초과"),
    "reason.slot": Both("slot", "슬롯"),
}
"""How an order's side and its reason are called on every page and in every report."""


@dataclass(frozen=True)
class Dictionary:
    """Texts of one language, looked up by key."""

    language: Language
    texts: Mapping[str, Both] = field(compare=False)

    def __call__(self, key: str, /, **values: object) -> str:
        """Return a text. Raises KeyError for one that is not in the table."""
        text: str = getattr(self.texts[key], self.language)
        return text.format(**values) if values else text

    def of(self, group: str, value: str) -> str:
        """Return the word for a value of the daemon, or the value itself where there is none (a user's own name)."""
        key = f"{group}.{value}"
        return self(key) if key in self.texts else value
