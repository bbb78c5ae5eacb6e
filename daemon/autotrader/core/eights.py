"""Lines of floats looked at eight places at a time: what compiled code does in one go.

The results are those of looking at one place after the other, to the last bit. Lines are those of `core.memory`.
"""

from __future__ import annotations

from typing import Any

from autotrader.core.jit import native

EIGHT = 8
CENT_8 = 1e-8


def first_one(x: Any, start: int, stop: int) -> int:
    """Return the place of the first 1.0 in part of a line, `stop` if there is none.

    Up to seven places behind `stop` must be the line's own: they are looked at, too.
    """
    while start < stop:
        before: int = before_one(x, start)
        if before < EIGHT:
            return min(start + before, stop)
        start += EIGHT  # not what was found: the next eight need not wait for it
    return stop


def first_outside(lows: Any, highs: Any, start: int, stop: int, scale: float, below: float, above: float) -> int:
    """Return the first place where low x scale + 0.5 < below or high x scale + 0.5 >= above; `stop` if none is."""
    while start + EIGHT <= stop:
        before: int = before_outside(lows, highs, start, scale, below, above)
        if before < EIGHT:
            return start + before
        start += EIGHT
    while start < stop and not (lows[start] * scale + 0.5 < below or highs[start] * scale + 0.5 >= above):
        start += 1
    return start


def _instruction(name: str) -> Any:
    """Return what compiled code has in place of a function of eight places."""
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    some, whole, real = ir.VectorType(ir.DoubleType(), EIGHT), types.int64, types.float64

    def _load(builder: Any, line: Any, at: Any) -> Any:
        return builder.load(builder.bitcast(builder.gep(line, [at]), some.as_pointer()), align=8)

    def _same(number: float) -> Any:
        return ir.Constant(some, [number] * EIGHT)

    def _places(places: list[int]) -> Any:
        return ir.Constant(ir.VectorType(ir.IntType(32), EIGHT), places)

    def _all(builder: Any, value: Any) -> Any:
        nothing = ir.Constant(some, ir.Undefined)
        one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(one, nothing, _places([0] * EIGHT))

    def _before(builder: Any, true: Any) -> Any:
        bits = builder.zext(builder.bitcast(true, ir.IntType(EIGHT)), ir.IntType(64))
        return builder.cttz(builder.or_(bits, ir.Constant(bits.type, 1 << EIGHT)), ir.Constant(ir.IntType(1), 1))

    def _scaled(builder: Any, value: Any, scale: Any) -> Any:
        return builder.fadd(builder.fmul(value, _all(builder, scale)), _same(0.5))

    def _most(builder: Any, order: str, value: Any) -> Any:
        for step in (4, 2, 1):
            other = builder.shuffle_vector(value, value, _places([(place + step) % EIGHT for place in range(EIGHT)]))
            value = builder.select(builder.fcmp_ordered(order, value, other), value, other)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    def _one(_context: Any, builder: Any, _of: Any, args: Any) -> Any:
        return _before(builder, builder.fcmp_ordered("==", _load(builder, *args), _same(1.0)))

    def _outside(_context: Any, builder: Any, _of: Any, args: Any) -> Any:
        low, high = (_scaled(builder, _load(builder, line, args[2]), args[3]) for line in args[:2])
        under = builder.fcmp_ordered("<", low, _all(builder, args[4]))
        return _before(builder, builder.or_(under, builder.fcmp_ordered(">=", high, _all(builder, args[5]))))

    def _worth(_context: Any, builder: Any, _of: Any, args: Any) -> Any:
        worth = builder.fmul(builder.fmul(_all(builder, args[2]), _load(builder, *args[:2])), _same(CENT_8))
        worth = builder.fadd(_all(builder, args[3]), worth)
        return cgutils.pack_array(builder, [_most(builder, order, worth) for order in "<>"])  # type: ignore[no-untyped-call]

    @intrinsic
    def one(_typing: Any, x: Any, _start: Any) -> Any:
        return whole(x, whole), _one

    @intrinsic
    def outside(_typing: Any, lows: Any, highs: Any, _start: Any, _scale: Any, _below: Any, _above: Any) -> Any:
        return whole(lows, highs, whole, real, real, real), _outside

    @intrinsic
    def worth(_typing: Any, prices: Any, _start: Any, _lots: Any, _money: Any) -> Any:
        pair = types.UniTuple(real, 2)  # type: ignore[no-untyped-call]
        return pair(prices, whole, real, real), _worth

    return {"one": one, "outside": outside, "worth": worth}[name]


@native(lambda: _instruction("one"))
def before_one(x: Any, start: int) -> int:
    """Return how many of eight places come before the first 1.0."""
    return next((n for n in range(EIGHT) if start + n < len(x) and x[start + n] == 1.0), EIGHT)


@native(lambda: _instruction("outside"))
def before_outside(lows: Any, highs: Any, start: int, scale: float, below: float, above: float) -> int:
    """Return how many of eight places come before the first outside (see `first_outside`)."""
    for n in range(EIGHT):
        if lows[start + n] * scale + 0.5 < below or highs[start + n] * scale + 0.5 >= above:
            return n
    return EIGHT


@native(lambda: _instruction("worth"))
def worth_of_eight(prices: Any, start: int, lots: float, money: float) -> tuple[float, float]:
    """Return the least and the greatest of money + lots x price x 1e-8 over eight places."""
    worth = [money + lots * prices[place] * CENT_8 for place in range(start, start + EIGHT)]
    return min(worth), max(worth)
