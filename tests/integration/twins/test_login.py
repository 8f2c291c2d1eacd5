"""``studio connectors login roborock`` against the twins: a private file that works, and nothing shown."""

import io
import json
import os
import stat
from pathlib import Path

import pytest
from pyrate_limiter import Duration, Limiter, Rate
from roborock.web_api import RoborockApiClient

from cockpit.cli.main import main
from resources.roborock import login as door
from resources.roborock.live import LiveRoborock
from twins.process import TwinsProcess, TwinsWish
from twins.roborock.account import Account

pytestmark = pytest.mark.integration

ACCOUNT = Account()
SECRETS = (
    ACCOUNT.token,
    ACCOUNT.user,
    ACCOUNT.password,
    ACCOUNT.signing_key,
    ACCOUNT.sealing_key,
    ACCOUNT.code,
)
LOGIN = ["connectors", "login", "roborock"]
REAL = {"STUDIO_FIRESTORE_PROJECT": "a-project", "STUDIO_STRIPE_KEY": "rk_live_abcdefgh"}


@pytest.fixture(scope="module")
def twins():
    with TwinsProcess(TwinsWish(is_empty=True), lambda *_, **__: None) as running:
        yield running


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    """Let this process log in as often as it likes; the library's own limit is one a second."""
    monkeypatch.setattr(RoborockApiClient, "_login_limiter", Limiter([Rate(10_000, Duration.SECOND)]))


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Stand in a shell that knows nothing of a studio."""
    for name in ("FIRESTORE_EMULATOR_HOST", "STUDIO_TWINS_CONTROL", "STUDIO_ROBOROCK_SESSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home"))
    return monkeypatch


@pytest.fixture
def pretend(elsewhere, twins):
    """Stand in a shell that evaluated what `twins up` printed."""
    for name, value in twins.environment.items():
        elsewhere.setenv(name, value)
    return twins


@pytest.fixture
def real(elsewhere, twins):
    """Real sources are configured; the vendor's cloud is the twin's, which only this test arranges."""
    for name, value in REAL.items():
        elsewhere.setenv(name, value)
    vendors, asked = door.log_in, []

    def log_in(email, ask_code, session_path, *, base_url=None):
        asked.append(base_url)
        vendors(email, ask_code, session_path, base_url=twins.devices.roborock.cloud_url)

    elsewhere.setattr(door, "log_in", log_in)
    yield elsewhere
    assert set(asked) <= {None}


def say(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def shown(capsys, *more):
    said = capsys.readouterr()
    assert not [secret for secret in (*SECRETS, *more) if secret in said.out + said.err]
    return said


def test_the_pretend_account_needs_no_questions(pretend, tmp_path, capsys):
    """Address and code are known; the file is private, whole, and opens the robots at once."""
    path = tmp_path / "secrets" / "session.json"
    assert main([*LOGIN, "--session", str(path)]) == 0
    said = shown(capsys)
    assert "pretend account" in said.out
    assert f"STUDIO_ROBOROCK_SESSION={path}" in said.out
    assert said.err == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert len(LiveRoborock(path, tmp_path / "cache.json").read(5).devices) == 3
    assert not pretend.devices.roborock.writes


def test_json_names_the_file_and_nothing_else(pretend, capsys):
    """Without --session the login goes where the setting says."""
    path = pretend.environment["STUDIO_ROBOROCK_SESSION"]
    assert main([*LOGIN, "--json"]) == 0
    assert json.loads(shown(capsys).out) == {
        "connector": "roborock",
        "sessionFile": path,
        "setting": "STUDIO_ROBOROCK_SESSION",
        "isPretend": True,
    }


def test_a_real_account_is_asked_for_address_and_code(real, tmp_path, capsys):
    """Both come from standard input, one line each, and the vendor finds its own cloud by the address."""
    path = tmp_path / "session.json"
    real.setenv("STUDIO_ROBOROCK_SESSION", str(path))
    say(real, f"somebody@example.com\n {ACCOUNT.code} \n")
    assert main(LOGIN) == 0
    said = shown(capsys, "somebody@example.com")
    assert said.err.splitlines() == ["Address of the account: ", "Code from the mail that is on its way: "]
    assert "pretend" not in said.out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("000000\n", (1, "The code is not right")),
        ("\n", (3, "No code was given")),
        ("", (3, "No code was given")),
    ],
)
def test_a_wrong_code_or_none_keeps_the_old_login(real, tmp_path, capsys, text, refusal):
    """Two plain lines, and the file is as it was."""
    path = tmp_path / "session.json"
    path.write_text("older")
    say(real, text)
    exit_code, words = refusal
    assert main([*LOGIN, "--email", "somebody@example.com", "--session", str(path)]) == exit_code
    assert words in shown(capsys, "somebody@example.com").err
    assert path.read_text() == "older"


def test_a_cloud_that_does_not_answer_is_told(pretend, tmp_path, capsys):
    """The fault's own words, exit code 3, nothing saved."""
    pretend.devices.strike("roborock", "cloud_html_502")
    try:
        assert main([*LOGIN, "--session", str(tmp_path / "session.json")]) == 3
    finally:
        pretend.control.clear()
    assert "Nothing was saved" in shown(capsys).err
    assert not (tmp_path / "session.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["connectors", "login", "hubitat"], "has no login"),
        (["connectors", "login", "toaster"], "There is no connector toaster"),
        (LOGIN, "not said where"),
        ([*LOGIN, "--session", "x"], "No address was given"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(elsewhere, arguments, words, capsys):
    """Exit code 2, with what to do instead."""
    say(elsewhere, "")
    assert main(arguments) == 2
    assert words in shown(capsys).err


@pytest.mark.parametrize("kind", ["pipe", "below_a_file", "nowhere"])
def test_no_code_is_sent_for_a_login_that_cannot_be_kept(real, tmp_path, capsys, kind):
    """What is there stays what it is: a pipe or a device is not replaced by our file, for everybody."""
    paths = {"pipe": tmp_path / "pipe", "below_a_file": tmp_path / "file" / "x", "nowhere": Path("/proc/x/y")}
    path = paths[kind]
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    say(real, f"{ACCOUNT.code}\n")
    assert main([*LOGIN, "--email", "somebody@example.com", "--session", str(path)]) == 2
    assert "nothing was asked" in shown(capsys, "somebody@example.com").err
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "pipe"]


def test_twins_that_have_gone_are_told(elsewhere, capsys):
    """An address nobody answers at is no pretend studio."""
    elsewhere.setenv("STUDIO_TWINS_CONTROL", "http://127.0.0.1:1")
    assert main([*LOGIN, "--session", "x"]) == 3
    assert "do not answer" in shown(capsys).err
    elsewhere.setenv("STUDIO_TWINS_CONTROL", "http://control.example")
    assert main([*LOGIN, "--session", "x"]) == 3
    assert "does not lead to this machine" in shown(capsys).err
