"""What is reported to the user in one line instead of a traceback."""


class UserError(Exception):
    """A mistake the user can mend: exit code 2, one line, no traceback.

    `what` names the file, key and value; `fix` says what to do. Programming mistakes are asserts.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"{what} {fix}".strip())


class Shortfall(Exception):
    """The job ended in good order with less than was asked for: exit code 3."""
