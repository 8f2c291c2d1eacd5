"""What the processes of the house are told: settings in, environment variables out, and back.

A part gets the settings by name and nothing else of ours, so it does not depend on what the shell that
started the supervisor happened to contain.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from cockpit.home import CHECKOUT, Home
from cockpit.processes import MARK
from resources.settings import Settings, load_settings, variables

# Read by libraries on their own account: they would change where a part connects, behind our back.
_NOT_PASSED_ON: Final = ("STUDIO_", "DAGSTER_", "PG", "FIRESTORE_", "GOOGLE_", "GCLOUD_", "STRIPE_", "PYTHON")
# The web's pages say which connectors are configured; nothing but a run reads devices.
_DEVICES: Final = frozenset({"code", "snapshot", "history", "web"})
SECRET_FOR: Final = {
    "STUDIO_STRIPE_KEY": frozenset({"code", "snapshot", "history"}),
    # Only a path, and still: nobody but the process that starts execution runs knows where it leads.
    "STUDIO_WRITE_CREDENTIALS": frozenset({"code"}),
    # A hub's token makes no sense without its address: a part gets all three, or none.
    "STUDIO_HUBITAT_URL": _DEVICES,
    "STUDIO_HUBITAT_APP_ID": _DEVICES,
    "STUDIO_HUBITAT_TOKEN": _DEVICES,
    "STUDIO_ROBOROCK_SESSION": _DEVICES,
}


def settings_here(*, home: Path | None = None, port: int | None = None) -> Settings:
    """Return the settings of this process: its environment, ``.env`` in the checkout, and options.

    A relative home given as an option or in the environment is relative to where the person stands; one from
    ``.env``, and the default, are relative to the checkout.
    """
    given = dict(os.environ)
    if home is not None:
        given["STUDIO_HOME"] = str(home)
    if port is not None:
        given["STUDIO_PORT"] = str(port)
    settings = load_settings(given, dotenv=CHECKOUT / ".env")
    base = Path.cwd() if given.get("STUDIO_HOME") else CHECKOUT
    return settings.model_copy(update={"home": (base / settings.home.expanduser()).absolute()})


def as_variables(settings: Settings) -> dict[str, str]:
    """Return the variables that :func:`load_settings` turns into equal settings. Holds secrets."""
    told: dict[str, str] = {}
    for name, field in variables().items():
        value = getattr(settings, field)
        if value is None or (name, field) == ("STUDIO_DAGSTER_DATABASE_URL", "dagster_database_url"):
            continue
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        told[name] = str(plain).lower() if isinstance(plain, bool) else str(plain)
    return told


def part_environment(home: Home, told: Mapping[str, str], *, part: str = "") -> dict[str, str]:
    """Return the whole environment of one part.

    Args:
        home: Marks the process, so that it can be found and ended.
        told: The settings as variables.
        part: Its name; secrets go only to the parts that use them. Empty stands for one that uses all.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    mine = {
        name: value
        for name, value in told.items()
        if not part or part in SECRET_FOR.get(name, frozenset({part}))
    }
    return {
        **kept,
        **mine,
        "DAGSTER_HOME": str(home.dagster),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        MARK: home.home_id,
    }
