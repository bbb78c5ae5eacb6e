"""The life of an order, as a table.

`intent` is durable before anything is sent; `sent` means that a request may have reached the venue. A timeout leaves
an order `sent` until the venue answers for it. A fill after a cancel is legal: the venue was faster than we were. So is
one after a refusal: an order that a venue did not know was on its way, and money that moved is booked, not disputed.
"""

from __future__ import annotations

from enum import StrEnum

from autotrader.core.errors import BrokenInvariant


class OrderState(StrEnum):
    """Where an order stands."""

    INTENT = "intent"
    SENT = "sent"
    OPEN = "open"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    ARMED = "armed"


class OrderEvent(StrEnum):
    """What can happen to an order."""

    SEND = "send"
    ACK = "ack"
    FILL_PART = "fill_part"
    FILL_ALL = "fill_all"
    CANCEL = "cancel"
    REJECT = "reject"
    EXPIRE = "expire"
    ABSENT = "absent"


S, E = OrderState, OrderEvent

WORKING = frozenset({S.INTENT, S.SENT, S.OPEN, S.PARTIAL})
"""States in which an order may still fill because we want it to."""

DONE = frozenset({S.FILLED, S.CANCELED, S.REJECTED, S.EXPIRED})
"""States that nothing but a late fill leaves; `rejected` also where the venue tells of the order after all."""

TRANSITIONS: dict[tuple[OrderState, OrderEvent], OrderState] = {
    (S.INTENT, E.SEND): S.SENT,
    (S.INTENT, E.ACK): S.OPEN,
    (S.INTENT, E.REJECT): S.REJECTED,
    (S.INTENT, E.ABSENT): S.REJECTED,
    (S.INTENT, E.CANCEL): S.CANCELED,
    (S.INTENT, E.EXPIRE): S.EXPIRED,  # it left, and a crash swallowed that it did
    (S.INTENT, E.FILL_PART): S.PARTIAL,
    (S.INTENT, E.FILL_ALL): S.FILLED,
    (S.SENT, E.ACK): S.OPEN,
    (S.SENT, E.FILL_PART): S.PARTIAL,
    (S.SENT, E.FILL_ALL): S.FILLED,
    (S.SENT, E.REJECT): S.REJECTED,
    (S.SENT, E.ABSENT): S.REJECTED,
    (S.SENT, E.CANCEL): S.CANCELED,
    (S.SENT, E.EXPIRE): S.EXPIRED,
    (S.OPEN, E.ACK): S.OPEN,
    (S.OPEN, E.FILL_PART): S.PARTIAL,
    (S.OPEN, E.FILL_ALL): S.FILLED,
    (S.OPEN, E.CANCEL): S.CANCELED,
    (S.OPEN, E.EXPIRE): S.EXPIRED,
    (S.OPEN, E.REJECT): S.REJECTED,
    (S.OPEN, E.ABSENT): S.CANCELED,  # it was there once: its venue forgot it
    (S.PARTIAL, E.ACK): S.PARTIAL,
    (S.PARTIAL, E.FILL_PART): S.PARTIAL,
    (S.PARTIAL, E.FILL_ALL): S.FILLED,
    (S.PARTIAL, E.CANCEL): S.CANCELED,
    (S.PARTIAL, E.EXPIRE): S.EXPIRED,
    (S.PARTIAL, E.ABSENT): S.CANCELED,
    (S.FILLED, E.ACK): S.FILLED,
    (S.FILLED, E.CANCEL): S.FILLED,
    (S.FILLED, E.EXPIRE): S.FILLED,
    (S.FILLED, E.REJECT): S.FILLED,
    (S.FILLED, E.ABSENT): S.FILLED,
    (S.PARTIAL, E.REJECT): S.CANCELED,  # it filled, so it was there
    (S.CANCELED, E.CANCEL): S.CANCELED,
    (S.CANCELED, E.EXPIRE): S.CANCELED,
    (S.CANCELED, E.ACK): S.CANCELED,
    (S.CANCELED, E.REJECT): S.CANCELED,
    (S.CANCELED, E.ABSENT): S.CANCELED,
    (S.CANCELED, E.FILL_PART): S.CANCELED,
    (S.CANCELED, E.FILL_ALL): S.FILLED,
    (S.EXPIRED, E.EXPIRE): S.EXPIRED,
    (S.EXPIRED, E.CANCEL): S.EXPIRED,
    (S.EXPIRED, E.ACK): S.EXPIRED,
    (S.EXPIRED, E.REJECT): S.EXPIRED,
    (S.EXPIRED, E.ABSENT): S.EXPIRED,
    (S.EXPIRED, E.FILL_PART): S.EXPIRED,
    (S.EXPIRED, E.FILL_ALL): S.FILLED,
    (S.REJECTED, E.REJECT): S.REJECTED,
    (S.REJECTED, E.ABSENT): S.REJECTED,
    (S.REJECTED, E.ACK): S.OPEN,  # its venue did not know it, and then it came
    (S.REJECTED, E.CANCEL): S.CANCELED,
    (S.REJECTED, E.EXPIRE): S.EXPIRED,
    (S.REJECTED, E.FILL_PART): S.PARTIAL,
    (S.REJECTED, E.FILL_ALL): S.FILLED,
    (S.ARMED, E.ACK): S.ARMED,
    (S.ARMED, E.FILL_PART): S.ARMED,
    (S.ARMED, E.FILL_ALL): S.FILLED,
    (S.ARMED, E.CANCEL): S.CANCELED,
    (S.ARMED, E.EXPIRE): S.EXPIRED,
}


def advance(state: OrderState, event: OrderEvent) -> OrderState:
    """Return the state after an event. Raises BrokenInvariant for what cannot happen."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise BrokenInvariant(f"an order that is {state} cannot meet {event}") from None
