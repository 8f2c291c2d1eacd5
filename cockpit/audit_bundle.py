"""Writes an audit bundle: a directory that anybody can verify without us (``verifier/verify_bundle.py``).

It covers exactly what its largest checkpoint covers. The directory appears whole or not at all.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import orjson

from cockpit.errors import CockpitError
from policies.audit_entries import Entry
from policies.audit_tree import Tree
from policies.redaction import Redactor
from resources.audit_checkpoints import Trusted
from resources.postgres.audit_log import AuditView

FORMAT: Final = "studio-os-audit-bundle-1"
_PAGE: Final = 2000


@dataclass(slots=True)
class _Scan:
    """What was found in payloads that must not leave the house."""

    scanned: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    seqs: list[int] = field(default_factory=list)


def write_bundle(
    out: Path,
    view: AuditView,
    trusted: Trusted,
    public_key: str,
    redactor: Redactor,
    *,
    is_redacting: bool,
) -> Mapping[str, Any]:
    """Write the bundle to a directory that does not exist yet; return its manifest.

    Args:
        out: The directory to make.
        view: The log, verified against ``trusted``.
        trusted: Checkpoints; the largest says how far the bundle goes.
        public_key: The verifier key that signed them.
        redactor: Knows what must not leave.
        is_redacting: Replace a payload that must not leave by its hash. Chain and tree stay verifiable.

    Raises:
        CockpitError: The directory exists, nothing was signed yet, or a payload must not leave.
    """
    if out.exists():
        raise CockpitError(
            f"{out} exists already; nothing was written.", "Name a new directory.", exit_code=1
        )
    sizes = sorted(size for size in trusted.notes if size > 0)
    if not sizes:
        raise CockpitError(
            "Nothing was signed yet, so there is nothing to export.", "./studio audit checkpoint signs."
        )
    tree = Tree(view.hashes())
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}.{uuid4().hex}")
    folder.mkdir()
    try:
        scan, times = _write_events(folder, view, sizes[-1], redactor, is_redacting=is_redacting)
        _write(folder / "proofs.json", _proofs(tree, sizes))
        _write(folder / "redaction-report.json", _report(scan))
        (folder / "public-key.txt").write_text(public_key + "\n", encoding="utf-8")
        (folder / "checkpoints").mkdir()
        for size in sizes:
            path = folder / "checkpoints" / f"{size:016d}.checkpoint"
            path.write_text(trusted.notes[size], encoding="utf-8", newline="\n")
        manifest = {
            "format": FORMAT,
            "studio": view.studio_id,
            "entries": sizes[-1],
            "firstAt": times[0],
            "lastAt": times[-1],
            "headHash": tree.leaf(sizes[-1] - 1).hex(),
            "root": tree.root(sizes[-1]).hex(),
            "checkpoints": sizes,
            "redacted": len(scan.seqs),
            "files": {
                path.relative_to(folder).as_posix(): {"sha256": _sha256(path), "bytes": path.stat().st_size}
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            },
        }
        _write(folder / "manifest.json", manifest)
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return manifest


def _write_events(
    folder: Path, view: AuditView, size: int, redactor: Redactor, *, is_redacting: bool
) -> tuple[_Scan, list[str]]:
    scan, times = _Scan(), ["", ""]
    with (folder / "events.jsonl").open("wb") as file:
        for entry in _entries(view, size):
            kind = _must_not_leave(entry.payload, redactor)
            scan.scanned += 1
            if kind is not None:
                scan.kinds[kind] += 1
                scan.seqs.append(entry.seq)
            file.write(_line(entry, is_cut=kind is not None) + b"\n")
            times = [times[0] or entry.at, entry.at]
    if scan.seqs and not is_redacting:
        raise CockpitError(
            f"{len(scan.seqs)} entries hold what must not leave the house, such as entry {scan.seqs[0]};"
            " nothing was exported.",
            "Look at it with ./studio audit show, then export with --redact: such payloads are replaced by"
            " their hashes, and the bundle stays verifiable.",
            exit_code=1,
        )
    return scan, times


def _entries(view: AuditView, size: int) -> Iterator[Entry]:
    for position in range(0, size, _PAGE):
        yield from view.entries(position, min(_PAGE, size - position))


def _line(entry: Entry, *, is_cut: bool) -> bytes:
    row = {"seq": entry.seq, "prev": entry.prev_hash.hex(), "hash": entry.hash.hex()}
    if is_cut:
        row["payload_sha256"] = hashlib.sha256(entry.payload.encode()).hexdigest()
    else:
        row["payload"] = entry.payload
    return orjson.dumps(row)


def _must_not_leave(payload: str, redactor: Redactor) -> str | None:
    """Return what kind of thing in a payload must not leave; null when nothing must."""
    if redactor.text(payload) != payload:
        return "looks like a secret or an address"
    event = orjson.loads(payload)
    return "is named like a secret" if redactor.value(event) != event else None


def _proofs(tree: Tree, sizes: Sequence[int]) -> Mapping[str, Any]:
    size = sizes[-1]
    return {
        "inclusion": [proof_of(tree, seq, size) for seq in sorted({1, size})],
        "consistency": [
            {
                "first": first,
                "second": second,
                "proof": [step.hex() for step in tree.consistency_proof(first, second)],
            }
            for first, second in pairwise(sizes)
        ],
    }


def proof_of(tree: Tree, seq: int, size: int) -> dict[str, Any]:
    """Return the inclusion proof of an entry under the checkpoint of ``size`` entries, as JSON values."""
    return {
        "seq": seq,
        "size": size,
        "leaf": tree.leaf(seq - 1).hex(),
        "root": tree.root(size).hex(),
        "proof": [step.hex() for step in tree.inclusion_proof(seq - 1, size)],
    }


def _report(scan: _Scan) -> Mapping[str, Any]:
    said = "Every payload was searched for secrets and addresses; nothing had to be cut."
    if scan.seqs:
        said = f"{len(scan.seqs)} payloads were replaced by their hashes; chain and tree stay verifiable."
    return {"scanned": scan.scanned, "kinds": dict(scan.kinds), "redacted": scan.seqs, "said": said}


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8", newline="\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
