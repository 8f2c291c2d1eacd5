"""Holds one connector to every promise, and says how it did."""

from collections.abc import Mapping
from dataclasses import dataclass

from policies.redaction import Redactor
from resources.connectors.contract.promises import PROMISES
from resources.connectors.contract.subject import Subject


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one connector did: names of promises; ``reasons`` says why the failed ones failed."""

    connector_id: str
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    skipped: tuple[str, ...]
    reasons: Mapping[str, str]

    def as_json(self) -> Mapping[str, object]:
        """Return the verdict as the command line prints it."""
        return {
            "id": self.connector_id,
            "passed": list(self.passed),
            "failed": list(self.failed),
            "skipped": list(self.skipped),
            "reasons": dict(self.reasons),
        }


def verify(subject: Subject) -> Verdict:
    """Hold a connector to every promise that can be tried on this subject; never raises for a broken one."""
    passed, failed, skipped = [], [], []
    reasons: dict[str, str] = {}
    redactor = Redactor.knowing(subject.secrets)
    for promise in PROMISES:
        if promise.needs_twin and not subject.is_pretend:
            skipped.append(promise.name)
            continue
        try:
            promise.check(subject)
            passed.append(promise.name)
        except Exception as error:  # noqa: BLE001 - a connector that raises what it should not has failed
            failed.append(promise.name)
            reasons[promise.name] = redactor.text(f"{type(error).__name__}: {error}")
        finally:
            if subject.is_pretend:
                subject.heal()
    return Verdict(subject.connector_id, tuple(passed), tuple(failed), tuple(skipped), reasons)
