"""Checkpoints of the audit log: C2SP tlog-checkpoint text in C2SP signed notes with Ed25519 signatures.

Only the format is here. Signing and checking signatures come in as callables, so the rules stay free of
keys and of any cryptography library.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from policies.audit_tree import HASH_BYTES

Sign = Callable[[bytes], bytes]
"""Message to Ed25519 signature (64 bytes)."""
Verify = Callable[[bytes, bytes, bytes], bool]
"""Public key (32 bytes), signature, message: whether the signature is good. Never raises."""

MOST_NOTE_BYTES: Final = 16_384
MOST_SIGNATURES: Final = 16
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_NAME: Final = re.compile(r"[^\s+]+")
_SIGNATURE_LINE: Final = re.compile(r"— (?P<name>[^\s+]+) (?P<value>[A-Za-z0-9+/]+={0,2})")


class NoteError(ValueError):
    """A note is malformed, or no trusted key signed it. Its text must not be believed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself at one size.

    Attributes:
        origin: The log's name, such as ``studio-os/audit/monsoonfire``.
        size: Entries under the root.
        root: Root of the tree over them, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note text: origin, size and root, a line each."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that may sign checkpoints: its name (equal to the log's origin) and its 32 bytes."""

    name: str
    value: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that name the key in a signature line."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.value).digest()[:_KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """The key as verifiers exchange it: ``name+key id in hex+base64(type and key)``."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.value)}"

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Return the key of such a text. Raises ``NoteError``."""
        parts = text.strip().split("+", 2)
        decoded = _decoded(parts[2]) if len(parts) == 3 else b""
        if len(decoded) != 1 + PUBLIC_KEY_BYTES or decoded[:1] != _ED25519 or not _NAME.fullmatch(parts[0]):
            raise NoteError("This is not an Ed25519 verifier key of the form name+id+key.")
        key = cls(parts[0], decoded[1:])
        if key.key_id.hex() != parts[1]:
            raise NoteError("The verifier key's id does not belong to its name and key.")
        return key


def origin_of(studio_id: str) -> str:
    """Return the origin of a studio's log: also the name of the key that signs its checkpoints."""
    return f"studio-os/audit/{studio_id}"


def sign_checkpoint_text(checkpoint: Checkpoint, key: PublicKey, sign: Sign) -> str:
    """Return the signed note of a checkpoint. Raises ``NoteError`` when it cannot be written as one."""
    text = checkpoint.text
    if not _NAME.fullmatch(checkpoint.origin) or len(checkpoint.root) != HASH_BYTES or checkpoint.size < 0:
        raise NoteError("The checkpoint cannot be written as a note.")
    return f"{text}\n— {key.name} {_base64(key.key_id + sign(text.encode()))}\n"


def open_checkpoint(note: str, key: PublicKey, verify: Verify) -> Checkpoint:
    """Return the checkpoint of a note that the key has signed.

    Signatures of other keys are ignored, so a witness may add its own.

    Raises:
        NoteError: The note is malformed, is about another log, has no signature of the key, or a bad one.
    """
    if len(note.encode("utf-8", "replace")) > MOST_NOTE_BYTES or any(ord(c) < 32 and c != "\n" for c in note):
        raise NoteError("The note is too long or holds control characters.")
    text, separator, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not separator or lines[-1] or not 1 <= len(lines) - 1 <= MOST_SIGNATURES:
        raise NoteError("The note has no signatures.")
    text += "\n"
    found = [_SIGNATURE_LINE.fullmatch(line) for line in lines[:-1]]
    if None in found:
        raise NoteError("A signature line of the note is malformed.")
    mine = [_decoded(each["value"]) for each in found if each is not None and each["name"] == key.name]
    mine = [each[_KEY_ID_BYTES:] for each in mine if each[:_KEY_ID_BYTES] == key.key_id]
    if not mine:
        raise NoteError("The note is not signed by the key of this log.")
    message = text.encode("utf-8", "replace")
    if not all(len(each) == SIGNATURE_BYTES and verify(key.value, each, message) for each in mine):
        raise NoteError("The signature of the note is not good: its text was changed.")
    checkpoint = _parse(text)
    if checkpoint.origin != key.name:
        raise NoteError("The note is about another log.")
    return checkpoint


def _parse(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]) or not _SIZE.fullmatch(lines[1]):
        raise NoteError("The text of the note is not a checkpoint.")
    root = _decoded(lines[2])
    if len(root) != HASH_BYTES:
        raise NoteError("The root of the checkpoint is not 32 bytes.")
    return Checkpoint(lines[0], int(lines[1]), root)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _decoded(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("The note holds malformed base64.") from None
    if _base64(value) != text:  # one value, one text: no second spelling of a signed note
        raise NoteError("The note holds base64 that is not canonical.")
    return value
