"""Runs a module as ``python -m`` does, looking for garbage less often; so every part of a house is started.

Loading Dagster makes objects by the hundred thousand and hardly any garbage among them, and Python's own
thresholds have all of them looked through over and over: a fifth of the processor time that loading takes.
"""

import gc
import runpy
import sys
from typing import Final

from resources.library_warnings import hide_calendar_warnings

# How many more objects than before make a look at the youngest, and how many of those one at the older ones.
THRESHOLDS: Final = (50_000, 10, 10)


def module_command(*argv: str) -> list[str]:
    """Return the command that runs a module with arguments on this Python."""
    return [sys.executable, "-m", "cockpit.loading", *argv]


def main() -> None:
    """Become the module that the first argument names; its arguments are the others."""
    gc.set_threshold(*THRESHOLDS)
    hide_calendar_warnings()
    sys.argv = sys.argv[1:]
    # As with ``-m`` it is known as the main module, too: processes that it starts ask for it.
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
