"""What all assets that are derived from the cloud have alike in Dagster.

Where they come from, who answers for them, their partition, when they are too old, how patient they are, what
becomes of them when there is nothing to rest on, and how the version of what they say is made.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import dagster as dg

from resources.postgres.views_governance import ALL_VIEWS
from resources.settings import Settings
from studio_assets.partitions import studio_days
from studio_assets.studio_state.today import NothingToRestOnError

OWNERS: Final = ("team:studio-operations",)
RETRY: Final = dg.RetryPolicy(max_retries=2, delay=1)
"""For a database that went away for a moment. Refusals are not retried: they are answers."""


def derived_spec(settings: Settings, key: dg.AssetKey, *, description: str, **more: Any) -> dg.AssetSpec:
    """Return the description of an asset of a studio-local day; ``more`` is what ``dg.AssetSpec`` takes."""
    return dg.AssetSpec(
        key,
        description=f"**Derived from cloud.** {description}",
        owners=OWNERS,
        partitions_def=studio_days(settings),
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(minutes=settings.snapshot_stale_minutes)
        ),
        **more,
    )


def spec_of(
    settings: Settings, key: dg.AssetKey, *, description: str, view: str, **more: Any
) -> dg.AssetSpec:
    """Return the description of an asset whose rows are those of a view for analysts."""
    return derived_spec(
        settings,
        key,
        description=description,
        metadata={"dagster/column_schema": _schema(view), **stored_in(view)},
        **more,
    )


def stored_in(view: str) -> dict[str, str]:
    """Return the metadata that says where analysts find an asset's rows: ``analytics.findings``."""
    return {"dagster/table_name": f"studio.{view}", "sql": f"Schema analytics of database studio: {view}"}


@contextmanager
def resting_on_today(left_undone: str) -> Iterator[None]:
    """Fail the step, never to be tried again by itself, where there is nothing to rest on.

    Args:
        left_undone: A sentence that says what was not done for it: ``No finding was opened or resolved.``
    """
    try:
        yield
    except NothingToRestOnError as error:
        raise dg.Failure(f"{error} {left_undone}", allow_retries=False) from error


def data_version(said: object) -> dg.DataVersion:
    """Return the version of what an asset says: equal for equal plain values, whatever the run."""
    return dg.DataVersion(hashlib.sha256(repr(said).encode()).hexdigest())


def _schema(view: str) -> dg.TableSchema:
    """Return the columns of a view; they are declared once, with the view."""
    (found,) = (one for one in ALL_VIEWS if f"{one.schema}.{one.name}" == view)
    return dg.TableSchema(
        [dg.TableColumn(column.name, column.type, description=column.meaning) for column in found.columns]
    )
