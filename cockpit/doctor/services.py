"""Checks of what the house talks to: database, sources, and the parts of the running instance."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cockpit.cli.status import ask_readiness
from cockpit.doctor.devices import check_connectors
from cockpit.doctor.finding import Finding
from cockpit.errors import CockpitError
from cockpit.home import Home, read_home, read_json
from cockpit.instance import Instance, running_instance
from cockpit.world import Wish, is_real, source_problems
from resources.errors import SourceUnreadableError
from resources.postgres.account import choose_account
from resources.postgres.embedded import packaged_binaries
from resources.postgres.engine import app_engine
from resources.postgres.errors import PostgresError
from resources.postgres.readiness import database_problems
from resources.postgres.server import ExternalPostgres
from resources.settings import Settings, load_settings

LIMIT_SECONDS: Final = 15.0


def check_services(settings: Settings) -> list[Finding]:
    """Return what was found of database, sources and running parts; changes nothing."""
    home, instance = _instance(settings.home)
    if home is None or instance is None:
        return [_check_database(settings), *_check_sources(settings, Wish()), *check_connectors(settings)]
    running = load_settings(instance.environment)
    return [
        _check_database(running),
        *_check_rules(running),
        *_check_sources(running, Wish(no_twins=True)),
        *check_connectors(running),
        *_check_parts(home, instance),
    ]


def _instance(path: Path) -> tuple[Home | None, Instance | None]:
    try:
        home = read_home(path)
    except (CockpitError, OSError):
        return None, None
    return home, running_instance(home)


def _check_database(settings: Settings) -> Finding:
    if settings.database_url is not None:
        try:
            ExternalPostgres(settings.database_url.get_secret_value()).start()
        except PostgresError as error:
            return Finding("database", str(error), "Start it, or correct STUDIO_DATABASE_URL.")
        return Finding("database", detail="it answers")
    try:
        binaries = packaged_binaries()
        choose_account(binaries, settings.home / "postgres")
    except PostgresError as error:
        return Finding("database", str(error), "Or set STUDIO_DATABASE_URL to a PostgreSQL of your own.")
    return Finding("database", detail="the embedded server can run here")


def _check_rules(settings: Settings) -> list[Finding]:
    """Look whether all that protects history and decisions is there and turned on in the database."""
    if settings.database_url is None:
        return []
    engine = app_engine(settings.database_url.get_secret_value(), settings.studio_id)
    try:
        problems = database_problems(engine)
    finally:
        engine.dispose()
    if not problems:
        return [Finding("database rules", detail="all are there and turned on")]
    return [
        Finding("database rules", problem, "Nobody but the owner can turn them off: ask who did.")
        for problem in problems
    ]


def _check_sources(settings: Settings, wish: Wish) -> list[Finding]:
    if not is_real(settings, wish) and not settings.is_twin:
        return [Finding("sources", detail="none configured: a pretend studio will be started")]
    problems = source_problems(settings, wish)
    if problems:
        return [Finding("sources", " ".join(problems), "See .env.example.")]
    credentials = settings.google_credentials
    if credentials is not None and not credentials.is_file() and not settings.is_twin:
        remedy = "Correct GOOGLE_APPLICATION_CREDENTIALS, or unset it to use Google's defaults."
        return [Finding("firestore", f"{credentials} is not a file.", remedy)]
    return [
        _try(
            "firestore",
            lambda: _read_firestore(settings),
            "Give the account the role Cloud Datastore Viewer.",
        ),
        _try(
            "stripe", lambda: _read_stripe(settings), "Give the key read permission on what is named above."
        ),
    ]


def _try(name: str, read: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(name, detail=read())
    except SourceUnreadableError as error:
        return Finding(
            name, str(error), remedy if error.reason == "permission-denied" else "Try again later."
        )


def _read_firestore(settings: Settings) -> str:
    from resources.firestore.live import LiveDocumentSource  # noqa: PLC0415 - gRPC, only for this check
    from studio_assets.contracts import catalog  # noqa: PLC0415 - as above

    with LiveDocumentSource(
        settings.firestore_project,
        settings.firestore_database,
        emulator_host=settings.firestore_emulator_host,
        credentials_path=settings.google_credentials,
        deadline_seconds=LIMIT_SECONDS,
        attempts=2,
    ) as source:
        at = source.read_time()
        documents = sum(source.count(contract.path, read_time=at) for contract in catalog.FIRESTORE)
    return f"{len(catalog.FIRESTORE)} collections can be read, {documents:,} documents"


def _read_stripe(settings: Settings) -> str:
    from resources.stripe.gateway import ListStats  # noqa: PLC0415 - the SDK, only for this check
    from resources.stripe.live import live_payment_source  # noqa: PLC0415 - as above
    from studio_assets.contracts import catalog  # noqa: PLC0415 - as above

    key = settings.stripe_key.get_secret_value() if settings.stripe_key else ""
    source = live_payment_source(key, api_base=settings.stripe_api_base, deadline_seconds=LIMIT_SECONDS)
    now = datetime.now(UTC)
    for contract in catalog.STRIPE:
        # A minute of every list: enough to be refused where a permission is missing.
        since = now - timedelta(minutes=1)
        for _ in source.list_objects(
            contract.path, created_from=since, created_before=now, stats=ListStats()
        ):
            pass
    return f"{len(catalog.STRIPE)} lists can be read"


def _check_parts(home: Home, instance: Instance) -> list[Finding]:
    parts = (read_json(home.run / "status.json") or {}).get("parts", [])
    found = []
    for part in parts:
        is_fine = part["phase"] in {"ready", "done", "starting"}
        problem = "" if is_fine else f"{part['label']} is {part['phase']}: {part['detail']}"
        remedy = "" if is_fine else f"Its log is {home.logs / (part['name'] + '.log')}."
        found.append(Finding(f"part {part['name']}", problem, remedy, part["phase"]))
    readiness = ask_readiness(instance.url)
    problem = "" if readiness["ready"] else " ".join(readiness["reasons"])
    found.append(
        Finding("ready", problem, "Wait a moment; ./studio status shows progress." if problem else "")
    )
    return found
