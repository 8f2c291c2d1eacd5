"""Typed settings: everything the environment may say, checked at once.

Start-up calls :func:`load_settings` and refuses to run with *all* problems listed. Secret values are
``SecretStr`` and never appear in a repr, a log line or an error: errors name the variable, not its value.
"""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

RESTRICTED_KEY = re.compile(r"\Ark_(test|live)_[A-Za-z0-9_]{8,}\Z")
STUDIO_ID = re.compile(r"\A[a-z][a-z0-9_]{1,40}\Z")

_KEY_KINDS = (
    ("sk_live_", "a full-access LIVE secret key"),
    ("sk_test_", "a full-access test secret key"),
    ("sk_", "a full-access secret key"),
    ("pk_", "a publishable key"),
    ("rk_", "a malformed restricted key"),
    ("whsec_", "a webhook secret"),
    ("ek_", "an ephemeral key"),
)


class SettingsError(Exception):
    """The environment cannot be used. ``problems`` lists every fault, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"Settings are not usable; nothing was started:\n{lines}\nSee .env.example for every setting.")


class _GivenEnvironment(PydanticBaseSettingsSource):
    """Reads from a mapping handed in, so that no test and no command depends on the process environment."""

    def __init__(self, settings_cls: type[BaseSettings], environment: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._environment = environment

    def get_field_value(self, field: object, field_name: str) -> tuple[object, str, bool]:  # noqa: ARG002 - the base class fixes the signature
        """Return nothing; :meth:`__call__` builds the whole mapping."""
        return None, field_name, False

    def __call__(self) -> dict[str, object]:
        """Return every variable that is set to something, by its own name."""
        known = {choice for field in self.settings_cls.model_fields.values() for choice in _names(field.validation_alias)}
        return {name: value for name, value in self._environment.items() if name in known and value != ""}


def _names(alias: object) -> tuple[str, ...]:
    return tuple(str(choice) for choice in alias.choices) if isinstance(alias, AliasChoices) else (str(alias),)


def _env(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class Settings(BaseSettings):
    """Everything a process of Studio OS needs to know about its surroundings.

    ``.env.example`` holds one commented line per field; a test keeps the two in step.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    # The studio
    studio_id: str = Field("monsoonfire", validation_alias=_env("STUDIO_ID"))
    timezone: str = Field("America/Phoenix", validation_alias=_env("STUDIO_TIMEZONE"))
    home: Path = Field(Path(".studio"), validation_alias=_env("STUDIO_HOME"))
    history_start: date | None = Field(None, validation_alias=_env("STUDIO_HISTORY_START"))
    is_write_enabled: bool = Field(False, validation_alias=_env("STUDIO_WRITES_ENABLED"))

    # Storage
    database_url: SecretStr | None = Field(None, validation_alias=_env("STUDIO_DATABASE_URL"))
    dagster_database_url: SecretStr | None = Field(None, validation_alias=_env("STUDIO_DAGSTER_DATABASE_URL"))
    raw_url: str | None = Field(None, validation_alias=_env("STUDIO_RAW_URL"))
    raw_retention_days: Annotated[int, Field(ge=1, le=3650)] = Field(30, validation_alias=_env("STUDIO_RAW_RETENTION_DAYS"))

    # Firestore
    firestore_project: str = Field("monsoonfire-portal", validation_alias=_env("STUDIO_FIRESTORE_PROJECT", "FIREBASE_PROJECT_ID", "GOOGLE_CLOUD_PROJECT"))
    firestore_database: str = Field("(default)", validation_alias=_env("STUDIO_FIRESTORE_DATABASE"))
    firestore_emulator_host: str | None = Field(None, validation_alias=_env("FIRESTORE_EMULATOR_HOST"))
    google_credentials: Path | None = Field(None, validation_alias=_env("GOOGLE_APPLICATION_CREDENTIALS"))
    read_deadline_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(120.0, validation_alias=_env("STUDIO_READ_DEADLINE_SECONDS"))
    read_concurrency: Annotated[int, Field(ge=1, le=32)] = Field(4, validation_alias=_env("STUDIO_READ_CONCURRENCY"))

    # Stripe
    stripe_key: SecretStr | None = Field(None, validation_alias=_env("STUDIO_STRIPE_KEY"))
    stripe_api_base: str | None = Field(None, validation_alias=_env("STUDIO_STRIPE_API_BASE"))

    # The desk
    host: str = Field("127.0.0.1", validation_alias=_env("STUDIO_HOST"))
    port: Annotated[int, Field(ge=1, le=65535)] = Field(3000, validation_alias=_env("STUDIO_PORT"))
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias=_env("STUDIO_LOG_LEVEL"))

    # Thresholds
    snapshot_stale_minutes: Annotated[int, Field(ge=1)] = Field(60, validation_alias=_env("STUDIO_SNAPSHOT_STALE_MINUTES"))
    refresh_minutes: Annotated[int, Field(ge=1, le=60)] = Field(15, validation_alias=_env("STUDIO_REFRESH_MINUTES"))
    drift_threshold: Annotated[int, Field(ge=0)] = Field(0, validation_alias=_env("STUDIO_DRIFT_THRESHOLD"))
    quarantine_limit_ratio: Annotated[float, Field(ge=0, le=1)] = Field(0.2, validation_alias=_env("STUDIO_QUARANTINE_LIMIT_RATIO"))

    @classmethod
    def settings_customise_sources(cls, settings_cls: type[BaseSettings], **_: PydanticBaseSettingsSource) -> tuple[()]:
        """Read nothing on our own account: :func:`load_settings` hands the environment in."""
        return ()
