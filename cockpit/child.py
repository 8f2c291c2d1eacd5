"""Becomes another program that dies with the supervisor; run as a script, never imported.

Used as ``python -I -S child.py SUPERVISOR_PID program arguments...``. The kernel kills the program when the
supervisor's main thread ends, even by kill -9 (Linux; elsewhere the next start clears leftovers).
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to the supervisor, then become the program."""
    supervisor, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The supervisor may have ended before the line above; then nobody would ever stop this.
    if os.getppid() != supervisor:
        sys.exit("child: the supervisor is already gone")
    os.execvp(program[0], program)  # noqa: S606 - becoming the program is what this script is for


if __name__ == "__main__":
    main()
