"""How people hear of rows that were set aside from the reconciliation; see ``findings.aside``."""

from collections.abc import Mapping
from typing import Final

import dagster as dg

from resources.findings import Finding
from studio_assets.finance.aside import Aside
from studio_assets.finance.flags import DEPARTMENT, SUBJECT_OF
from studio_assets.findings.aside import MOST_TOLD, Telling, check_of, findings_about, ids_about

EVERY_ROW_SENTENCE: Final = "No order and no object of Stripe had to be set aside from the reconciliation."
_TELLING: Final = Telling(
    department=DEPARTMENT,
    subject_of=SUBJECT_OF,
    next_step={
        "firestore": "Correct {field} of this document at its source; "
        "the next reconciliation counts it again.",
        "stripe": "Compare {field} of this object with Stripe's own pages, "
        "and tell who looks after Studio OS.",
    },
    holds=EVERY_ROW_SENTENCE,
    is_broken="{set_aside} documents were set aside and are counted nowhere; {held_back} discrepancies that "
    "may be of them were not told. Flags about them and all linked to them stay as they were, "
    "neither changed nor resolved. Correct the documents and fields in the table at their source.",
)


def aside_findings(aside: Aside, hashes: Mapping[str, str]) -> list[Finding]:
    """Return one finding per document set aside, of the first ``MOST_TOLD``.

    Args:
        aside: What was set aside.
        hashes: Contract name -> where its read is found; ``unread`` where absent.
    """
    return findings_about(_TELLING, list(aside), hashes, most=MOST_TOLD)


def aside_ids(aside: Aside) -> set[str]:
    """Return the ids of the findings of all documents set aside: one told before stays, first or not."""
    return ids_about(_TELLING, list(aside))


def every_row_check(key: dg.AssetKey, aside: Aside, held_back: int) -> dg.AssetCheckResult:
    """Return the result of the check: a warning that names documents and fields where any was set aside.

    Args:
        key: The asset of the flags.
        aside: What was set aside.
        held_back: How many discrepancies were not told because of it.
    """
    return check_of(_TELLING, key, list(aside), held_back, most=MOST_TOLD)
