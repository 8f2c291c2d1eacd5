"""Which studio is observed: the real sources, or a pretend studio whose parameters are kept with the home.

The parameters of a pretend studio are fixed when the home is first used; a later start continues the same
studio, so its history stays true. Asking for another one needs another home.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from cockpit.errors import CockpitError
from cockpit.home import Home, read_json, write_json
from resources.settings import Settings

DEFAULT_DAYS: Final = 60
DEFAULT_SEED: Final = 1
DEFAULT_SIZE: Final = "small"
REAL: Final = "real"
TWINS: Final = "twins"


@dataclass(frozen=True, slots=True)
class World:
    """What is observed since when.

    Attributes:
        sources: ``twins`` or ``real``.
        first_day: First studio-local day of the history, ISO.
        seed: Of the pretend studio; 0 for real sources.
        size: Of the pretend studio; empty for real sources.
        is_calm: Whether nothing in the pretend studio needs attention.
    """

    sources: str
    first_day: str
    seed: int = 0
    size: str = ""
    is_calm: bool = False

    @property
    def has_twins(self) -> bool:
        """Whether the sources are pretended."""
        return self.sources == TWINS


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for; null where it left the choice to us."""

    days: int | None = None
    seed: int | None = None
    size: str | None = None
    no_twins: bool = False
    is_calm: bool | None = None


def source_problems(settings: Settings, wish: Wish) -> list[str]:
    """Return what keeps the chosen sources from being used, one sentence each."""
    if settings.is_twin or not is_real(settings, wish):
        return []  # A twin is anonymous, whoever runs it: there is nothing to check.
    problems = []
    if "firestore_project" not in settings.model_fields_set:
        problems.append("STUDIO_FIRESTORE_PROJECT is not set, so there is no Firestore to read.")
    if settings.stripe_key is None:
        problems.append(
            "STUDIO_STRIPE_KEY is not set to a restricted key (rk_...), so Stripe cannot be read."
        )
    return problems


def is_real(settings: Settings, wish: Wish) -> bool:
    """Say whether sources are configured that we did not start: then no pretend studio is."""
    given = settings.model_fields_set & {
        "firestore_project", "stripe_key", "firestore_emulator_host", "hubitat_url", "roborock_session",
    }  # fmt: skip
    return wish.no_twins or bool(given)


def settle(home: Home, settings: Settings, wish: Wish, today: date) -> World:
    """Return what this home observes, decided and kept at its first use.

    Raises:
        CockpitError: When the wish contradicts what the home already holds; nothing was changed.
    """
    file = home.path / "world.json"
    kept = _read(file)
    if kept is None:
        world = _first(settings, wish, today)
        write_json(file, asdict(world))
        return world
    wanted: Mapping[str, Any] = {
        "sources": REAL if is_real(settings, wish) else TWINS,
        "seed": wish.seed,
        "size": wish.size,
        "is_calm": wish.is_calm,
        "first_day": str(settings.history_start) if settings.history_start else None,
    }
    for name, value in wanted.items():
        has = getattr(kept, name)
        if value is not None and value != has:
            what = name.removeprefix("is_").replace("_", " ")
            raise CockpitError(
                f"This home holds the history of another studio ({what} {has}, not {value});"
                " nothing was changed.",
                "Start it as before, or choose another --home.",
            )
    return kept


def _first(settings: Settings, wish: Wish, today: date) -> World:
    if is_real(settings, wish):
        return World(REAL, str(settings.history_start or today))
    first = settings.history_start or today - timedelta(days=DEFAULT_DAYS if wish.days is None else wish.days)
    return World(
        TWINS,
        str(first),
        DEFAULT_SEED if wish.seed is None else wish.seed,
        DEFAULT_SIZE if wish.size is None else wish.size,
        is_calm=bool(wish.is_calm),
    )


def _read(file: Path) -> World | None:
    said = read_json(file)
    if said is None:
        if file.exists():
            raise CockpitError(
                f"{file} is damaged, so it is not known which studio this home observes;"
                " nothing was changed.",
                "Move the home away and start again: its history is rebuilt from the cloud.",
            )
        return None
    return World(
        str(said["sources"]),
        str(said["first_day"]),
        int(said["seed"]),
        str(said["size"]),
        is_calm=bool(said.get("is_calm", False)),  # homes of before there was a choice
    )
