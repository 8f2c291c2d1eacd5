"""``python -m twins.stripe.cli``: the Stripe twin alone, in the foreground, with seeded payments if wanted.

Prints one JSON line once it listens; ends on Ctrl-C, SIGTERM, or when its standard input closes.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from twins.stripe.access import READER_KEY, WORLD_KEY
from twins.stripe.kinds import KINDS
from twins.stripe.seed import seed_payments
from twins.stripe.server import StripeTwin


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m twins.stripe.cli", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--payments", type=int, default=0, help="payments to seed before listening")
    given = parser.parse_args(arguments)
    twin = StripeTwin(given.port)
    if given.payments:
        seed_payments(twin.ledger, given.payments)
    signal.signal(signal.SIGTERM, _stop)
    with twin:
        counts = {path: twin.ledger.count(kind) for path, kind in KINDS.items()}
        ready = {
            "base_url": twin.base_url,
            "reader_key": READER_KEY,
            "world_key": WORLD_KEY,
            "objects": counts,
        }
        print(json.dumps(ready), flush=True)
        try:
            sys.stdin.read()
        except KeyboardInterrupt:
            return 0
    return 0


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
