"""Canary secrets get out nowhere, and nothing is left behind by many reads."""

import asyncio
import gc
import io
import logging
import threading
import traceback
import warnings
from datetime import timedelta
from pathlib import Path

import pytest

from resources.connector import ConnectorError, Fault
from resources.roborock.login import log_in
from resources.roborock.session import load_session
from tests.contract.roborock.studio import CANARIES, CANARY_WORDS, DEADLINE, fleet, vacuum
from twins.roborock.faults import KINDS


def chain(error):
    """Return an exception's text with everything that hangs on to it."""
    seen, texts = set(), []
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        texts += [str(error), repr(error), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


@pytest.fixture
def everything_logged():
    """Return a stream with every line of every logger, down to debug."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def test_canaries_are_nowhere(make_studio, everything_logged, tmp_path, capfd):
    """Every credential, key and name is a canary; none is in a log, an error, a reading or the cache file."""
    studio = make_studio(*fleet())
    texts = [repr(studio.read(5)), repr(studio.connector.health(DEADLINE))]
    for kind in KINDS:
        studio.break_(kind)
        studio.clock.moved += timedelta(hours=5)
        try:
            texts.append(repr(studio.read(0.4)))
        except ConnectorError as error:
            texts.append(chain(error))
        texts.append(repr(studio.connector.health(0.2)))
        texts.append(studio.cache_path.read_text())
        studio.mend()
    texts.append(repr(load_session(studio.session_path)))
    texts += [everything_logged.getvalue(), *capfd.readouterr()]
    others = [p for p in tmp_path.rglob("*") if p.is_file() and p != studio.session_path]
    texts += [path.read_text() for path in others]
    found = {word for word in CANARY_WORDS for text in texts if word in text}
    assert not found
    assert {path.stat().st_mode & 0o077 for path in others if not path.name.endswith(".lock")} == {0}


def test_login_by_code(make_studio, everything_logged, tmp_path):
    """A wrong code saves nothing; the right one writes a private file that reads robots at once."""
    studio = make_studio(vacuum())
    path = tmp_path / "secrets" / "roborock.json"
    with pytest.raises(ConnectorError) as caught:
        log_in(CANARIES.email, lambda: "000000", path, base_url=studio.twin.cloud_url)
    assert caught.value.fault is Fault.AUTH
    assert "Nothing was saved" in str(caught.value)
    assert not path.exists()
    log_in(CANARIES.email, lambda: f" {CANARIES.code}\n", path, base_url=studio.twin.cloud_url)
    assert path.stat().st_mode & 0o777 == 0o600
    studio.session_path.write_bytes(path.read_bytes())
    assert studio.read().devices
    assert not studio.twin.writes
    text = chain(caught.value) + everything_logged.getvalue()
    assert not [word for word in CANARY_WORDS if word in text]


@pytest.mark.parametrize("kind", ["cloud_html_502", "cloud_drop", "cloud_null", "cloud_401"])
def test_a_login_that_fails_saves_nothing(make_studio, tmp_path, kind):
    """Whatever the cloud does, there is either a working login or the old one."""
    studio = make_studio(vacuum())
    before = studio.session_path.read_bytes()
    studio.break_(kind)
    with pytest.raises(ConnectorError):
        log_in(CANARIES.email, lambda: CANARIES.code, studio.session_path, base_url=studio.twin.cloud_url)
    assert studio.session_path.read_bytes() == before


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_fifty_reads_leave_nothing_behind(make_studio):
    """Sockets, threads, tasks and connections at the broker are as before, with and without faults."""
    studio = make_studio(vacuum("robot-good"), vacuum("robot-bad"), fleet()[1])
    studio.read()
    studio.read()
    gc.collect()
    files, threads = open_files(), threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for number in range(50):
            if number % 10 == 5:
                studio.break_(
                    ["reset", "off", "bad_crc", "drop_after_hello", "refused"][number // 10],
                    robot="robot-bad",
                )
            studio.read(1.5)
            studio.mend()
        gc.collect()
    studio.twin.settle()
    tasks = [thing for thing in gc.get_objects() if isinstance(thing, asyncio.Task) and not thing.done()]
    ours = [
        task for task in tasks if "twins/roborock" not in repr(task) and "pyrate_limiter" not in repr(task)
    ]
    assert not ours
    assert threading.active_count() <= threads
    assert open_files() <= files + 2
    assert studio.twin.open_connections == 0
