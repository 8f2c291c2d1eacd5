"""How people hear of documents that were set aside: one finding each, and one check that does not pass.

A finding names document and field, says what was kept and what to do. It repeats no value, proposes nothing.
What may be said of all else while documents are set aside is each department's to know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from resources.findings import Finding, FindingEvidence, Severity, finding_id
from resources.rows import QuarantinedDocument
from studio_assets.checks.expectations import judge_rows
from studio_assets.checks.findings import column_rule
from studio_assets.contracts import catalog
from studio_assets.findings.making import safe_id

ASIDE_DETECTOR: Final = "rows_set_aside"
ASIDE_KIND: Final = "row_set_aside"
MOST_TOLD: Final = 100
"""So many documents have a finding each; a source of which more are wrong is one trouble, and the check says
how many they are."""
EVERY_ROW_IS_COUNTED: Final = "every_row_is_counted"
_RULES: Final = (column_rule(EVERY_ROW_IS_COUNTED, "be_between", "set_aside", min_value=0, max_value=0),)
_KEPT: Final = "Nothing is counted with it, and what is known of it and of all linked to it stays as it was."

Documents = Sequence[tuple[str, QuarantinedDocument]]
"""Contracts and the documents of theirs that were set aside, in order of both, each once."""


@dataclass(frozen=True, slots=True)
class Telling:
    """How a department tells of what was set aside.

    Attributes:
        department: Whose findings they are.
        subject_of: Contract -> what a document of it is called where a finding is about it.
        next_step: Source -> what a person does, a sentence about ``{field}``.
        holds: What the check says where nothing was set aside.
        is_broken: What it says otherwise, about ``{set_aside}`` documents and ``{held_back}`` findings.
    """

    department: str
    subject_of: Mapping[str, str]
    next_step: Mapping[str, str]
    holds: str
    is_broken: str

    def step(self, contract: str, field: str) -> str:
        """Return what a person does about a document with a field that could not be read."""
        return self.next_step[catalog.collection(contract).source].format(field=field)


def findings_about(
    telling: Telling, aside: Documents, revisions: Mapping[str, str], *, most: int = MOST_TOLD
) -> list[Finding]:
    """Return one finding per document set aside, of the first ``most``.

    Args:
        telling: Of the department.
        aside: What was set aside.
        revisions: Contract name -> where its read is found; ``unread`` where absent.
        most: So many have one.
    """
    return [
        Finding(
            department=telling.department,
            detector=ASIDE_DETECTOR,
            kind=ASIDE_KIND,
            subject_kind=telling.subject_of[contract],
            subject_id=safe_id(one.document_id),
            severity=Severity.HIGH,
            confidence=1.0,
            likely_cause=f"{one.field_path} {one.reason}. {_KEPT}",
            next_step=telling.step(contract, one.field_path),
            evidence=(
                FindingEvidence(
                    f"cloud_truth/{contract}", revisions.get(contract, "unread"), safe_id(one.document_id)
                ),
            ),
        )
        for contract, one in aside[:most]
    ]


def ids_about(telling: Telling, aside: Documents) -> set[str]:
    """Return the ids of the findings of all documents set aside: one told before stays, first or not."""
    return {
        finding_id(
            *(telling.department, ASIDE_DETECTOR, ASIDE_KIND),
            *(telling.subject_of[contract], safe_id(one.document_id)),
        )
        for contract, one in aside
    }


def check_of(
    telling: Telling, key: dg.AssetKey, aside: Documents, held_back: int, *, most: int = MOST_TOLD
) -> dg.AssetCheckResult:
    """Return the result of the check: a warning that names documents and fields where any was set aside.

    Args:
        telling: Of the department.
        key: The asset of the findings.
        aside: What was set aside.
        held_back: How many findings were not told because of it.
        most: So many documents are named.
    """
    facts = pa.table({"set_aside": [len(aside)]})
    holds = judge_rows(facts, _RULES)[EVERY_ROW_IS_COUNTED].holds
    told = telling.holds
    if not holds:
        told = telling.is_broken.format(set_aside=len(aside), held_back=held_back)
    metadata: dict[str, Any] = {"set_aside": len(aside), "held_back": held_back}
    if not holds:
        metadata["documents"] = dg.MetadataValue.table(_records(telling, aside[:most]))
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=EVERY_ROW_IS_COUNTED,
        passed=holds,
        severity=dg.AssetCheckSeverity.WARN,
        description=told,
        metadata=metadata,
    )


def _records(telling: Telling, aside: Documents) -> Sequence[dg.TableRecord]:
    return [
        dg.TableRecord(
            {
                "contract": contract,
                "document": safe_id(one.document_id),
                "field": one.field_path,
                "reason": one.reason,
                "next step": telling.step(contract, one.field_path),
            }
        )
        for contract, one in aside
    ]
