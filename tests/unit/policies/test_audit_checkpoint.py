"""Checkpoints: the C2SP format to the byte, and no note is believed that the key did not sign."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.audit_checkpoint import (
    Checkpoint,
    NoteError,
    PublicKey,
    open_checkpoint,
    origin_of,
    sign_checkpoint_text,
)

NAME = origin_of("monsoonfire")
KEY = PublicKey(NAME, bytes(range(32)))
OTHER = PublicKey(NAME, bytes(32))
ROOT = bytes(range(100, 132))


def sign_with(key):
    """A stand-in for Ed25519: whoever knows the public key can sign, which is enough to test the format."""
    return lambda message: (key.value + message)[:32] + hash_of(key.value + message)


def hash_of(data):
    from hashlib import sha256

    return sha256(data).digest()


def verify(key, signature, message):
    return signature == (key + message)[:32] + hash_of(key + message)


def note_of(size=7, key=KEY, origin=NAME):
    return sign_checkpoint_text(Checkpoint(origin, size, ROOT), key, sign_with(key))


def test_format():
    """Origin, size and root, an empty line, and a signature line with the key's id before the signature."""
    lines = note_of().split("\n")
    assert lines[:4] == [NAME, "7", base64.b64encode(ROOT).decode(), ""]
    dash, name, value = lines[4].split(" ")
    assert (dash, name, lines[5:]) == ("—", NAME, [""])
    assert base64.b64decode(value)[:4] == hash_of(NAME.encode() + b"\n\x01" + KEY.value)[:4]
    assert open_checkpoint(note_of(), KEY, verify) == Checkpoint(NAME, 7, ROOT)


def test_key_text():
    """A verifier key reads back; one whose id does not fit its key is refused."""
    assert PublicKey.parse(KEY.text + "\n") == KEY
    name, key_id, value = KEY.text.split("+", 2)
    for text in (
        "",
        name,
        f"{name}+00000000+{value}",
        f"{name}+{key_id}+AAAA",
        f"a b+{key_id}+{value}",
        "a+b+%",
    ):
        with pytest.raises(NoteError):
            PublicKey.parse(text)


@given(st.data())
def test_any_change_is_refused(data):
    """A note with any one character changed is refused, or says the same: the signatures cover the text."""
    note = note_of(size=1234)
    at = data.draw(st.integers(0, len(note) - 1))
    other = data.draw(st.characters(min_codepoint=10, max_codepoint=1000).filter(lambda c: c != note[at]))
    with pytest.raises(NoteError):
        open_checkpoint(note[:at] + other + note[at + 1 :], KEY, verify)


def test_other_signatures_are_ignored_but_ours_must_be_there():
    """A witness may add its line; a note without our line, or with a bad one of ours, is refused."""
    witness = "— witness.example/w " + base64.b64encode(b"abcd" + b"x" * 72).decode() + "\n"
    assert open_checkpoint(note_of() + witness, KEY, verify).size == 7
    text = note_of().rpartition("— ")[0]
    bad = f"— {NAME} " + base64.b64encode(KEY.key_id + b"x" * 64).decode() + "\n"
    for note in (
        text + witness,
        note_of() + bad,
        text,
        note_of().rstrip("\n"),
        note_of(key=OTHER),
        note_of() * 2,
    ):
        with pytest.raises(NoteError):
            open_checkpoint(note, KEY, verify)


def test_other_logs_and_odd_texts():
    """A checkpoint of another log, an odd number or root, or a huge note is refused though it is signed."""

    def signed(text):
        value = base64.b64encode(KEY.key_id + sign_with(KEY)(text.encode())).decode()
        return f"{text}\n— {NAME} {value}\n"

    root = base64.b64encode(ROOT).decode()
    assert open_checkpoint(signed(f"{NAME}\n7\n{root}\n"), KEY, verify).size == 7
    assert open_checkpoint(signed(f"{NAME}\n7\n{root}\nextension\n"), KEY, verify).size == 7
    for text in (
        f"other\n7\n{root}\n",
        f"{NAME}\n07\n{root}\n",
        f"{NAME}\n-1\n{root}\n",
        f"{NAME}\n7\n{root[:-4]}\n",
        f"{NAME}\n7\n\n",
        f"{NAME}\n7\n",
        f"{NAME}\n7\n{root}\n" + "x" * 20_000 + "\n",
        f"{NAME}\t\n7\n{root}\n",
    ):
        with pytest.raises(NoteError):
            open_checkpoint(signed(text), KEY, verify)


def test_what_cannot_be_written():
    """A checkpoint that cannot be written as a note is not signed."""
    for checkpoint in (
        Checkpoint("two words", 1, ROOT),
        Checkpoint(NAME, 1, b"x"),
        Checkpoint(NAME, -1, ROOT),
    ):
        with pytest.raises(NoteError):
            sign_checkpoint_text(checkpoint, KEY, sign_with(KEY))
