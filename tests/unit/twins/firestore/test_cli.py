import os
import signal
import subprocess
import sys

import grpc


def test_the_twin_runs_alone_and_stops_when_interrupted():
    """The command prints what a client must export, serves, and ends quietly on Ctrl-C."""
    command = [sys.executable, "-m", "twins.firestore", "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stdout.readline().strip()
            assert line.startswith("export FIRESTORE_EMULATOR_HOST=127.0.0.1:")
            with grpc.insecure_channel(line.partition("=")[2]) as channel:
                grpc.channel_ready_future(channel).result(20)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
