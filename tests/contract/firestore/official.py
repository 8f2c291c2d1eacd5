"""Google's own Firestore emulator, where a machine has it: found, started on loopback, and stopped again.

It comes with the Google Cloud SDK and is installed from no package index, so it is looked for, never fetched.
STUDIO_OFFICIAL_FIRESTORE_EMULATOR names its jar, or the ``host:port`` of one that already runs.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

VARIABLE = "STUDIO_OFFICIAL_FIRESTORE_EMULATOR"
MAIN_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
JAR = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
FOR_MINUTES = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # compiling more than that never pays off
STARTUP_SECONDS = 60
PLACES = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "~/google-cloud-sdk",
    "/snap/google-cloud-sdk",
)


@dataclass(frozen=True)
class Official:
    """Where the emulator is: a jar to start, or an address where it already runs."""

    jar: Path | None
    address: str | None
    version: str


class NotFoundError(Exception):
    """There is no official emulator to test against; the message says why."""


def find() -> Official:
    """Return the emulator of this machine.

    Raises:
        NotFoundError: when there is none, or no Java to run it.
    """
    named = os.environ.get(VARIABLE, "")
    if named and not Path(named).exists() and ":" in named:
        return Official(None, named, f"at {named}")
    if named and not Path(named).is_file():
        raise NotFoundError(f"{VARIABLE} is set to {named}, which is neither a jar nor host:port")
    jar = Path(named) if named else _jar_of_an_sdk()
    if shutil.which("java") is None:
        raise NotFoundError("the emulator's jar is here but java is not on PATH")
    return Official(jar, None, _version(jar))


def _jar_of_an_sdk() -> Path:
    roots = [os.environ.get("CLOUDSDK_ROOT_DIR", ""), *PLACES]
    gcloud = shutil.which("gcloud")
    if gcloud:
        roots.append(str(Path(gcloud).resolve().parents[1]))
    for root in filter(None, roots):
        jar = Path(root).expanduser() / JAR
        if jar.is_file():
            return jar
    raise NotFoundError(f"no Google Cloud SDK with the Firestore emulator found (set {VARIABLE} to its jar)")


def _version(jar: Path) -> str:
    """Return the version the SDK says it has installed, or where the jar is if it does not say."""
    try:
        snapshot = jar.parents[2] / ".install" / "cloud-firestore-emulator.snapshot.json"
        for component in json.loads(snapshot.read_text(encoding="utf-8"))["components"]:
            if component["id"] == "cloud-firestore-emulator":
                return str(component["version"]["version_string"])
    except (OSError, ValueError, KeyError, IndexError):
        pass
    return f"({jar.name})"


@contextmanager
def running(official: Official) -> Iterator[str]:
    """Start the emulator if need be and give its ``host:port``; stop it afterwards."""
    if official.address is not None:
        _wait_until_it_answers(official.address, None)
        yield official.address
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = ["java", "-Xmx1g", *FOR_MINUTES, "-cp", str(official.jar), MAIN_CLASS]
    command += ["--host=127.0.0.1", f"--port={address.partition(':')[2]}"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            _wait_until_it_answers(address, process)
            yield address
        finally:
            # Asked politely it takes more than ten seconds, and there is nothing it could lose.
            process.kill()
            process.wait()


def _wait_until_it_answers(address: str, process: subprocess.Popen[bytes] | None) -> None:
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(STARTUP_SECONDS)
        except grpc.FutureTimeoutError:
            state = "" if process is None else f" (exit status {process.poll()})"
            raise RuntimeError(f"the official emulator did not answer on {address}{state}") from None
