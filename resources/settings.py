"""Typed settings: everything the environment may say, checked at once.

Start-up calls :func:`load_settings` and refuses to run with *all* problems listed. Secret values are
``SecretStr`` and never appear in a repr, a log line or an error: errors name the variable, not its value.
Nothing here reads the process environment; the caller hands the mapping in.
"""

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails

from resources.settings_devices import hub_problems, threshold_problems
from resources.settings_rules import (
    identity_problems,
    is_https_url,
    is_loopback_url,
    key_problems,
    writing_problems,
)

STUDIO_ID: Final = re.compile(r"[a-z][a-z0-9_]{1,40}")
EMULATOR_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")

GOOGLE_KEYS_URL: Final = (
    "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
)

# INVARIANT: read by the launcher, the commands, the twins or tests: no typing errors, and no fields either.
OTHER_VARIABLES: Final = frozenset(
    {"STUDIO_PYTHON", "STUDIO_OFFICIAL_FIRESTORE_EMULATOR", "STUDIO_TWINS_CONTROL", "STUDIO_AS"}
)

_PLAIN: Final = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "date_from_datetime_inexact": "must be a date such as 2026-09-22",
    "date_from_datetime_parsing": "must be a date such as 2026-09-22",
    "date_parsing": "must be a date such as 2026-09-22",
    "datetime_from_date_parsing": "must be an instant such as 2026-09-22T15:00:00Z",
    "datetime_parsing": "must be an instant such as 2026-09-22T15:00:00Z",
    "timezone_aware": "must be an instant with its offset from UTC, such as 2026-09-22T15:00:00Z",
    "float_parsing": "must be a number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
}


class SettingsError(Exception):
    """The environment cannot be used. ``problems`` lists every fault, one sentence each, without values."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(
            f"Settings are not usable; nothing was started:\n{lines}\nSee .env.example for every setting."
        )


class Settings(BaseModel):
    """Everything a process of Studio OS needs to know about its surroundings.

    ``.env.example`` holds one commented line per field; a test keeps the two in step.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    # The studio
    studio_id: str = Field("monsoonfire", validation_alias=AliasChoices("STUDIO_ID"))
    timezone: str = Field("America/Phoenix", validation_alias=AliasChoices("STUDIO_TIMEZONE"))
    home: Path = Field(Path(".studio"), validation_alias=AliasChoices("STUDIO_HOME"))
    history_start: date | None = Field(None, validation_alias=AliasChoices("STUDIO_HISTORY_START"))
    is_write_enabled: bool = Field(False, validation_alias=AliasChoices("STUDIO_WRITES_ENABLED"))

    # Storage
    database_url: SecretStr | None = Field(None, validation_alias=AliasChoices("STUDIO_DATABASE_URL"))
    dagster_database_url: SecretStr | None = Field(
        None, validation_alias=AliasChoices("STUDIO_DAGSTER_DATABASE_URL", "DAGSTER_PG_URL")
    )
    raw_url: str | None = Field(None, validation_alias=AliasChoices("STUDIO_RAW_URL"))
    checkpoint_urls: str | None = Field(None, validation_alias=AliasChoices("STUDIO_CHECKPOINT_URLS"))
    raw_retention_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        30, validation_alias=AliasChoices("STUDIO_RAW_RETENTION_DAYS")
    )

    # Firestore
    firestore_project: str = Field(
        "monsoonfire-portal", validation_alias=AliasChoices("STUDIO_FIRESTORE_PROJECT")
    )
    firestore_database: str = Field("(default)", validation_alias=AliasChoices("STUDIO_FIRESTORE_DATABASE"))
    firestore_emulator_host: str | None = Field(
        None, validation_alias=AliasChoices("FIRESTORE_EMULATOR_HOST")
    )
    google_credentials: Path | None = Field(
        None, validation_alias=AliasChoices("GOOGLE_APPLICATION_CREDENTIALS")
    )
    write_credentials: Path | None = Field(None, validation_alias=AliasChoices("STUDIO_WRITE_CREDENTIALS"))
    read_deadline_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        120.0, validation_alias=AliasChoices("STUDIO_READ_DEADLINE_SECONDS")
    )
    read_concurrency: Annotated[int, Field(ge=1, le=32)] = Field(
        4, validation_alias=AliasChoices("STUDIO_READ_CONCURRENCY")
    )

    # Stripe
    stripe_key: SecretStr | None = Field(None, validation_alias=AliasChoices("STUDIO_STRIPE_KEY"))
    stripe_api_base: str | None = Field(None, validation_alias=AliasChoices("STUDIO_STRIPE_API_BASE"))

    # Devices
    hubitat_url: str | None = Field(None, validation_alias=AliasChoices("STUDIO_HUBITAT_URL"))
    hubitat_app_id: str | None = Field(None, validation_alias=AliasChoices("STUDIO_HUBITAT_APP_ID"))
    hubitat_token: SecretStr | None = Field(None, validation_alias=AliasChoices("STUDIO_HUBITAT_TOKEN"))
    hubitat_scale: Literal["F", "C"] = Field("F", validation_alias=AliasChoices("STUDIO_HUBITAT_SCALE"))
    roborock_session: Path | None = Field(None, validation_alias=AliasChoices("STUDIO_ROBOROCK_SESSION"))

    # Identity
    token_project: str | None = Field(None, validation_alias=AliasChoices("STUDIO_IDENTITY_PROJECT"))
    identity_keys_url: str | None = Field(None, validation_alias=AliasChoices("STUDIO_IDENTITY_KEYS_URL"))
    identity_accounts_url: str | None = Field(
        None, validation_alias=AliasChoices("STUDIO_IDENTITY_ACCOUNTS_URL")
    )
    tokens_valid_since: AwareDatetime | None = Field(
        None, validation_alias=AliasChoices("STUDIO_TOKENS_VALID_SINCE")
    )

    # The desk
    host: str = Field("127.0.0.1", validation_alias=AliasChoices("STUDIO_HOST"))
    port: Annotated[int, Field(ge=1, le=65535)] = Field(3000, validation_alias=AliasChoices("STUDIO_PORT"))
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias=AliasChoices("STUDIO_LOG_LEVEL")
    )

    # Thresholds
    snapshot_stale_minutes: Annotated[int, Field(ge=1)] = Field(
        60, validation_alias=AliasChoices("STUDIO_SNAPSHOT_STALE_MINUTES")
    )
    refresh_minutes: Annotated[int, Field(ge=1, le=60)] = Field(
        15, validation_alias=AliasChoices("STUDIO_REFRESH_MINUTES")
    )
    drift_threshold: Annotated[int, Field(ge=0)] = Field(
        0, validation_alias=AliasChoices("STUDIO_DRIFT_THRESHOLD")
    )
    quarantine_limit_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2, validation_alias=AliasChoices("STUDIO_QUARANTINE_LIMIT_RATIO")
    )
    device_stale_minutes: Annotated[int, Field(ge=1)] = Field(
        60, validation_alias=AliasChoices("STUDIO_DEVICE_STALE_MINUTES")
    )
    sensor_silent_minutes: Annotated[int, Field(ge=1)] = Field(
        180, validation_alias=AliasChoices("STUDIO_SENSOR_SILENT_MINUTES")
    )
    low_battery_pct: Annotated[int, Field(ge=0, le=100)] = Field(
        20, validation_alias=AliasChoices("STUDIO_LOW_BATTERY_PCT")
    )
    kiln_room_low_celsius: Annotated[float, Field(ge=-60, le=150)] = Field(
        5.0, validation_alias=AliasChoices("STUDIO_KILN_ROOM_LOW_CELSIUS")
    )
    kiln_room_high_celsius: Annotated[float, Field(ge=-60, le=150)] = Field(
        45.0, validation_alias=AliasChoices("STUDIO_KILN_ROOM_HIGH_CELSIUS")
    )

    @property
    def is_twin(self) -> bool:
        """Whether the sources are a pretend studio: anonymous credentials, nothing real is touched."""
        return self.firestore_emulator_host is not None

    @property
    def posture(self) -> str:
        """``read-only`` (anchor mode, the default) or ``writes-enabled``."""
        return "writes-enabled" if self.is_write_enabled else "read-only"

    @property
    def identity_project(self) -> str:
        """The project whose signed tokens are believed; that of Firestore unless another one is named."""
        return self.token_project or self.firestore_project

    @property
    def raw_root(self) -> str:
        """Where raw reads lie: ``STUDIO_RAW_URL``, or ``raw/`` in the home directory."""
        return self.raw_url or str(self.home / "raw")

    @property
    def checkpoint_roots(self) -> tuple[str, ...]:
        """Where signed checkpoints lie: ``STUDIO_CHECKPOINT_URLS``, or two directories in the home."""
        given = [url.strip() for url in (self.checkpoint_urls or "").split(",")]
        urls = tuple(dict.fromkeys(url for url in given if url))
        return urls or (str(self.home / "checkpoints"), str(self.home / "audit-witness"))

    @property
    def dagster_home(self) -> Path:
        """Dagster's own directory inside the home directory."""
        return self.home / "dagster"

    @field_validator("studio_id")
    @classmethod
    def _studio_id(cls, value: str) -> str:
        if not STUDIO_ID.fullmatch(value):
            raise ValueError("must be 2 to 41 characters: a lower-case letter, then letters, digits or _")
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("is not a known time zone; write it like America/Phoenix") from None
        return value

    @field_validator("firestore_emulator_host")
    @classmethod
    def _emulator_host(cls, value: str | None) -> str | None:
        if value is not None and not EMULATOR_HOST.fullmatch(value):
            raise ValueError("must be host:port, such as 127.0.0.1:8080")
        return value

    @field_validator("stripe_api_base")
    @classmethod
    def _stripe_api_base(cls, value: str | None) -> str | None:
        if value is not None and not is_loopback_url(value):
            raise ValueError(
                "must be a loopback address of a twin, such as http://127.0.0.1:8081;"
                " leave it unset for Stripe itself"
            )
        return value.rstrip("/") if value else value

    @field_validator("hubitat_url")
    @classmethod
    def _hubitat_url(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value

    @field_validator("identity_keys_url", "identity_accounts_url")
    @classmethod
    def _identity_url(cls, value: str | None) -> str | None:
        if value is not None and not (is_loopback_url(value) or is_https_url(value)):
            raise ValueError("must be an https:// address, or the loopback address of a twin")
        return value.rstrip("/") if value else value

    @field_validator("tokens_valid_since")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return value.astimezone(UTC) if value else value

    @field_validator("raw_url")
    @classmethod
    def _raw_url(cls, value: str | None) -> str | None:
        if value is not None and "://" in value and "@" in value.split("://", 1)[1].split("/", 1)[0]:
            raise ValueError(
                "must not contain credentials; give them the way the storage's own library expects"
            )
        return value

    @field_validator("database_url", "dagster_database_url")
    @classmethod
    def _database_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        scheme, separator, rest = value.get_secret_value().partition("://")
        if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg2"}:
            raise ValueError("must be a PostgreSQL URL: postgresql+psycopg2://user:password@host/database")
        return SecretStr(f"postgresql+psycopg2://{rest}")


def load_settings(environment: Mapping[str, str], *, dotenv: Path | None = None) -> Settings:
    """Return the settings that ``environment`` and an optional ``.env`` file describe.

    The environment wins over the file; a variable set to nothing counts as not set.

    Raises:
        SettingsError: With every problem at once; permanent until the environment is changed.
    """
    problems: list[str] = []
    given = {**_read_dotenv(dotenv, problems), **environment}
    given = {name: value.strip() for name, value in given.items() if value and value.strip()}
    problems += _typos(given)
    problems += key_problems(given)
    problems += identity_problems(given)
    problems += writing_problems(given)
    problems += hub_problems(given)
    low, high = (Settings.model_fields[f"kiln_room_{end}_celsius"].default for end in ("low", "high"))
    problems += threshold_problems(given, low=low, high=high)
    settings = None
    try:
        settings = Settings.model_validate({name: given[name] for name in variables() if name in given})
    except ValidationError as error:
        problems += [
            _sentence(detail, given) for detail in error.errors(include_url=False, include_input=False)
        ]
    if problems or settings is None:
        raise SettingsError(problems)
    return settings


def variables() -> dict[str, str]:
    """Return every variable that is read, with the name of its field; the preferred name of a field first."""
    return {
        str(choice): field
        for field, info in Settings.model_fields.items()
        if isinstance(info.validation_alias, AliasChoices)
        for choice in info.validation_alias.choices
    }


def secret_variables() -> frozenset[str]:
    """Return the names of the variables whose values must never be shown."""
    return frozenset(
        name
        for name, field in variables().items()
        if "SecretStr" in str(Settings.model_fields[field].annotation)
    )


def _read_dotenv(path: Path | None, problems: list[str]) -> dict[str, str]:
    if path is None or not path.exists():
        return {}
    try:
        # Interpolation would read the process environment behind the caller's back.
        return {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}
    except (OSError, UnicodeDecodeError):
        problems.append(f"{path} cannot be read as text; check its permissions and encoding.")
        return {}


def _typos(given: Mapping[str, str]) -> list[str]:
    known = {*variables(), *OTHER_VARIABLES}
    problems = []
    for name in sorted(given):
        if name.startswith("STUDIO_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "no setting has that name."
            problems.append(f"{name} is not a setting; {hint}")
    return problems


def _sentence(detail: ErrorDetails, given: Mapping[str, str]) -> str:
    where = str(detail["loc"][0]) if detail["loc"] else "The settings"
    field = variables().get(where, where)
    name = next((name for name, of in variables().items() if of == field and name in given), where)
    context: dict[str, Any] = detail.get("ctx", {})
    if detail["type"] == "value_error":
        words = str(context.get("error", "is not valid"))
    else:
        said = detail["msg"].replace("Input should be", "must be")
        words = _PLAIN.get(detail["type"], said[:1].lower() + said[1:])
    return f"{name} {words}."
