"""Holds one connector to every promise, and says how it did."""

from collections.abc import Mapping
from dataclasses import dataclass

from policies.redaction import Redactor
from resources.connector import ConnectorError
from resources.connectors.contract.promises import PROMISES
from resources.connectors.contract.subject import Subject


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one connector did: names of promises; ``reasons`` says why some failed or could not be tried."""

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
    passed: list[str] = []
    failed: list[str] = []
    skipped: list[str] = []
    is_out_of_reach = False
    reasons: dict[str, str] = {}
    redactor = Redactor.knowing(subject.secrets)
    for promise in PROMISES:
        if promise.needs_twin and not subject.is_pretend:
            skipped.append(promise.name)
            continue
        try:
            promise.check(subject)
            passed.append(promise.name)
        except ConnectorError as error:
            # Somebody's own devices that cannot be read break one promise; the others were not tried then.
            is_untried = is_out_of_reach
            is_out_of_reach = not subject.is_pretend
            (skipped if is_untried else failed).append(promise.name)
            words = f"{type(error).__name__}: {error}"
            reasons[promise.name] = redactor.text(f"not tried. {words}" if is_untried else words)
        except Exception as error:  # noqa: BLE001 - a connector that raises what it should not has failed
            failed.append(promise.name)
            reasons[promise.name] = redactor.text(f"{type(error).__name__}: {error}")
        finally:
            if subject.is_pretend:
                subject.heal()
    return Verdict(subject.connector_id, tuple(passed), tuple(failed), tuple(skipped), reasons)
