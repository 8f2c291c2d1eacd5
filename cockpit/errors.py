"""What the desk tells a person when it cannot do what was asked: one line of what, one of the remedy."""

CANNOT_RUN = 3


class CockpitError(Exception):
    """A command cannot do what was asked. Shown as two plain lines, never as a traceback.

    Attributes:
        what: What happened, and what was kept.
        remedy: What to do next.
        exit_code: 1 when what was asked for does not hold, 3 when the command could not run at all.
    """

    def __init__(self, what: str, remedy: str, *, exit_code: int = CANNOT_RUN) -> None:
        super().__init__(what)
        self.what, self.remedy, self.exit_code = what, remedy, exit_code
