"""How a department makes a finding: who is concerned by a safe name, and the rows that show it. Pure.

What a finding is, and how it is recognised again, is in ``resources.findings``; what it is about and when it
is one, in the department that finds it.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from resources.findings import MOST_EVIDENCE, Finding, FindingEvidence, Severity

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def is_plain_id(name: str) -> bool:
    """Return whether a name is an id as documents and devices have them, and can be nobody's address."""
    return _PLAIN_ID.fullmatch(name) is not None


def safe_id(document_id: str) -> str:
    """Return a document's id, or a hash of it where it is not plain: somebody's address may stand in it."""
    if is_plain_id(document_id):
        return document_id
    return "hash-" + hashlib.sha256(document_id.encode()).hexdigest()[:32]


def links_to_rows(revision: str, *rows: str) -> tuple[FindingEvidence, ...]:
    """Return links to the first rows, each once and at most as many as a finding holds.

    Args:
        revision: Of the snapshot whose reads the rows are, as ``2026-03-01.2``.
        rows: Each as ``contract/document``.
    """
    parts = (row.partition("/") for row in islice(dict.fromkeys(rows), MOST_EVIDENCE))
    return tuple(FindingEvidence(f"cloud_truth/{name}", revision, safe_id(row)) for name, _, row in parts)


def make_finding(
    department: str,
    detector: str,
    kind: str,
    subject_kind: str,
    subject_id: str,
    *,
    severity: Severity,
    confidence: float,
    cause: str,
    step: str,
    since: datetime | None = None,
    expected: float | str | None = None,
    observed: float | str | None = None,
    unit: str | None = None,
    capability_id: str | None = None,
    evidence: Sequence[FindingEvidence] = (),
) -> Finding:
    """Return a finding about a document. Departments give the first arguments once for all of theirs.

    Args:
        department: Whose business it is.
        detector: What found it; it alone resolves it.
        kind: What is wrong.
        subject_kind: What it is about.
        subject_id: Id of the document; hashed where it is not plain.
        severity: How bad.
        confidence: 0 to 1.
        cause: The likely one, a sentence.
        step: What a person does about it, a sentence.
        since: When it began; null for when it was first found.
        expected: What should be: a number in ``unit`` or a few words.
        observed: What is instead, likewise.
        unit: Of both numbers.
        capability_id: What could be proposed about it; null for nothing.
        evidence: The rows it rests on.

    Raises:
        ValueError: as ``Finding`` does.
    """
    return Finding(
        department=department,
        detector=detector,
        kind=kind,
        subject_kind=subject_kind,
        subject_id=safe_id(subject_id),
        severity=severity,
        confidence=confidence,
        since=since,
        expected=expected,
        observed=observed,
        unit=unit,
        likely_cause=cause,
        next_step=step,
        capability_id=capability_id,
        evidence=evidence,
    )
