"""``python -m cockpit.cli``: what the launcher runs."""

import sys

from cockpit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
