"""Errors that are reported to the user in one line instead of a traceback."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Kind of a user error, for callers that act on it. Messages are for people, and nothing reads their text."""

    OTHER = "other"
    NOT_ON_SERVER = "not on server"  # the server answered that there is no such file: a mirror may have it
    # Photographs that cannot be used; the value is the reason that `data check` counts.
    MISSING_FILE = "missing file"
    UNREADABLE_FILE = "unreadable file"
    DAMAGED = "damaged or truncated"
    TOO_SMALL = "tiny"
    TOO_LARGE = "too large"
    SEVERAL_PICTURES = "animated or paged"
    COLOUR_PROFILE = "unusable colour profile"


LONGEST = 1000
"""Characters of a message: a value from a file of the user's is not printed whole, however long it is."""


class UserError(Exception):
    """A mistake the user can mend: exit code 2, one line, no traceback.

    `what` names the file, key and value; `fix` says what to do; `code` is what callers may act on; `listed`: several
    problems, a line each. Programming mistakes are asserts.
    """

    def __init__(self, what: str, fix: str = "", *, code: Code = Code.OTHER, listed: bool = False) -> None:
        self.what = what if listed or len(what) <= LONGEST else f"{what[:LONGEST]}… ({len(what)} characters)"
        what = self.what
        self.fix = fix
        self.code = code
        self.listed = listed
        super().__init__(f"{what} {fix}".strip())


class Shortfall(Exception):
    """The job ended in good order with less than was asked for: exit code 3."""
