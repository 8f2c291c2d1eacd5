#!/usr/bin/env python3
"""Accepts or rejects an audit bundle of Studio OS. One file, standard library only, no product code.

    python3 verify_bundle.py DIR [--key VERIFIER_KEY] [--json]

Without --key the bundle's own public key is used: that shows the bundle agrees with itself, not who signed
it. Ask the studio for its key on another way (it is one line of text) and give it with --key.

Exit code 0: accepted. 1: rejected, and the first bad entry is named. 2: there is no readable bundle.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from itertools import pairwise
from pathlib import Path

FORMAT = "studio-os-audit-bundle-1"
FILES = ("events.jsonl", "proofs.json", "redaction-report.json", "public-key.txt")


class Rejected(Exception):  # noqa: N818 - it is a verdict
    """The bundle is not what it says. ``seq`` is the first bad entry, null where no entry is to blame."""

    def __init__(self, why, seq=None):
        super().__init__(why)
        self.seq = seq


# Ed25519 (RFC 8032), verification only. Points are (x, y, z, t), x*y = z*t, on -x^2 + y^2 = 1 + d x^2 y^2.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def add(a, b):
    """Add two points."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    return ((f - e) * (h - g) % P, (h + g) * (f + e) % P, (h - g) * (h + g) % P, (f - e) * (f + e) % P)


def times(number, point):
    """Multiply a point by a number."""
    result = NEUTRAL
    while number:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def point_of(data):
    """Decode a point; None when there is none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)


def encoded(point):
    """Encode a point."""
    x, y = (value * pow(point[2], P - 2, P) % P for value in point[:2])
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(key, signature, message):
    """Say whether an Ed25519 signature is good."""
    public = point_of(key)
    number = int.from_bytes(signature[32:], "little")
    if public is None or len(key) != 32 or len(signature) != 64 or number >= ORDER:
        return False
    hashed = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    negative = (P - public[0], public[1], public[2], P - public[3])
    return encoded(add(times(number, BASE), times(hashed, negative))) == signature[:32]


def node(left, right):
    """Hash an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree: roots of complete subtrees, largest first, each with its number of leaves."""

    def __init__(self):
        self.peaks = []

    def add(self, leaf):
        """Add a leaf hash."""
        count = 1
        while self.peaks and self.peaks[-1][0] == count:
            leaf = node(self.peaks.pop()[1], leaf)
            count *= 2
        self.peaks.append((count, leaf))

    def root(self):
        """Return the root."""
        root = None
        for _, peak in reversed(self.peaks):
            root = peak if root is None else node(peak, root)
        return root or hashlib.sha256(b"").digest()


def split(size):
    """Return the largest power of two below a size above 1."""
    return 1 << ((size - 1).bit_length() - 1)


def root_by_inclusion(index, size, leaf, proof):
    """Return the root that an inclusion proof leads to; raise ``IndexError`` when it is too short."""
    if size == 1:
        return leaf
    middle, sibling = split(size), proof.pop()
    if index < middle:
        return node(root_by_inclusion(index, middle, leaf, proof), sibling)
    return node(sibling, root_by_inclusion(index - middle, size - middle, leaf, proof))


def roots_by_consistency(first, size, proof, known):
    """Return the (old, new) roots that a consistency proof leads to; ``known``: the old root, if given."""
    if first == size:
        root = known if known is not None else proof.pop()
        return root, root
    middle, sibling = split(size), proof.pop()
    if first <= middle:
        old, new = roots_by_consistency(first, middle, proof, known)
        return old, node(new, sibling)
    old, new = roots_by_consistency(first - middle, size - middle, proof, None)
    return node(sibling, old), node(sibling, new)


def key_of(text):
    """Return (name, key id, key) of a verifier key text."""
    name, key_id, value = text.strip().split("+", 2)
    raw = base64.b64decode(value, validate=True)
    expected = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if raw[:1] != b"\x01" or len(raw) != 33 or key_id != expected.hex():
        raise Rejected("the public key is malformed")
    return name, expected, raw[1:]


def checkpoint_of(note, key):
    """Return (size, root) of a signed checkpoint."""
    name, key_id, public = key
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = text.split("\n")
    found = re.findall(rf"^— {re.escape(name)} ([A-Za-z0-9+/=]+)$", signatures, re.MULTILINE)
    values = [base64.b64decode(each, validate=True) for each in found]
    values = [each[4:] for each in values if each[:4] == key_id]
    if len(lines) < 4 or lines[0] != name or not re.fullmatch(r"0|[1-9][0-9]*", lines[1]):
        raise Rejected("a checkpoint is malformed or of another log")
    if not values or not all(is_signed(public, each, text.encode()) for each in values):
        raise Rejected(f"the checkpoint of {lines[1]} entries is not signed by the key")
    return int(lines[1]), base64.b64decode(lines[2], validate=True)


def check_files(folder, manifest):
    """Hold every file against the manifest."""
    listed = manifest["files"]
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    present -= {"manifest.json"}
    if present != set(listed) or not set(FILES) <= present:
        raise Rejected("files were added to the bundle or taken out")
    found = {name: (folder / name).read_bytes() for name in sorted(listed)}
    return [
        name
        for name, data in found.items()
        if listed[name] != {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    ]


def entries_of(folder, studio):
    """Yield (seq, leaf hash, is redacted) of every event; raise ``Rejected`` at the first bad one."""
    before, expected = "0" * 64, 1
    with (folder / "events.jsonl").open(encoding="utf-8", newline="\n") as file:
        for line in file:
            try:
                row = json.loads(line)
                payload, is_redacted = row.get("payload"), "payload" not in row
                if row["seq"] != expected or row["prev"] != before:
                    raise Rejected(f"entry {expected} does not go on from the one before it", expected)
                if not is_redacted:
                    whole = f"\0{expected}\n{before}\n{payload}".encode()
                    if hashlib.sha256(whole).hexdigest() != row["hash"]:
                        raise Rejected(f"entry {expected} was changed", expected)
                    if json.loads(payload)["studio"] != studio:
                        raise Rejected(f"entry {expected} is of another studio", expected)
                elif not re.fullmatch(r"[0-9a-f]{64}", row["payload_sha256"]):
                    raise Rejected(f"entry {expected} says neither its payload nor its hash", expected)
                leaf = bytes.fromhex(row["hash"])
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise Rejected(f"entry {expected} cannot be read", expected) from None
            yield expected, leaf, is_redacted
            before, expected = row["hash"], expected + 1


def verify(folder, trusted_key=None):
    """Verify a bundle and return what it holds; raise ``Rejected``."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    if manifest["format"] != FORMAT:
        raise Rejected("this is a bundle of another format")
    changed = check_files(folder, manifest)
    key_text = (folder / "public-key.txt").read_text("utf-8").strip()
    if trusted_key is not None and trusted_key.strip() != key_text:
        raise Rejected("the bundle names another public key than the one given")
    key = key_of(trusted_key or key_text)
    notes = [path.read_text("utf-8") for path in sorted((folder / "checkpoints").glob("*.checkpoint"))]
    signed = dict(checkpoint_of(note, key) for note in notes)
    proofs = json.loads((folder / "proofs.json").read_text("utf-8"))
    shown = {proof["seq"] for proof in proofs["inclusion"]}
    tree, leaves, redacted, count, last_good = Tree(), {}, [], 0, 0
    for count, leaf, is_redacted in entries_of(folder, manifest["studio"]):
        tree.add(leaf)
        redacted += [count] if is_redacted else []
        if count in shown:
            leaves[count] = leaf
        if count in signed:
            if tree.root() != signed[count]:
                raise Rejected(f"from entry {last_good + 1} on this is not the signed history", last_good + 1)
            last_good = count
    if count < max([manifest["entries"], *signed]):
        raise Rejected(f"the events end before entry {count + 1}", count + 1)
    if count > max(signed, default=0) or count != manifest["entries"]:
        raise Rejected(f"no checkpoint covers entry {last_good + 1}", last_good + 1)
    said = [manifest[name] for name in ("root", "headHash", "checkpoints", "redacted")]
    if said != [tree.root().hex(), leaf.hex() if count else "", sorted(signed), len(redacted)]:
        raise Rejected("the manifest does not describe the events")
    if changed:
        raise Rejected(f"{changed[0]} is not the file that the manifest names")
    check_proofs(proofs, signed, leaves)
    report = json.loads((folder / "redaction-report.json").read_text("utf-8"))
    if report["redacted"] != redacted or report["scanned"] != count:
        raise Rejected("the redaction report does not fit the events")
    return {"entries": count, "checkpoints": len(signed), "redacted": len(redacted), "signer": key[0]}


def check_proofs(proofs, signed, leaves):
    """Check the inclusion proofs of single entries and the consistency proofs between checkpoints."""
    try:
        for proof in proofs["inclusion"]:
            seq, size, steps = proof["seq"], proof["size"], [bytes.fromhex(step) for step in proof["proof"]]
            if root_by_inclusion(seq - 1, size, leaves[seq], steps) != signed[size] or steps:
                raise Rejected(f"the inclusion proof of entry {seq} does not hold", seq)
        sizes = sorted(signed)
        if [(each["first"], each["second"]) for each in proofs["consistency"]] != list(pairwise(sizes)):
            raise Rejected("there is not one consistency proof between each two checkpoints")
        for proof in proofs["consistency"]:
            first, second = proof["first"], proof["second"]
            steps = [bytes.fromhex(step) for step in proof["proof"]]
            found = roots_by_consistency(first, second, steps, signed[first])
            if found != (signed[first], signed[second]) or steps:
                raise Rejected(f"the consistency proof from {first} to {second} does not hold", first + 1)
    except (IndexError, KeyError, ValueError, TypeError):
        raise Rejected("a proof cannot be read or is too short") from None


def main(arguments=None):
    """Verify the bundle that the command line names."""
    parser = argparse.ArgumentParser(description="Accept or reject an audit bundle.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", help="the studio's verifier key, from another source than the bundle")
    parser.add_argument("--json", action="store_true", dest="is_json")
    given = parser.parse_args(arguments)
    code = 0
    try:
        told = {"ok": True, "first_bad": None, **verify(given.folder, given.key)}
    except Rejected as verdict:
        told, code = {"ok": False, "first_bad": verdict.seq, "why": str(verdict)}, 1
    except OSError as error:
        told, code = {"ok": False, "first_bad": None, "why": f"no readable bundle: {error.strerror}"}, 2
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        told, code = {"ok": False, "first_bad": None, "why": f"malformed bundle: {type(error).__name__}"}, 1
    words = ("rejected: " if code else "accepted: ") + ", ".join(f"{name} {told[name]}" for name in told)
    print(json.dumps(told) if given.is_json else words)
    return code


if __name__ == "__main__":
    sys.exit(main())
