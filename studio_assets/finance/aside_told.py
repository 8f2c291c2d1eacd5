"""How people hear of rows that were set aside: one finding each, and one check that does not pass.

A finding names document and field, says what was kept and what to do. It repeats no value, proposes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from resources.findings import Finding, FindingEvidence, Severity, finding_id
from studio_assets.checks.expectations import judge_rows
from studio_assets.checks.findings import column_rule
from studio_assets.contracts import catalog
from studio_assets.finance.aside import Aside
from studio_assets.finance.flags import DEPARTMENT, SUBJECT_OF
from studio_assets.findings.making import safe_id

ASIDE_DETECTOR: Final = "rows_set_aside"
ASIDE_KIND: Final = "row_set_aside"
MOST_TOLD: Final = 100
"""So many documents have a finding each; a source of which more are wrong is one trouble, and the check says
how many they are."""
EVERY_ROW_IS_COUNTED: Final = "every_row_is_counted"
EVERY_ROW_SENTENCE: Final = "No order and no object of Stripe had to be set aside from the reconciliation."
_RULES: Final = (column_rule(EVERY_ROW_IS_COUNTED, "be_between", "set_aside", min_value=0, max_value=0),)
_KEPT: Final = "Nothing is counted with it, and what is known of it and of all linked to it stays as it was."
_NEXT: Final = {
    "firestore": "Correct {field} of this document at its source; the next reconciliation counts it again.",
    "stripe": "Compare {field} of this object with Stripe's own pages, and tell who looks after Studio OS.",
}


def aside_findings(aside: Aside, hashes: Mapping[str, str]) -> list[Finding]:
    """Return one finding per document set aside, of the first ``MOST_TOLD``.

    Args:
        aside: What was set aside.
        hashes: Contract name -> where its read is found; ``unread`` where absent.
    """
    return [
        Finding(
            department=DEPARTMENT,
            detector=ASIDE_DETECTOR,
            kind=ASIDE_KIND,
            subject_kind=SUBJECT_OF[contract],
            subject_id=safe_id(one.document_id),
            severity=Severity.HIGH,
            confidence=1.0,
            likely_cause=f"{one.field_path} {one.reason}. {_KEPT}",
            next_step=_next_step(contract, one.field_path),
            evidence=(
                FindingEvidence(
                    f"cloud_truth/{contract}", hashes.get(contract, "unread"), safe_id(one.document_id)
                ),
            ),
        )
        for contract, one in list(aside)[:MOST_TOLD]
    ]


def aside_ids(aside: Aside) -> set[str]:
    """Return the ids of the findings of all documents set aside: one told before stays, first or not."""
    return {
        finding_id(DEPARTMENT, ASIDE_DETECTOR, ASIDE_KIND, SUBJECT_OF[contract], safe_id(one.document_id))
        for contract, one in aside
    }


def is_every_row_counted(aside: Aside) -> bool:
    """Say whether nothing was set aside; Great Expectations judges."""
    facts = pa.table({"set_aside": [len(aside)]})
    return judge_rows(facts, _RULES)[EVERY_ROW_IS_COUNTED].holds


def every_row_check(key: dg.AssetKey, aside: Aside, held_back: int) -> dg.AssetCheckResult:
    """Return the result of the check: a warning that names documents and fields where any was set aside.

    Args:
        key: The asset of the flags.
        aside: What was set aside.
        held_back: How many discrepancies were not told because of it.
    """
    holds = is_every_row_counted(aside)
    told = EVERY_ROW_SENTENCE
    if not holds:
        told = (
            f"{len(aside)} documents were set aside and are counted nowhere; {held_back} discrepancies that "
            "may be of them were not told. Flags about them and all linked to them stay as they were, "
            "neither changed nor resolved. Correct the documents and fields in the table at their source."
        )
    metadata: dict[str, Any] = {"set_aside": len(aside), "held_back": held_back}
    if not holds:
        metadata["documents"] = dg.MetadataValue.table(_records(aside))
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=EVERY_ROW_IS_COUNTED,
        passed=holds,
        severity=dg.AssetCheckSeverity.WARN,
        description=told,
        metadata=metadata,
    )


def _records(aside: Aside) -> Sequence[dg.TableRecord]:
    return [
        dg.TableRecord(
            {
                "contract": contract,
                "document": safe_id(one.document_id),
                "field": one.field_path,
                "reason": one.reason,
                "next step": _next_step(contract, one.field_path),
            }
        )
        for contract, one in list(aside)[:MOST_TOLD]
    ]


def _next_step(contract: str, field: str) -> str:
    return _NEXT[catalog.collection(contract).source].format(field=field)
