"""``governance/proposals`` and ``governance/audit_log``: observed where they are, in PostgreSQL.

Nobody materializes them: they grow by the gateway alone. An observation tells their version and their size.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from policies.audit import GENESIS
from policies.ports import Ledger
from policies.proposals import ApprovalKind, ProposalState
from resources.postgres.audit_log import AuditLog
from resources.postgres.governance import GovernanceReads
from resources.settings import Settings
from studio_assets.governance.checkpoints import problem_with_checkpoints
from studio_assets.keys import AUDIT_LOG, GOVERNANCE, PROPOSALS, governance_key

OWNERS = ("team:governance",)
SCOPE_TAG = "studio/scope"
FULL = "full"
VERIFIED_SEQ, VERIFIED_HASH, CHECKPOINT_PROBLEM = "verified_seq", "verified_hash", "checkpoint_problem"
NOTHING = "nothing"
MOST_WAITING = 1_000


@dataclass(frozen=True, slots=True)
class Verification:
    """How far the audit's chain was verified: up to entry ``seq`` (0: never) with its hash then.

    ``checkpoint_problem`` says how it contradicted what was signed; empty when it did not.
    """

    seq: int = 0
    hash: str = GENESIS
    checkpoint_problem: str = ""


def build_governance(settings: Settings) -> dg.AssetsDefinition:
    """Return the observable assets of a studio's governance."""
    proposals_key = governance_key(settings.studio_id, PROPOSALS)
    audit_key = governance_key(settings.studio_id, AUDIT_LOG)
    specs = [
        _spec(
            proposals_key,
            "One row per proposal as it stands now; approvals and executions are beside it. Every change is "
            "made by the gateway and explained by an event of the audit log.",
            "studio.proposals",
        ),
        _spec(
            audit_key,
            "One row per event, appended in the transaction of the change it explains; each names the hash "
            "of the one before. Signed checkpoints lie outside the database.",
            "studio.audit_events",
        ),
    ]

    def observe_governance(
        context: dg.AssetExecutionContext,
        governance: dg.ResourceParam[GovernanceReads],
        ledger: dg.ResourceParam[Ledger],
        audit: dg.ResourceParam[AuditLog],
    ) -> Iterator[dg.ObserveResult]:
        wanted = context.selected_asset_keys
        if proposals_key in wanted:
            yield _proposals(governance, ledger, proposals_key)
        if audit_key in wanted:
            before = last_verification(context.instance, audit_key)
            # What contradicts a signature is looked for again until it is gone.
            is_full = context.run.tags.get(SCOPE_TAG) == FULL or bool(before.checkpoint_problem)
            problem = problem_with_checkpoints(audit, settings) if is_full else ""
            yield _audit_log(governance, before, audit_key, problem, is_full=is_full)

    return _observable("observe_governance", specs, observe_governance)


def last_verification(instance: dg.DagsterInstance, audit_key: dg.AssetKey) -> Verification:
    """Return how far the audit's chain was verified when it was last observed."""
    records = instance.fetch_observations(audit_key, limit=1).records
    observed = records[0].asset_observation if records else None
    if observed is None or VERIFIED_SEQ not in observed.metadata:
        return Verification()
    said = {name: value.value for name, value in observed.metadata.items()}
    problem = str(said.get(CHECKPOINT_PROBLEM, NOTHING))
    return Verification(
        int(str(said[VERIFIED_SEQ])), str(said[VERIFIED_HASH]), "" if problem == NOTHING else problem
    )


def _spec(key: dg.AssetKey, description: str, table: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        description=description,
        group_name=GOVERNANCE,
        owners=OWNERS,
        kinds={"postgres"},
        metadata={"dagster/table_name": table},
    )


def _observable(name: str, specs: Sequence[dg.AssetSpec], function: Any) -> dg.AssetsDefinition:
    with warnings.catch_warnings():
        # Observable assets are beta in this version of Dagster; the version is pinned and a test observes.
        warnings.simplefilter("ignore", dg.BetaWarning)
        made: dg.AssetsDefinition = dg.multi_observable_source_asset(name=name, specs=specs, can_subset=True)(
            function
        )
    return made


def _proposals(governance: GovernanceReads, ledger: Ledger, key: dg.AssetKey) -> dg.ObserveResult:
    counts, newest = governance.proposal_counts(), governance.newest_change()
    version = hashlib.sha256(repr((newest, sorted(counts.items()))).encode()).hexdigest()
    switch = ledger.switch()
    return dg.ObserveResult(
        asset_key=key,
        data_version=dg.DataVersion(version),
        metadata={
            "dagster/row_count": sum(counts.values()),
            **{state.value: counts.get(state.value, 0) for state in ProposalState},
            "waiting_for_execution": len(ledger.ready(ApprovalKind.EXECUTE, MOST_WAITING)),
            "waiting_for_rollback": len(ledger.ready(ApprovalKind.ROLLBACK, MOST_WAITING)),
            "in_flight": ledger.in_flight(),
            "kill_switch": switch.switch.value,
            "newest_event": newest,
        },
    )


def _audit_log(
    governance: GovernanceReads, before: Verification, key: dg.AssetKey, problem: str, *, is_full: bool
) -> dg.ObserveResult:
    head = governance.audit_head()
    report = governance.verify_chain(before.seq, before.hash, from_start=is_full)
    metadata: dict[str, Any] = {
        "dagster/row_count": head.seq,
        "head_hash": head.hash,
        VERIFIED_SEQ: report.seq,
        VERIFIED_HASH: report.hash,
        "verified": "from the first entry" if is_full else "since the last verification",
        "broken": "; ".join(f"entry {each.subject_id} {each.what}" for each in report.broken) or NOTHING,
        CHECKPOINT_PROBLEM: problem or NOTHING,
    }
    if head.at is not None:
        metadata["newest_event_at"] = dg.MetadataValue.timestamp(head.at)
    return dg.ObserveResult(asset_key=key, data_version=dg.DataVersion(head.hash), metadata=metadata)
