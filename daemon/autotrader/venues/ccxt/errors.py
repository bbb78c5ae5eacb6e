"""What to do about each error of ccxt: one declared answer a class, and what it means for a submit and for a read.

Classes are known by their names, so that deciding needs no import of ccxt. A class that is not in the table (a later
ccxt, or an exchange's own) gets the answer of its nearest base.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from autotrader.core.errors import (
    AmbiguousSubmit,
    BrokenInvariant,
    OrderRejected,
    UnknownOrder,
    VenueError,
    VenueUnavailable,
    WouldTake,
)

MAX_TEXT = 300
"""Characters of an exchange's own words that are kept: some answer with a whole page."""


class Answer(StrEnum):
    """What to do about an error.

    `retry`: no answer came; a read is asked again, a submit is ambiguous. `back_off`: refused for its rate or moment;
    asked again later. `look_up`: what happened is unknown and asking the same again does not tell. `pause_venue`: the
    account or the whole exchange refuses; it is left alone for a while. `reject`: this one request is refused.
    `stop`: the program asked wrongly.
    """

    RETRY = "retry"
    BACK_OFF = "back_off"
    LOOK_UP = "look_up"
    PAUSE_VENUE = "pause_venue"
    REJECT = "reject"
    STOP = "stop"


ANSWERS: Mapping[str, Answer] = {
    "BaseError": Answer.LOOK_UP,
    "ExchangeError": Answer.LOOK_UP,  # what ccxt has no better name for: it may stand for anything
    "AuthenticationError": Answer.PAUSE_VENUE,
    "PermissionDenied": Answer.PAUSE_VENUE,
    "AccountNotEnabled": Answer.PAUSE_VENUE,
    "AccountSuspended": Answer.PAUSE_VENUE,
    "ArgumentsRequired": Answer.STOP,  # ccxt raises it before anything leaves
    "BadRequest": Answer.REJECT,
    "BadSymbol": Answer.REJECT,
    "OperationRejected": Answer.REJECT,
    "NoChange": Answer.REJECT,
    "MarginModeAlreadySet": Answer.REJECT,
    "MarketClosed": Answer.REJECT,
    "ManualInteractionNeeded": Answer.PAUSE_VENUE,
    "RestrictedLocation": Answer.PAUSE_VENUE,
    "InsufficientFunds": Answer.REJECT,
    "InvalidAddress": Answer.REJECT,
    "AddressPending": Answer.REJECT,
    "InvalidOrder": Answer.REJECT,
    "OrderNotFound": Answer.REJECT,
    "OrderNotCached": Answer.LOOK_UP,
    "OrderImmediatelyFillable": Answer.REJECT,
    "OrderNotFillable": Answer.REJECT,
    "DuplicateOrderId": Answer.LOOK_UP,  # an order of that id is there: it may be the one that was asked for
    "ContractUnavailable": Answer.REJECT,
    "NotSupported": Answer.REJECT,
    "InvalidProxySettings": Answer.STOP,
    "ExchangeClosedByUser": Answer.LOOK_UP,  # our own client was closed while it waited
    "OperationFailed": Answer.RETRY,
    "NetworkError": Answer.RETRY,
    "DDoSProtection": Answer.BACK_OFF,
    "RateLimitExceeded": Answer.BACK_OFF,
    "ExchangeNotAvailable": Answer.RETRY,  # Binance: 503 may have executed
    "OnMaintenance": Answer.RETRY,
    "InvalidNonce": Answer.BACK_OFF,  # our clock is off: it is measured again before the next try
    "ChecksumError": Answer.RETRY,
    "RequestTimeout": Answer.RETRY,
    "BadResponse": Answer.RETRY,
    "NullResponse": Answer.RETRY,
    "CancelPending": Answer.RETRY,
    "UnsubscribeError": Answer.LOOK_UP,
}
"""Every class of ccxt's tree, each with its answer."""


WOULD_TAKE = ('"code":-5022', "EOrder:Post only order", "INVALID_LIMIT_PRICE_POST_ONLY")
"""What Binance USD-M, Kraken and Coinbase say of a post-only order that would take, where ccxt has no name for it."""


REFUSED = ('"name":"under_min_total_', '"name":"invalid_price_')
"""What Upbit says of an order that it surely refused, where ccxt has no name for it."""


def would_take(error: BaseException) -> bool:
    """Tell whether an error says that a post-only order would have taken, so that it was refused."""
    return named(error, "OrderImmediatelyFillable") or _says(error, WOULD_TAKE)


def _says(error: BaseException, words: Sequence[str]) -> bool:
    said = "".join(str(error).split(" "))
    return any(one.replace(" ", "") in said for one in words)


def is_ccxt(error: BaseException) -> bool:
    """Tell whether an error is one of ccxt's own."""
    return any(one.__name__ == "BaseError" and one.__module__.startswith("ccxt") for one in type(error).__mro__)


def answer_to(error: BaseException) -> Answer:
    """Return what to do about an error; one that is not ccxt's or the network's is looked up."""
    if isinstance(error, TimeoutError | OSError):
        return Answer.RETRY
    if not is_ccxt(error):
        return Answer.LOOK_UP
    return next(ANSWERS[one.__name__] for one in type(error).__mro__ if one.__name__ in ANSWERS)


def named(error: BaseException, name: str) -> bool:
    """Tell whether an error is of a class of ccxt, or of one below it."""
    return any(one.__name__ == name for one in type(error).__mro__)


def words(error: BaseException) -> str:
    """Return an error's class and the start of what it says."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:MAX_TEXT]}" if text else type(error).__name__


def of_submit(error: BaseException, place: str) -> VenueError | BrokenInvariant:
    """Return what an error means for an order that was sent: ambiguous unless the venue surely has no such order."""
    answer, text = answer_to(error), f"{place}: {words(error)}"
    if answer is Answer.STOP:
        return BrokenInvariant(f"{text}; the request is wrong, and asking again cannot help")
    if is_ccxt(error) and would_take(error):
        return WouldTake(text)
    if answer in {Answer.REJECT, Answer.PAUSE_VENUE} or (is_ccxt(error) and _says(error, REFUSED)):
        return OrderRejected(text)
    if answer is Answer.BACK_OFF:
        return OrderRejected(f"{text}; it asked too much of the exchange, or our clock is off, and was not taken")
    return AmbiguousSubmit(f"{text}; the order may exist and is looked up by its id")


def of_read(error: BaseException, place: str) -> VenueError | BrokenInvariant:
    """Return what an error means for a question, and for a cancel, once it is not asked again."""
    answer, text = answer_to(error), f"{place}: {words(error)}"
    if answer is Answer.STOP:
        return BrokenInvariant(f"{text}; the request is wrong, and asking again cannot help")
    if named(error, "OrderNotFound"):
        return UnknownOrder(text)
    if answer is Answer.REJECT:
        return VenueError(text)
    if answer is Answer.PAUSE_VENUE:
        return VenueUnavailable(f"{text}; look at the account, its key and the key's rights")
    return VenueUnavailable(text)
