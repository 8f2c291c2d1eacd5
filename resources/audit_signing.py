"""The door to the key that signs checkpoints: made on first use, kept private, its public half published."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policies.audit_checkpoint import NoteError, PublicKey, origin_of

KEY_FILE: Final = "audit-signing.key"
PUBLIC_FILE: Final = "audit-signing.pub"
_SEED_BYTES: Final = 32


class SigningKeyError(Exception):
    """The signing key cannot be used. Nothing was signed; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair of one studio's log. Its repr shows the public half only."""

    public: PublicKey
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of a message, 64 bytes."""
        return self._private.sign(message)


def verify_signature(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether an Ed25519 signature is good; a malformed key or signature is not."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signing_key(home: Path, studio_id: str) -> SigningKey:
    """Return the studio's key from ``<home>/secrets/audit-signing.key``; make it when there is none yet.

    The public half is written beside it, as a verifier key text. Two processes that come first together
    get the same key.

    Raises:
        SigningKeyError: The file is readable by others, damaged, or cannot be written.
    """
    folder = home / "secrets"
    path = folder / KEY_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        key = _key(_seed(path), studio_id)
        _publish(folder / PUBLIC_FILE, key.public)
    except OSError as error:
        raise SigningKeyError(
            f"The audit signing key in {folder} cannot be used ({error.strerror}); nothing was"
            " signed. Give this user access to the directory."
        ) from error
    return key


def public_key(home: Path) -> PublicKey | None:
    """Return the published public half; null when no checkpoint was ever signed here.

    Raises:
        SigningKeyError: The file is damaged.
    """
    path = home / "secrets" / PUBLIC_FILE
    try:
        return PublicKey.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, NoteError, UnicodeDecodeError) as error:
        raise SigningKeyError(
            f"{path} is not a public key. Put the published one back: it is at the checkpoint destinations."
        ) from error


def _key(seed: bytes, studio_id: str) -> SigningKey:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    value = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return SigningKey(PublicKey(origin_of(studio_id), value), private)


def _seed(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise SigningKeyError(
                f"{path} can be read by others (mode {mode:o}); nothing was signed."
                f" If nobody else could have copied it, run chmod 600 {path}."
            )
        text = file.read(1024)
    try:
        seed = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise SigningKeyError(f"{path} is damaged; nothing was signed. Put it back from a backup.")
    return seed


def _make(path: Path) -> None:
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(Ed25519PrivateKey.generate().private_bytes_raw().hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # somebody else was first: theirs is the key
            os.link(beside, path)
    finally:
        beside.unlink()


def _publish(path: Path, key: PublicKey) -> None:
    text = key.text + "\n"
    with suppress(FileNotFoundError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    beside.write_text(text, encoding="utf-8")
    beside.chmod(0o644)
    beside.replace(path)
