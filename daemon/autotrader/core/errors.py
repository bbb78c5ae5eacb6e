"""Every error this program raises on purpose, told as one tree.

AutotraderError
├── ConfigError            declarations that cannot be accepted; carries every problem at once
├── HistoryError           recorded data is missing, unreadable or of the wrong shape
├── ExpressionError        a rule's expression cannot be compiled; knows its column
├── VenueError             anything an exchange answered or failed to answer
│   ├── VenueUnavailable   no answer can be had now; nothing is known to have changed
│   ├── AmbiguousSubmit    a request left and no answer came: look the order up, never re-send
│   ├── OrderRejected      the venue said no; the order does not exist
│   └── UnknownOrder       the venue does not know that client order id
├── StoreError             the journal cannot be opened, migrated or written
├── LockHeld               another daemon trades this account
├── ReloadRefused          a reload, plan or rollback was not applied; the running generation stays
├── ControlError           the daemon cannot be reached, or refused a command
└── BrokenInvariant        a bug: the process stops and recovers by starting again
"""

from __future__ import annotations

from dataclasses import dataclass


class AutotraderError(Exception):
    """Base of every error raised on purpose; its text names what, where and what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one place of a declaration.

    `line` and `column` are 1-based; 0 says that the problem concerns the file as a whole.
    `snippet` is the offending line of text with its secrets left out, `length` the characters to underline.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    snippet: str = ""
    length: int = 1
    severity: str = "error"

    def render(self) -> str:
        """Return the message as it is printed, caret line included."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.severity}: {self.message}"
        if self.hint:
            text += f"; {self.hint}"
        if self.snippet:
            gutter = f"{self.line:>3} | "
            caret = " " * (len(gutter) - 2) + "| " + " " * (self.column - 1) + "^" * max(1, self.length)
            text += f"\n{gutter}{self.snippet}\n{caret}"
        return text


class ConfigError(AutotraderError):
    """Raised when declarations cannot be accepted; `problems` holds all of them, in file order."""

    def __init__(self, problems: list[Problem] | tuple[Problem, ...]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.render() for problem in self.problems))


class HistoryError(AutotraderError):
    """Raised when recorded data is missing, unreadable or not of the documented shape."""


class ExpressionError(AutotraderError):
    """Raised when an expression cannot be compiled.

    `column` is the 0-based offset into the expression's text, `length` the characters concerned. `source` is the name
    of the other expression (a `let`) in whose text that place lies; empty for the text that was being compiled.
    """

    def __init__(self, message: str, column: int, length: int = 1, hint: str = "", source: str = "") -> None:
        self.message, self.column, self.length, self.hint, self.source = message, column, length, hint, source
        super().__init__(f"{message} (at character {column + 1})" + (f"; {hint}" if hint else ""))


class VenueError(AutotraderError):
    """Raised for anything an exchange answered, or failed to answer."""


class VenueUnavailable(VenueError):
    """Raised when a venue cannot be asked now; nothing is known to have changed there."""


class OrderUntold(VenueUnavailable):
    """Raised when a venue answers but does not tell yet what became of one order of ours; it is asked again."""


class AmbiguousSubmit(VenueError):
    """Raised when a request left and no answer came: the order may exist and is looked up by its id."""


class OrderRejected(VenueError):
    """Raised when the venue refused an order; `reason` is its own word."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class WouldTake(OrderRejected):
    """Raised when a venue refused a post-only order because it would have taken; at another price it may rest."""


class UnknownOrder(VenueError):
    """Raised when the venue does not know a client order id."""


class StoreError(AutotraderError):
    """Raised when the journal cannot be opened, migrated or written."""


class LockHeld(AutotraderError):
    """Raised when another daemon already trades this account."""


class ReloadRefused(AutotraderError):
    """Raised when a reload, plan or rollback was not applied; the running generation stays."""


class ControlError(AutotraderError):
    """Raised when the daemon cannot be reached or refused a command."""


class BrokenInvariant(AutotraderError):
    """Raised when the program finds itself in a state that cannot be: it stops and recovers by starting again."""
