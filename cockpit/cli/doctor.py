"""``studio doctor``: check everything the house depends on, and say how to mend it."""

from pathlib import Path

import click

from cockpit.cli.options import print_json, shared
from cockpit.doctor.finding import Finding
from cockpit.doctor.machine import check_machine
from cockpit.doctor.services import check_services
from cockpit.environment import settings_here
from resources.settings import SettingsError


@click.command(short_help="Check everything the house depends on, and say how to mend it.")
@shared
def doctor(*, home: Path | None, is_json: bool) -> int:
    """Check every dependency, credential and permission. Changes nothing; exits 0 only if all is well."""
    findings = _examine(home)
    is_well = all(finding.ok for finding in findings if finding.is_needed)
    if is_json:
        print_json({"ok": is_well, "checks": [finding.describe() for finding in findings]})
    else:
        for finding in findings:
            print(_line(finding))
        print("All is well." if is_well else "Something has to be mended; see above.")
    return 0 if is_well else 1


def _examine(home: Path | None) -> list[Finding]:
    try:
        settings = settings_here(home=home)
    except SettingsError as error:
        return [Finding("settings", problem, "See .env.example.") for problem in error.problems]
    found = Finding("settings", detail=f"studio {settings.studio_id}, {settings.posture}")
    return [found, *check_machine(settings), *check_services(settings)]


def _line(finding: Finding) -> str:
    if finding.ok:
        return f"ok    {finding.name}{f': {finding.detail}' if finding.detail else ''}"
    sign = "WRONG" if finding.is_needed else "note "
    return f"{sign} {finding.name}: {finding.problem}\n      {finding.remedy}"
