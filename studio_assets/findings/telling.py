"""How an asset of findings tells Dagster of those that are open, and what a run changed."""

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg

from resources.clock import instant_text
from resources.findings import Applied, StoredFinding
from studio_assets.derived import data_version


def findings_version(kept: Iterable[StoredFinding]) -> dg.DataVersion:
    """Return the data version of an asset of these findings: what they say, in their order."""
    return data_version([(one.finding_id, one.content_hash) for one in kept])


def told_of_findings(kept: Sequence[StoredFinding], applied: Iterable[Applied]) -> dict[str, Any]:
    """Return the metadata of an asset of findings: how many are open, what runs changed, and which they are.

    Args:
        kept: What is open now.
        applied: What each detector changed; none for a day on which nothing was looked at.
    """
    done = list(applied)
    return told_of_changes(kept, done) | (
        {"findings": dg.MetadataValue.table([_row(one) for one in kept])} if kept else {}
    )


def told_of_changes(kept: Sequence[StoredFinding], applied: Sequence[Applied]) -> dict[str, Any]:
    """Return the counts alone of ``told_of_findings``, for those who show their findings their own way."""
    return {
        "dagster/row_count": len(kept),
        "opened": sum(one.opened for one in applied),
        "changed": sum(one.changed for one in applied),
        "resolved": sum(one.resolved for one in applied),
    }


def _row(one: StoredFinding) -> dg.TableRecord:
    finding = one.finding
    return dg.TableRecord(
        {
            "subject": finding.subject_id,
            "kind": finding.kind,
            "severity": finding.severity.value,
            "since": instant_text(finding.since) if finding.since else "",
            "observed": str(finding.observed),
            "next step": finding.next_step,
        }
    )
