"""What libraries would say on standard error that nobody who reads it can do anything about."""

import warnings


def hide_calendar_warnings() -> None:
    """Keep Google's library from saying, from a date on, that the Python it runs on is getting old.

    Call it where a process begins, before that library is loaded: standard error is for JSON lines, and for
    people. Which Python is used is decided with the lock files, not by a date.
    """
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.api_core")
