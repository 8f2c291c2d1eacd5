"""The secret file and the private cache: who may read them, and what they tell."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from resources.connector import ConnectorError, Fault
from resources.roborock.cache import (
    HOMES_PER_DAY,
    HOMES_PER_HOUR,
    Memory,
    RoborockCache,
    home_data,
    kept_home,
)
from resources.roborock.session import RoborockSession, load_session, save_session
from twins.roborock.account import Account, home
from twins.roborock.robots import FakeRobot

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
ACCOUNT = Account()


def session(cloud="http://127.0.0.1:9", broker="tcp://127.0.0.1:9", account=ACCOUNT):
    return RoborockSession(account.email, cloud, account.user_data(cloud, broker))


def test_a_login_survives_the_file(tmp_path):
    """What was saved is what is loaded; only the owner may read it."""
    path = tmp_path / "new" / "session.json"
    save_session(path, session())
    assert load_session(path) == session()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["session.json"]
    assert ACCOUNT.token not in repr(load_session(path))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_others_may_read_is_refused(tmp_path, mode):
    """A secret that is none is not used."""
    path = tmp_path / "session.json"
    save_session(path, session())
    path.chmod(mode)
    with pytest.raises(ConnectorError, match="chmod 600") as caught:
        load_session(path)
    assert caught.value.fault is Fault.AUTH


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"email": 1, "base_url": "x", "user_data": {}}', '{"user_data": null}']
)
def test_an_unusable_file_is_an_auth_fault(tmp_path, text):
    """Whatever is wrong with it, the sentence says what to do."""
    path = tmp_path / "session.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConnectorError, match="Log in again") as caught:
        load_session(path)
    assert caught.value.fault is Fault.AUTH
    with pytest.raises(ConnectorError, match="does not exist"):
        load_session(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("cloud", "broker"),
    [
        ("http://cloud.example", "ssl://broker.example:8883"),
        ("https://cloud.example", "tcp://broker.example:1883"),
        ("ftp://127.0.0.1", "ssl://broker.example:8883"),
    ],
)
def test_secrets_go_nowhere_in_the_clear(tmp_path, cloud, broker):
    """Beyond this machine the cloud is asked over TLS only, and so is the broker."""
    path = tmp_path / "session.json"
    save_session(path, session(cloud, broker))
    with pytest.raises(ConnectorError):
        load_session(path)
    save_session(path, session("https://cloud.example", "ssl://broker.example:8883"))
    assert load_session(path).base_url == "https://cloud.example"


def test_the_cache_tells_nothing_and_survives(tmp_path):
    """Home, keys and addresses are sealed; the same login opens them, another does not."""
    path = tmp_path / "cache.json"
    kept = home([FakeRobot("duid-1", "sealed-local-key", "127.9.9.9")])
    cache = RoborockCache(path, session())
    cache.save(
        Memory(
            home=kept, home_at=5.0, robots={"duid-1": {"ip": "127.9.9.9"}}, refusals=2, broker_not_before=9.0
        )
    )
    text = path.read_text()
    assert not [
        word
        for word in ("sealed-local-key", "127.9.9.9", "duid-1", ACCOUNT.email, ACCOUNT.token)
        if word in text
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = RoborockCache(path, session()).load()
    assert (loaded.home, loaded.home_at, loaded.refusals) == (kept, 5.0, 2)
    other = RoborockCache(path, session(account=Account(token="another"))).load()
    assert (other.home, other.refusals) == (None, 0)


def test_homes_are_claimed_across_caches(tmp_path):
    """Two processes together ask no more often than one may; the limits of hour and day both hold."""
    caches = [RoborockCache(tmp_path / "cache.json", session()) for _ in range(2)]
    memories = [cache.load() for cache in caches]
    granted = sum(caches[n % 2].claim_home_read(memories[n % 2], NOW) == 0 for n in range(1))
    for n in range(20):
        granted += caches[n % 2].claim_home_read(memories[n % 2], NOW + timedelta(seconds=n + 1)) == 0
    assert granted == HOMES_PER_HOUR
    at, granted = NOW + timedelta(days=2), 0
    for n in range(24 * 6):
        granted += caches[n % 2].claim_home_read(caches[n % 2].load(), at + timedelta(minutes=10 * n)) == 0
    assert granted == HOMES_PER_DAY


def test_a_clock_set_back_forbids_nothing_for_ever(tmp_path):
    """Instants of the future are a mistake and do not count."""
    cache = RoborockCache(tmp_path / "cache.json", session())
    memory = Memory()
    for _ in range(HOMES_PER_HOUR):
        assert cache.claim_home_read(memory, NOW + timedelta(days=300)) == 0
    assert cache.claim_home_read(cache.load(), NOW) == 0
    assert Memory(home={}, home_at=NOW.timestamp() + 1e6).is_home_due(NOW.timestamp())


def test_pauses_grow_to_six_hours():
    """A refused login is tried again after 1, 2, 4 ... minutes, six hours at most."""
    memory, pauses = Memory(), []
    for _ in range(12):
        memory.note_refusal(0.0)
        pauses.append(memory.broker_not_before)
    assert pauses[:4] == [60, 120, 240, 480]
    assert pauses[-1] == 6 * 3600


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"version": 1, "home_attempts": "x", "login": null, "sealed": 5}', "\x00"]
)
def test_a_spoiled_cache_is_empty(tmp_path, text):
    """A file of any content is a cold start, never an error."""
    path = tmp_path / "cache.json"
    path.write_text(text)
    memory = RoborockCache(path, session()).load()
    assert memory == Memory()
    assert json.loads(json.dumps(memory.attempts)) == []


@pytest.mark.parametrize(
    "name", ["", "a b", "a@b", "\U0001f916", "a\0b", "\ud800", "x" * 65, "a\nb", "'; --"]
)
def test_a_home_with_a_robot_without_a_usable_id_is_not_kept(name):
    """An id becomes the name of findings and evidence; one that cannot be would end every run."""
    told = home([FakeRobot("duid-1", "sealed-local-key", "127.9.9.9")])
    assert [one["duid"] for one in kept_home(home_data(told))["devices"]] == ["duid-1"]
    told["devices"][0]["duid"] = name
    with pytest.raises(ValueError, match="without a usable id"):
        kept_home(home_data(told))
