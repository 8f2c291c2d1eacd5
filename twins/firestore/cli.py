"""Run the twin alone: ``python -m twins.firestore --port N``. For trying things out by hand."""

import argparse
import signal

from twins.firestore.server import FirestoreTwin


def main(arguments: list[str] | None = None) -> None:
    """Serve an empty Firestore until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m twins.firestore", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    port: int = parser.parse_args(arguments).port
    # Python leaves SIGINT ignored where a shell started us in the background; asked to stop, we stop.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with FirestoreTwin(port) as twin:
        print(f"export FIRESTORE_EMULATOR_HOST={twin.host}", flush=True)
        try:
            twin.wait()
        except KeyboardInterrupt:
            print("stopped", flush=True)
