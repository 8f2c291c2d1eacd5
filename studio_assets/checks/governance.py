"""The standing checks of governance in Dagster; one that does not hold stops all executions.

A turn, to red or back to green, is recorded in the ledger with an event. The execution run looks there, so a
red check counts also where Dagster's own memory is lost.
"""

from collections.abc import Iterator

import dagster as dg

from policies.ports import Ledger
from policies.standing_checks import SENTENCES, StandingCheck, Violation
from resources.clock import Clock
from resources.postgres.governance import GovernanceReads
from resources.settings import Settings
from studio_assets.governance.assets import last_verification
from studio_assets.governance.judge import judge, record_turns
from studio_assets.keys import AUDIT_LOG, PROPOSALS, governance_key

OF_THE_AUDIT = frozenset({StandingCheck.AUDIT_CHAIN_IS_INTACT})


def build_governance_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the standing checks of a studio's proposals and audit log."""
    audit_key = governance_key(settings.studio_id, AUDIT_LOG)
    keys = {
        check: audit_key if check in OF_THE_AUDIT else governance_key(settings.studio_id, PROPOSALS)
        for check in StandingCheck
    }
    specs = [
        dg.AssetCheckSpec(
            check.value,
            asset=key,
            description=f"{SENTENCES[check]} While this does not hold, nothing is executed.",
        )
        for check, key in keys.items()
    ]

    @dg.multi_asset_check(name="check_governance", specs=specs, can_subset=True)
    def check_governance(
        context: dg.AssetCheckExecutionContext,
        governance: dg.ResourceParam[GovernanceReads],
        ledger: dg.ResourceParam[Ledger],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.AssetCheckResult]:
        now = clock.now()
        wanted = {key.name for key in context.selected_asset_check_keys}
        before = last_verification(context.instance, audit_key)
        found = {
            check: judge(check, governance, ledger, now, verified_seq=before.seq, verified_hash=before.hash)
            for check in StandingCheck
            if check.value in wanted
        }
        if before.checkpoint_problem and StandingCheck.AUDIT_CHAIN_IS_INTACT in found:
            signed = Violation("checkpoints", before.checkpoint_problem)
            found[StandingCheck.AUDIT_CHAIN_IS_INTACT] = [
                *found[StandingCheck.AUDIT_CHAIN_IS_INTACT],
                signed,
            ]
        turned = {result.name for result in record_turns(ledger, found, now)}
        for check, broken in found.items():
            rows = [dg.TableRecord({"subject": each.subject_id, "what": each.what}) for each in broken]
            yield dg.AssetCheckResult(
                asset_key=keys[check],
                check_name=check.value,
                passed=not broken,
                severity=dg.AssetCheckSeverity.ERROR,
                description="; ".join(f"{each.subject_id} {each.what}" for each in broken[:3])
                or SENTENCES[check],
                metadata={
                    "broken": len(broken),
                    "turned": check.value in turned,
                    **({"violations": dg.MetadataValue.table(rows)} if rows else {}),
                },
            )

    return check_governance
