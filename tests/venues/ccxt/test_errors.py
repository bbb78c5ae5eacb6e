"""Every error of ccxt has one answer."""

from __future__ import annotations

import json

import ccxt
import pytest
from ccxt.base import errors

from autotrader.core.errors import (
    AmbiguousSubmit,
    BrokenInvariant,
    OrderRejected,
    UnknownOrder,
    VenueError,
    VenueUnavailable,
    WouldTake,
)
from autotrader.venues.ccxt.errors import ANSWERS, Answer, answer_to, of_read, of_submit


def tree(kind=errors.BaseError):
    return {kind, *(found for below in kind.__subclasses__() for found in tree(below))}


def test_every_class_of_ccxt_has_exactly_one_answer():
    assert {one.__name__ for one in tree() if one.__module__ == "ccxt.base.errors"} == set(ANSWERS)
    assert set(ANSWERS.values()) == set(Answer)


def test_a_class_of_a_later_ccxt_gets_the_answer_of_its_base():
    newer = type("NewerOutage", (errors.ExchangeNotAvailable,), {})
    assert answer_to(newer("x")) is Answer.RETRY


@pytest.mark.parametrize(
    ("error", "submit", "read"),
    [
        (errors.RequestTimeout("x"), AmbiguousSubmit, VenueUnavailable),
        (errors.BadResponse("x"), AmbiguousSubmit, VenueUnavailable),
        (errors.ExchangeError("x"), AmbiguousSubmit, VenueUnavailable),
        (errors.DuplicateOrderId("x"), AmbiguousSubmit, VenueUnavailable),
        (TimeoutError(), AmbiguousSubmit, VenueUnavailable),
        (KeyError("price"), AmbiguousSubmit, VenueUnavailable),
        (errors.RateLimitExceeded("x"), OrderRejected, VenueUnavailable),
        (errors.PermissionDenied("x"), OrderRejected, VenueUnavailable),
        (errors.OrderNotFound("x"), OrderRejected, UnknownOrder),
        (errors.OrderImmediatelyFillable("x"), WouldTake, VenueError),
        (errors.ArgumentsRequired("x"), BrokenInvariant, BrokenInvariant),
    ],
)
def test_an_error_means_another_thing_for_a_submit_than_for_a_read(error, submit, read):
    assert type(of_submit(error, "here")) is submit
    assert type(of_read(error, "here")) is read


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("binance", 400, {"code": -2010, "msg": "Order would immediately match and take."}),
        (
            "binanceusdm",
            400,
            {"code": -5022, "msg": "Due to the order could not be executed as maker, the Post Only order is rejected."},
        ),
        ("kraken", 200, {"error": ["EOrder:Post only order"]}),
        ("coinbase", 200, {"success": False, "error_response": {"error": "INVALID_LIMIT_PRICE_POST_ONLY"}}),
    ],
)
@pytest.mark.parametrize("spaced", [False, True])
def test_a_post_only_order_that_would_take_is_told_from_other_refusals(name, status, body, spaced):
    exchange = getattr(ccxt, name)()
    text = json.dumps(body, separators=None if spaced else (",", ":"))
    with pytest.raises(errors.BaseError) as told:
        exchange.handle_errors(status, "", "https://somewhere/order", "POST", {}, text, body, {}, "")
    assert type(of_submit(told.value, "here")) is WouldTake


def test_an_exchanges_own_words_are_cut():
    assert len(str(of_read(errors.NetworkError("<html>" * 10_000), "here"))) < 400
