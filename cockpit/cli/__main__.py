"""``python -m cockpit.cli``: what the launcher runs."""

import sys

from cockpit.cli.main import main
from resources.library_warnings import hide_calendar_warnings

if __name__ == "__main__":
    hide_calendar_warnings()
    sys.exit(main())
