"""The signing key and the destinations: private, made once, whole files, never replaced."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from policies.audit_checkpoint import Checkpoint, open_checkpoint, sign_checkpoint_text
from resources.audit_destinations import DestinationError, Destinations
from resources.audit_signing import SigningKeyError, public_key, signing_key, verify_signature

STUDIO = "monsoonfire"


def test_key_is_made_once_and_private(tmp_path):
    """The first use makes the key with mode 600 and publishes its public half; later uses read it."""
    assert public_key(tmp_path) is None
    key = signing_key(tmp_path, STUDIO)
    path = tmp_path / "secrets" / "audit-signing.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert signing_key(tmp_path, STUDIO).public == key.public == public_key(tmp_path)
    seed = path.read_text().strip()
    assert seed not in repr(key)
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


def test_first_users_together_get_one_key(tmp_path):
    """Processes that need the key at the same moment get the same one."""
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: signing_key(tmp_path, STUDIO).public, range(16)))
    assert len(set(keys)) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_loose_permissions_are_refused(tmp_path, mode):
    """A key that others can read signs nothing."""
    signing_key(tmp_path, STUDIO)
    (tmp_path / "secrets" / "audit-signing.key").chmod(mode)
    with pytest.raises(SigningKeyError, match="read by others"):
        signing_key(tmp_path, STUDIO)


def test_damaged_keys_are_refused(tmp_path):
    """A damaged key or public key is an error that says so, never a new key."""
    signing_key(tmp_path, STUDIO)
    path = tmp_path / "secrets" / "audit-signing.key"
    for content in ("", "zz", "ab" * 31):
        path.write_text(content)
        with pytest.raises(SigningKeyError, match="damaged"):
            signing_key(tmp_path, STUDIO)
    (tmp_path / "secrets" / "audit-signing.pub").write_text("nonsense")
    with pytest.raises(SigningKeyError, match="public key"):
        public_key(tmp_path)


def test_signatures_hold_and_others_do_not(tmp_path):
    """A signed checkpoint opens with the public key; no other key or message passes."""
    key, other = signing_key(tmp_path / "a", STUDIO), signing_key(tmp_path / "b", STUDIO)
    checkpoint = Checkpoint(key.public.name, 3, b"r" * 32)
    note = sign_checkpoint_text(checkpoint, key.public, key.sign)
    assert open_checkpoint(note, key.public, verify_signature) == checkpoint
    assert not verify_signature(other.public.value, key.sign(b"m"), b"m")
    assert not verify_signature(key.public.value, key.sign(b"m"), b"n")
    assert not verify_signature(b"short", b"", b"m")


def test_known_answer():
    """RFC 8032, test 1: the library and we mean the same algorithm."""
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert verify_signature(public, signature, b"")
    assert not verify_signature(public, signature, b"x")


def test_two_destinations_or_none(tmp_path):
    """A checkpoint counts when two destinations hold it; one that fails is named, one alone is refused."""
    (tmp_path / "blocked").write_text("a file is no directory")
    urls = [str(tmp_path / "one"), str(tmp_path / "blocked"), "memory://three"]
    problems = Destinations(urls, STUDIO).write(3, "note\n", b"h" * 96, "key\n")
    assert list(problems) == [urls[1]]
    copies = Destinations(urls, STUDIO).read()
    assert [(copy.notes, copy.leaves, copy.public_key) for copy in copies if copy.notes] == [
        ({3: "note\n"}, {3: b"h" * 96}, "key\n")
    ] * 2
    with pytest.raises(DestinationError, match="does not count"):
        Destinations(urls[:2], STUDIO).write(4, "note\n", b"", "key\n")
    with pytest.raises(DestinationError, match="at least 2"):
        Destinations([urls[0], urls[0] + "/"], STUDIO)


def test_files_are_never_replaced(tmp_path):
    """Writing the same again is nothing; another note of the same size is refused and the first one kept."""
    places = Destinations([str(tmp_path / "one"), str(tmp_path / "two")], STUDIO)
    assert places.write(3, "note\n", b"h", "key\n") == {} == places.write(3, "note\n", b"h", "key\n")
    with pytest.raises(DestinationError, match="other content"):
        places.write(3, "another\n", b"h", "key\n")
    assert [copy.notes for copy in places.read()] == [{3: "note\n"}] * 2
    names = sorted(path.name for path in (tmp_path / "one" / STUDIO).iterdir())
    assert names == ["0000000000000003.checkpoint", "0000000000000003.hashes", "public.key"]
