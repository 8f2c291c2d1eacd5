"""Entry point of ``python -m twins``."""

import os
import sys

from resources.library_warnings import hide_calendar_warnings

if __name__ == "__main__":
    hide_calendar_warnings()
    # Standard error carries JSON lines only; gRPC reads this when it is loaded, and would tell of every
    # connection that its own server ends.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    from twins.cli import main

    sys.exit(main())
