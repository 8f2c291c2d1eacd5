"""The job that signs a checkpoint of the audit log and lays copies outside the database."""

import dagster as dg

from resources.audit_checkpoints import ForkRefusedError
from resources.audit_destinations import DestinationError
from resources.audit_signing import SigningKeyError
from resources.clock import Clock
from resources.postgres.audit_log import AuditLog
from resources.settings import Settings
from studio_assets.governance.checkpoints import has_grown, sign

CHECKPOINT_JOB = "sign_checkpoint_job"


@dg.op
def sign_audit_checkpoint(
    context: dg.OpExecutionContext,
    audit: dg.ResourceParam[AuditLog],
    clock: dg.ResourceParam[Clock],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Sign the log as it is; a log that was tampered with is refused and fails the run."""
    if not has_grown(audit):
        context.add_output_metadata({"signed": False, "reason": "nothing new since the last checkpoint"})
        return
    try:
        signed = sign(audit, settings, clock.now())
    except (ForkRefusedError, DestinationError, SigningKeyError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    if signed is None:
        context.add_output_metadata({"signed": False, "reason": "the log is empty"})
        return
    context.add_output_metadata(
        {
            "signed": True,
            "entries": signed.checkpoint.size,
            "root": signed.checkpoint.root.hex(),
            "not_taken_by": ", ".join(signed.failed) or "nobody",
        }
    )


@dg.job(
    name=CHECKPOINT_JOB,
    description="Verifies the audit log, signs a checkpoint and puts it at places outside the database.",
)
def checkpoint_job() -> None:
    """Sign a checkpoint."""
    sign_audit_checkpoint()
