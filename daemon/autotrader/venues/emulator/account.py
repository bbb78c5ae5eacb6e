"""The account: what is free and what orders lock, exact to the last digit and never below zero."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from autotrader.core.errors import BrokenInvariant

ZERO = Decimal(0)


class Holding(NamedTuple):
    """One asset: what is free, and what live orders lock."""

    free: Decimal
    locked: Decimal


class Account:
    """Balances by asset."""

    def __init__(self, free: Mapping[str, Decimal]) -> None:
        self._held = {asset: Holding(amount, ZERO) for asset, amount in free.items()}

    def holding(self, asset: str) -> Holding:
        """Return what there is of an asset."""
        return self._held.get(asset, Holding(ZERO, ZERO))

    def holdings(self) -> Mapping[str, Holding]:
        """Return every asset that was ever held."""
        return dict(self._held)

    def lock(self, asset: str, amount: Decimal) -> None:
        """Set free money aside for an order."""
        self._move(asset, -amount, amount)

    def unlock(self, asset: str, amount: Decimal) -> None:
        """Give an order's money back."""
        self._move(asset, amount, -amount)

    def receive(self, asset: str, amount: Decimal) -> None:
        """Add money."""
        self._move(asset, amount, ZERO)

    def spend(self, asset: str, amount: Decimal) -> None:
        """Take free money away."""
        self._move(asset, -amount, ZERO)

    def restore(self, held: Mapping[str, Holding]) -> None:
        """Take over balances that were kept."""
        self._held = dict(held)

    def _move(self, asset: str, free: Decimal, locked: Decimal) -> None:
        before = self.holding(asset)
        after = Holding(before.free + free, before.locked + locked)
        if after.free < 0 or after.locked < 0:
            raise BrokenInvariant(f"the emulator's {asset} would be {after.free} free and {after.locked} locked")
        self._held[asset] = after
