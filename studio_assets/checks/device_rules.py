"""What must hold of a stored reading of devices and of the findings made of it: pure rules, in words."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from resources.connector import Reading
from resources.findings import Finding, StoredFinding, finding_id

READ_IS_COMPLETE_SENTENCE = "The connector answered, and every device it knows could be read."
DEVICES_ARE_PLAUSIBLE = "devices_are_plausible"
DEVICES_ARE_PLAUSIBLE_SENTENCE = (
    "Every device is there once, batteries lie between 0 and 100 percent, nothing was said in the future, "
    "and what is healthy told no error."
)
FINDING_RULES: Mapping[str, str] = {
    "identities_are_stable": "Every finding has the id that follows from what it is about, and is open once.",
    "evidence_resolves": "Every finding of a device points at a revision of its reading that exists.",
    "holds_no_personal_data": "Findings name devices by id, and no words hold an address or a contact.",
}
CLOCKS_DIFFER = timedelta(minutes=5)
_SUBJECT = re.compile(r"[a-z]+(/[A-Za-z0-9_.:-]{1,64})?")
_ADDRESS = re.compile(r"@|\d{1,3}(\.\d{1,3}){3}|://|\d{7,}")


def implausible(reading: Reading) -> list[str]:
    """Return what breaks ``devices_are_plausible``, in words."""
    names = [device.device_id for device in reading.devices]
    names += [failure.device_id for failure in reading.failures]
    found = [f"{name} is there {times} times" for name, times in Counter(names).items() if times > 1]
    for device in reading.devices:
        if device.battery_pct is not None and not 0 <= device.battery_pct <= 100:
            found.append(f"{device.device_id} has a battery of {device.battery_pct} percent")
        if device.observed_at > reading.read_at + CLOCKS_DIFFER:
            found.append(f"{device.device_id} spoke after it was read")
        if device.is_healthy and device.error_name is None and device.error_code is not None:
            found.append(f"{device.device_id} is called healthy with the unknown code {device.error_code}")
    return found


def unstable(findings: Iterable[StoredFinding]) -> list[str]:
    """Return the findings whose id is not that of what they are about, or that are open twice."""
    kept = list(findings)
    times = Counter(one.finding_id for one in kept)
    wrong = [
        one.finding_id
        for one in kept
        if one.finding_id
        != finding_id(
            one.finding.department,
            one.finding.detector,
            one.finding.kind,
            one.finding.subject_kind,
            one.finding.subject_id,
        )
    ]
    return [f"{name} is not the id of its subject" for name in wrong] + [
        f"{name} is open {count} times" for name, count in times.items() if count > 1
    ]


def unresolved(findings: Iterable[StoredFinding], newest: Mapping[str, int]) -> list[str]:
    """Return the findings whose evidence is not there.

    Args:
        findings: Open ones.
        newest: Asset key without the studio's prefix -> newest revision of its reading.
    """
    return [
        f"{one.finding_id} points at {link.asset}, revision {link.revision}"
        for one in findings
        for link in one.finding.evidence
        if not (link.revision.isdecimal() and 1 <= int(link.revision) <= newest.get(link.asset, 0))
    ]


def personal(findings: Iterable[StoredFinding]) -> list[str]:
    """Return the findings that may hold more than ids and our own words."""
    return [
        f"{one.finding_id} holds more than ids and plain words"
        for one in findings
        if not _SUBJECT.fullmatch(one.finding.subject_id)
        or any(_ADDRESS.search(str(text)) for text in _words(one.finding))
    ]


def _words(finding: Finding) -> tuple[object, ...]:
    return finding.likely_cause, finding.next_step, finding.expected, finding.observed
