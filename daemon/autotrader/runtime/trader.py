"""From what strategies want to the orders that follow: entries through the gate, ways out, and what waits between.

Nothing here is sent or written: orders are drafted on the desk, and leave with the turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_FLOOR, Decimal
from functools import partial, reduce
from typing import Any

import structlog

from autotrader.core.clock import day_of, iso
from autotrader.execution.declared import Rules
from autotrader.execution.ledger import Trade
from autotrader.execution.leg import REMOVED, Leg
from autotrader.execution.orders import BUY, SELL, Fill, Reason
from autotrader.execution.reconcile import NOTHING, Place, Steps, chase, leave, under
from autotrader.execution.sizing import NO_TRADES, Record, Room, entry_amount
from autotrader.market.instrument import STEP
from autotrader.risk import breakers as brk
from autotrader.risk import limits as lim
from autotrader.runtime.account import Account
from autotrader.runtime.desk import Desk
from autotrader.runtime.locks import ACCOUNT_FLAG, Own, own_flag, own_from, plain, plain_gone, plain_own, share_for
from autotrader.runtime.part import Part
from autotrader.runtime.strategy import Strategy
from autotrader.runtime.trial import TRIAL_FLAG, Trial, plain_trial
from autotrader.store.journal import Journal

ZERO = Decimal(0)

log = structlog.get_logger("trader")


class Trader:
    """Decides about orders. Owns the limits, the breakers and the locks; touched in the trading loop's turn only."""

    def __init__(self, journal: Journal, desk: Desk) -> None:
        self.journal = journal
        self.desk = desk
        self.accounts = desk.accounts
        self.limits = lim.Limits()
        self.breakers = brk.Breakers()
        self.own: dict[str, Own] = {}
        self.trial: Trial | None = None
        self.paused: dict[str, str] = {}
        self.killed = ""
        self.exits_only = ""
        self._records: dict[str, Record] = {}
        self._budgets: dict[tuple[str, str], tuple[Strategy, Decimal, float]] = {}
        self._watched: tuple[Decimal, int, lim.Limits, brk.Breakers] | None = None
        self._kept: dict[str, Any] = {}  # what the journal has of the breakers, by flag
        self.equities: dict[str, Decimal] = {}  # of this moment: nothing fills while it is decided
        self.still = False  # whether nothing moved the equity, or what is held against it, since it was watched

    # from wants to orders

    def consider(self, strategy: Strategy, part: Part, index: int, leg: Leg, now_ms: int) -> None:
        """Compare what a step wants of a leg with what the leg has, and draft the difference."""
        target, entry_id = part.out.target[index], part.out.entry[index]
        if target == 0.0:
            if not entry_id and part.slots:
                return  # its position is the slots' business
            if (leg.position.amount or leg.enters) and not leg.exit_reason:
                leg.shares = part.shares(index)
                self.leave(leg, Reason.EXIT, now_ms)
        elif entry_id != leg.entry_id:
            leg.shares = part.shares(index)
            self._enter(strategy, part, index, leg, now_ms)

    def leave(self, leg: Leg, reason: str, now_ms: int) -> None:
        """Draft the way out of a leg's position and entry."""
        now_ms = self.accounts[leg.exchange].market_ms or now_ms  # each exchange has a clock of its own
        if not leg.exit_reason:
            leg.first_sent_ms, leg.whole = now_ms, abs(leg.position.amount)
        leg.exit_reason = reason
        steps = leave(leg, self.price(leg), now_ms, self.desk.ending(leg))
        if steps != NOTHING or leg.left:
            leg.left = ZERO
            self.desk.draft(leg, steps, now_ms, "exit", {"why": reason, "holds": str(leg.position.amount)})
        self._sweep(leg, now_ms)
        self.desk.come_to_rest(leg)

    def _sweep(self, leg: Leg, now_ms: int) -> None:
        """Give up what is left of a position on its way out where it is too little to be traded."""
        left = abs(leg.position.amount)
        if left and not leg.orders and not leg.instrument.tradable(left, self.price(leg)):
            trade, self.still = self.desk.sweep(leg, now_ms), False
            self.accounts[leg.exchange].recount(leg.symbol)
            if trade is not None:
                self._closed(leg, trade, now_ms)

    def _enter(self, strategy: Strategy, part: Part, index: int, leg: Leg, now_ms: int) -> None:
        target, entry_id = part.out.target[index], part.out.entry[index]
        leg.entry_id, leg.exposure = entry_id, target
        strategy.last_decision = f"{iso(now_ms)} {'long' if target > 0 else 'short'} {leg.symbol}"
        working = leg.working("entry")
        for order in working:  # they are canceled first, so they take neither money nor room
            leg.orders.pop(order.client_id)
        with self.desk.taken_back():
            wanted, limit, first, refusal = self._sized(strategy, part, index, leg, now_ms)
        leg.orders |= {order.client_id: order for order in working}
        cancel = tuple(order.client_id for order in working)
        change = wanted - leg.position.amount
        if leg.position.amount and (change > 0) != (leg.position.amount > 0):
            self._reduce_to(leg, wanted, cancel, now_ms)
        elif refusal is not None:
            self._refuse(leg, refusal, change, limit, now_ms)
        else:
            leg.target, leg.first_sent_ms = wanted, now_ms
            leg.left, leg.chases = change if leg.policy.persists else ZERO, 0
            leg.whole = abs(change)
            place = Place("entry", BUY if change > 0 else SELL, first, limit, Reason.ENTRY)
            place = under(leg.policy, place)
            share = str(self.share(strategy, leg))
            self.desk.draft(leg, Steps(cancel, place), now_ms, "enter", {"exposure": target, "share": share})

    def _sized(
        self, strategy: Strategy, part: Part, index: int, leg: Leg, now_ms: int
    ) -> tuple[Decimal, Decimal | None, Decimal, lim.Refusal | None]:
        """Return the signed amount that a leg's target is sized to, its limit price, how much is sent at first, and why
        that is not allowed.
        """
        target, account, price = part.out.target[index], self.accounts[leg.exchange], self.price(leg)
        held = (abs(leg.position.amount) * price).quantize(STEP, ROUND_FLOOR)
        money = account.available() + held  # what its own position took may be used again
        room = Room(self.share(strategy, leg), money, account.cost, account.leverage)
        record = self._record(strategy)
        amount = entry_amount(strategy.size, target, room, price, leg.instrument, part.atr(index), record)
        wanted = amount if target > 0 else -amount
        limit = leg.instrument.price(leg.instrument.ticks(price)) if leg.policy.rests else None
        change = wanted - leg.position.amount
        first = leg.first_slice(abs(change))
        refusal = self.blocked(leg, now_ms)
        if refusal is None and strategy.size.kelly is not None and not strategy.size.counted(record):
            refusal = lim.Refusal("kelly", "an edge", f"none in {record.wins + record.losses} trades")
        refusal = refusal or self.below_minimum(leg, first, price)
        if refusal is None:
            refusal = self.gate(leg, (first if change > 0 else -first) * price, limit or price, now_ms)
        return wanted, limit, first, refusal

    def _record(self, strategy: Strategy) -> Record:
        """Return a strategy's closed trades where its size asks for them; read from the journal once."""
        if strategy.size.kelly is None:
            return NO_TRADES
        if strategy.name not in self._records:
            self._records[strategy.name] = reduce(Record.with_trade, self.journal.profits(strategy.name), NO_TRADES)
        return self._records[strategy.name]

    def below_minimum(self, leg: Leg, amount: Decimal, price: Decimal) -> lim.Refusal | None:
        """Return why an unsigned amount is less than its venue takes."""
        rules = leg.instrument
        if amount and amount * price >= rules.min_notional and amount >= rules.min_amount:
            return None
        bound = f"{rules.min_notional} {rules.quote}, {rules.min_amount} {rules.base}"
        return lim.Refusal("minimum", bound, f"{amount} {rules.base}")

    def share(self, strategy: Strategy, leg: Leg) -> Decimal:
        """Return the quote money that a strategy may use for one leg: its share of the exchange's equity, split."""
        return share_for(self._equity_of(leg.exchange), strategy.params.capital, strategy.width)

    def _equity_of(self, exchange: str) -> Decimal:
        equity = self.equities.get(exchange)
        if equity is None:
            equity = self.equities[exchange] = self.accounts[exchange].equity()
        return equity

    def budget(self, strategy: Strategy, leg: Leg) -> float:
        """Return `share` as a step takes it; computed anew where the equity, or what is declared, changed."""
        key, equity = (strategy.name, leg.exchange), self._equity_of(leg.exchange)
        kept = self._budgets.get(key)
        if kept is not None and kept[0] is strategy and kept[1] == equity:
            return kept[2]
        value = float(self.share(strategy, leg))
        self._budgets[key] = strategy, equity, value
        return value

    def _reduce_to(self, leg: Leg, wanted: Decimal, cancel: tuple[str, ...], now_ms: int) -> None:
        """Shrink a position to a smaller target, or leave it where the new target is on the other side."""
        same_side = wanted and (wanted > 0) == (leg.position.amount > 0)
        change = abs(leg.position.amount) - (abs(wanted) if same_side else ZERO)
        amount = leg.instrument.tradable(change, self.price(leg)) if change > 0 else change
        if not same_side:
            self.leave(leg, Reason.EXIT, now_ms)
        elif amount and not leg.exit_reason:  # what is on its way out goes on
            leg.target, leg.left = wanted, ZERO
            side = SELL if leg.position.amount > 0 else BUY
            place = Place("exit", side, amount, None, Reason.EXIT)
            others = (*leg.working("exit"), *leg.working("stop"))  # else two would sell the same
            cancel += tuple(order.client_id for order in others)
            self.desk.draft(leg, Steps(cancel, place), now_ms, "reduce", {"to": str(wanted)})

    def price(self, leg: Leg) -> Decimal:
        """Return a leg's last price; before there is one, what it was entered for."""
        return self.accounts[leg.exchange].prices.get(leg.symbol, leg.position.entry_price or ZERO)

    def _refuse(self, leg: Leg, refusal: lim.Refusal, change: Decimal, limit: Decimal | None, now_ms: int) -> None:
        """Draft nothing, but write why: the limit, its bound, the value and the order that was refused."""
        detail = refusal.told(change, limit) | {"exposure": leg.exposure}
        leg.exposure = 0.0 if not leg.position.amount else leg.exposure
        self.desk.draft(leg, NOTHING, now_ms, "refused", detail)

    # the gate

    def blocked(self, leg: Leg, now_ms: int) -> lim.Refusal | None:
        """Return why no entry is allowed on a leg now, whatever its size."""
        if self.killed:
            return lim.Refusal("kill", "locked", f"killed: {self.killed}")
        if self.exits_only:
            return lim.Refusal("exits_only", "locked", self.exits_only)
        for name in ("", leg.owner):
            if name in self.paused:
                return lim.Refusal("pause", "paused", self.paused[name] or "paused")
        if leg.locked or self.accounts[leg.exchange].locked:
            return lim.Refusal("holdings", "locked", leg.locked or self.accounts[leg.exchange].locked)
        refusal = brk.closed(self.breakers, now_ms)
        if refusal is None and (own := self.own.get(leg.owner)) is not None:
            refusal = brk.closed(own.breakers, now_ms)
            refusal = refusal._replace(of=leg.owner) if refusal is not None else None
        return refusal

    def gate(self, leg: Leg, notional: Decimal, price: Decimal, now_ms: int) -> lim.Refusal | None:
        """Return the limit that an order of a signed notional would break: the account's, then its strategy's own."""
        account = self.accounts[leg.exchange]
        order = lim.Entry(leg.exchange, leg.symbol, account.worth(notional), price)
        refusal = lim.check(self.limits, order, self._seen(leg, now_ms))
        if refusal is None and (own := self.own.get(leg.owner)) is not None and own.limits != lim.Limits():
            refusal = lim.check(own.limits, order, self._seen(leg, now_ms, leg.owner))
            refusal = refusal._replace(of=leg.owner) if refusal is not None else None
        return refusal

    def _seen(self, leg: Leg, now_ms: int, owner: str = "") -> lim.Account:
        """Return the account as an order of a leg meets it, or what one owner has of it; in the account's currency."""
        account = self.accounts[leg.exchange]
        nets = {name: one.exposures(owner) for name, one in self.accounts.items()}
        held = frozenset((name, symbol) for name, symbols in nets.items() for symbol in symbols)
        return lim.Account(
            self.own_equity(owner) if owner else self.equity(),
            account.worth(nets[leg.exchange].get(leg.symbol, ZERO)),
            sum((one.worth(one.gross(owner)) for one in self.accounts.values()), ZERO),
            held,
            self.desk.recent_orders(self.desk.counted_ms(leg.exchange, now_ms), owner),
            self.price(leg),
            account.due_ms.get((leg.symbol, leg.timeframe), now_ms),
            max(now_ms, account.market_ms),
        )

    # what goes on while nothing is decided

    def look_after(self, leg: Leg, now_ms: int) -> None:
        """Go on with what a leg has under way: an exit that is not done, a holding time, a limit entry."""
        if self.killed and not leg.exit_reason and (leg.position.amount or leg.orders or leg.left):
            self.leave(leg, Reason.KILL, now_ms)
        elif not leg.exit_reason and (strays := self._strays(leg)):
            self.desk.draft(leg, Steps(strays), now_ms, "cancel", {"why": "nothing wants it any more"})
        elif leg.exit_reason:
            steps = leave(leg, self.price(leg), now_ms, self.desk.ending(leg))
            if steps != NOTHING:
                self.desk.draft(leg, steps, now_ms, "exit", {"why": leg.exit_reason, "again": True})
            self._sweep(leg, now_ms)
        elif leg.max_holding_ms and leg.position.amount and now_ms - leg.position.opened_ms >= leg.max_holding_ms:
            self.leave(leg, Reason.MAX_HOLDING, now_ms)
        elif (leg.orders or leg.left) and all(order.created_ms < now_ms for order in leg.orders.values()):
            self._chase(leg, now_ms)

    def _strays(self, leg: Leg) -> tuple[str, ...]:
        """Return orders that work for nobody: a strategy's that is gone, or a slot's that a crash kept from its end."""
        strays = [order for order in leg.slotted() if order.client_id not in leg.slots]
        if leg.owner.startswith(REMOVED):
            strays += leg.working("entry")
        ending = self.desk.ending(leg)
        return tuple(order.client_id for order in strays if order.client_id not in ending)

    def _chase(self, leg: Leg, now_ms: int) -> None:
        steps = chase(leg, self.price(leg), now_ms)
        if steps == NOTHING:
            return
        if steps.place is not None:
            moved = steps.place
            working = leg.working("entry")
            for order in working:
                leg.orders.pop(order.client_id)
            price = moved.price or self.price(leg)
            change = moved.side * moved.amount
            refusal = self.blocked(leg, now_ms) or self.below_minimum(leg, moved.amount, price)
            refusal = refusal or self.gate(leg, change * price, price, now_ms)
            for order in working:
                leg.orders[order.client_id] = order
            if refusal is not None:
                self._give_up(leg, steps, now_ms, "refused", refusal.told(change, moved.price))
                return
            leg.chases += 1
            self.desk.draft(leg, steps, now_ms, "reprice", {})
            return
        self._give_up(leg, steps, now_ms, "timeout", {})

    def _give_up(self, leg: Leg, steps: Steps, now_ms: int, kind: str, detail: dict[str, Any]) -> None:
        """Draft the end of an entry; what it got stays."""
        leg.left = ZERO
        self.desk.draft(leg, Steps(steps.cancel), now_ms, kind, detail)
        self.desk.come_to_rest(leg)

    def leave_all(self, reason: str, now_ms: int, owner: str = "") -> int:
        """Draft the way out of every position and entry, or of one owner's; return how many."""
        count = 0
        for leg in self.desk.legs.values():
            under_way = leg.position.amount or leg.orders or leg.left
            if (not owner or leg.owner in {owner, REMOVED + owner}) and under_way:
                self.leave(leg, reason, now_ms)
                count += 1
        return count

    # money

    def equity(self) -> Decimal:
        """Return the equity of all exchanges, in the account's currency."""
        return sum((account.worth(account.equity()) for account in self.accounts.values()), ZERO)

    def own_equity(self, name: str) -> Decimal:
        """Return what a strategy with limits of its own may use now: the shares of its legs, added up."""
        one = self.own[name]
        shares = (
            self.accounts[exchange].worth(share_for(self._equity_of(exchange), one.capital, len(one.exchanges)))
            for exchange in one.exchanges
        )
        return sum(shares, ZERO)

    def profits(self) -> dict[str, Decimal]:
        """Return what each owner's legs have brought so far, what they hold at the last prices included.

        In the account's currency, net of fees. Funding is counted apart (`Own.settled`).
        """
        found: dict[str, Decimal] = {}
        for leg in self.desk.legs.values():
            account, position = self.accounts[leg.exchange], leg.position
            brought = position.banked() + account.value(leg) - position.paid if position.amount else position.realized
            found[leg.owner] = found.get(leg.owner, ZERO) + account.worth(brought)
        return found

    def take_rules(self, rules: Rules, strategies: Mapping[str, Strategy], before: Mapping[str, Decimal]) -> None:
        """Follow other limits from now on; runs in the transaction of a swap.

        `before` is what each owner's legs had brought before the swap: positions that changed hands bring neither a
        gain nor a loss. A strategy's first limits count from what it has brought so far.
        """
        self.limits = rules.account
        after, known, self.own = self.profits(), self.own, {}
        for name, limits in rules.own.items():
            strategy = strategies.get(name)
            if strategy is None:
                continue  # it could not start; what its breakers hold stays in the journal
            profit = after.get(name, ZERO)
            exchanges = tuple(one.exchange for part in strategy.parts for one in part.declared)
            one = known.get(name) or own_from(
                self.journal.flags().get(own_flag(name)), Own(limits, ZERO, exchanges, brk.Breakers()), profit
            )
            state = brk.shifted(one.breakers, profit - before.get(name, profit))
            self.own[name] = one._replace(
                limits=limits, capital=strategy.params.capital, exchanges=exchanges, breakers=state
            )
        for name in known.keys() - rules.own.keys():
            self.journal.flag(own_flag(name), plain_gone(known[name]))
            self._kept.pop(own_flag(name), None)

    def money_moved(self, exchange: str, amount: Decimal) -> None:
        """Take in a deposit or withdrawal: no loss baseline takes it for a gain or a loss."""
        account, equity = self.accounts[exchange], self.equity()
        self.breakers = brk.moved(self.breakers, account.worth(amount), equity)
        if self.trial is not None:
            self.trial = self.trial.after_money(account.worth(amount), equity)
        with self.journal.write():
            self.journal.event(
                account.market_ms,
                "info",
                "money_moved",
                exchange,
                f"{amount:+f} {account.quote} without a fill of ours",
            )

    def take_rate(self, account: Account, rate: Decimal, flag: str) -> None:
        """Count an exchange's money at another rate, and keep it. A first rate is neither a gain nor a loss."""
        if account.rated and account.rate == rate:
            return
        before, first = self.equity(), not account.rated
        account.rate, account.rated = rate, True
        if first:
            amount = self.equity() - before
            self.breakers = brk.moved(self.breakers, amount, before)
            self.trial = self.trial.after_money(amount, before) if self.trial is not None else None
            profits = self.profits()
            for name, one in self.own.items():
                if account.name in one.exchanges:
                    profit = profits.get(name, ZERO) + one.settled
                    self.own[name] = one._replace(breakers=one.breakers._replace(day_start=profit, peak=profit))
        with self.journal.write(durable=first):
            self.journal.flag(flag, str(rate))

    def watch_equity(self, now_ms: int) -> None:
        """Show the breakers the equity as it is now, and those of strategies their profit."""
        equity, day, seen = self.equity(), day_of(now_ms), self._watched
        if not (seen and seen[:2] == (equity, day) and seen[2] is self.limits and seen[3] is self.breakers):
            self.breakers, breaches = brk.on_equity(self.breakers, self.limits, now_ms, equity)
            self._watched = equity, day, self.limits, self.breakers
            self._tripped(breaches, self.limits, now_ms)
        if self.trial is not None:
            self.trial = self.trial.follows(self.limits, now_ms, equity)
        profits = self.profits() if self.own else {}
        for name, one in sorted(self.own.items()):
            profit = profits.get(name, ZERO) + one.settled
            state, breaches = brk.on_equity(one.breakers, one.limits, now_ms, profit, self.own_equity(name))
            self.own[name] = one._replace(breakers=state)
            self._tripped(breaches, one.limits, now_ms, name)

    def _tripped(self, breaches: Iterable[brk.Breach], limits: lim.Limits, now_ms: int, owner: str = "") -> None:
        for breach in breaches:
            whose = f" of {owner}" if owner else ""
            message = f"{breach.limit}{whose} is {breach.bound}, it came to {breach.value}"
            log.warning("a breaker tripped", limit=breach.limit, of=owner, bound=breach.bound, value=breach.value)
            with self.journal.write(durable=False):
                self.journal.event(now_ms, "warning", "breach", owner or breach.limit, message)
            if limits.on_breach == "close" and breach.limit != "cooldown":
                self.leave_all(Reason.BREACH, now_ms, owner)

    def unlock(self, name: str = "") -> None:
        """Lift the kill switch and every loss lock, or one strategy's own locks; gains and losses count from now on."""
        if not name:
            self.killed = ""
            self.breakers = brk.unlocked(self.breakers, self.equity())
        profits = self.profits()
        for owner in [name] if name else list(self.own):
            if (one := self.own.get(owner)) is not None:
                state = brk.unlocked(one.breakers, profits.get(owner, ZERO) + one.settled)
                self.own[owner] = one._replace(breakers=state)

    def locks(self) -> tuple[Any, ...]:
        """Return what must never be lost of the breakers: the locks of the account and of each strategy."""
        return brk.locks(self.breakers), {name: brk.locks(one.breakers) for name, one in self.own.items()}

    def keep_breakers(self) -> None:
        """Write those breakers that the journal has not as they are. Runs inside the turn's transaction."""
        self._keep(ACCOUNT_FLAG, self.breakers, lambda: plain(self.breakers))
        for name, one in self.own.items():
            self._keep(own_flag(name), (one.breakers, one.settled), partial(plain_own, one))
        if self.trial is not None:
            trial, rejects = self.trial, self.desk.rejected
            self._keep(TRIAL_FLAG, (trial, rejects), partial(plain_trial, trial, rejects))

    def _keep(self, flag: str, held: Any, told: Callable[[], dict[str, Any]]) -> None:
        if self._kept.get(flag) != held:
            self.journal.flag(flag, told())
            self._kept[flag] = held

    def book(self, fill: Fill) -> None:
        """Apply a fill and what follows from it: the closed trade's place in the breakers, a line in the log."""
        applied = self.desk.on_fill(fill)
        if applied.trade is not None and applied.leg is not None:
            self._closed(applied.leg, applied.trade, fill.ts_ms)
        if applied.leg is not None:
            log.info(
                "fill",
                strategy=applied.leg.owner,
                symbol=fill.symbol,
                side="buy" if fill.side > 0 else "sell",
                amount=str(fill.amount),
                price=str(fill.price),
                reason=fill.reason,
            )

    def _closed(self, leg: Leg, trade: Trade, now_ms: int) -> None:
        self.breakers, breaches = brk.on_trade(self.breakers, self.limits, now_ms, trade.pnl)
        self._tripped(breaches, self.limits, now_ms)
        if (own := self.own.get(leg.owner)) is not None:
            state, breaches = brk.on_trade(own.breakers, own.limits, now_ms, trade.pnl)
            self.own[leg.owner] = own._replace(breakers=state)
            self._tripped(breaches, own.limits, now_ms, leg.owner)
        if (record := self._records.get(leg.owner)) is not None:
            self._records[leg.owner] = record.with_trade(trade.pnl)
