"""Sixty simulated days, sixty snapshots, recounted by code that shares nothing with the readers."""

from datetime import timedelta

import pytest
import stripe

from resources.clock import SystemClock, day_end
from resources.raw_store import RawStore
from resources.settings import Settings
from studio_assets.run import Doors, run_snapshot
from tests.dagster_memory import memory_instance
from tests.integration.graph.pretend_devices import device_doors
from tests.integration.history.recount import recount, whole_ledger
from twins.process import TwinsProcess, TwinsWish

DAYS = 60
TIMEZONE = "America/Phoenix"


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Return twins whose world has lived sixty days."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", "set by the twins, taken back afterwards")
        with TwinsProcess(TwinsWish(seed=7, days=DAYS), lambda *_, **__: None) as process:
            assert process.runner.is_ready.wait(timeout=120)
            yield process


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_every_day_of_the_history_equals_an_independent_recount(twins, history, app_engine, tmp_path):
    """Each of sixty past days is rebuilt at its own read time, and every counter equals the recount."""
    first_day = twins.runner.world.settings.first_day
    settings = Settings(
        home=tmp_path,
        history_start=first_day,
        firestore_project=twins.environment["STUDIO_FIRESTORE_PROJECT"],
        firestore_emulator_host=twins.firestore.host,
        stripe_api_base=twins.stripe.base_url,
        stripe_key=twins.environment["STUDIO_STRIPE_KEY"],
    )
    days = [first_day + timedelta(days=number) for number in range(DAYS)]
    truth = twins.runner.world.truth(day_end(days[-1], TIMEZONE))
    ledger = whole_ledger(
        stripe.StripeClient(
            twins.environment["STUDIO_STRIPE_KEY"], base_addresses={"api": twins.stripe.base_url}
        )
    )
    different = {}
    devices = device_doors(app_engine, settings, SystemClock())
    with memory_instance() as instance:
        for day in days:
            doors = Doors(history=history, raw=RawStore(str(tmp_path / "raw")), **devices)
            run = run_snapshot(instance, settings, snapshot_date=day, doors=doors)
            assert run.success, (day, run.errors)
            as_of = day_end(day, TIMEZONE)
            expected = recount(truth.documents(as_of), ledger, as_of)
            found = {section: dict(run.snapshot[section]) for section in expected}
            if found != expected:
                different[str(day)] = {
                    f"{section}.{name}": (found[section].get(name), expected[section].get(name))
                    for section in expected
                    for name in {*found[section], *expected[section]}
                    if found[section].get(name) != expected[section].get(name)
                }
    assert not different
    assert [snapshot.snapshot_date for snapshot in reversed(history.snapshots(limit=DAYS + 1))] == days
