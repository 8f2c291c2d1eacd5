"""Derived state follows new content by itself, and never runs twice for the same content."""

import dagster as dg
import pytest

from studio_assets.definitions import build_defs
from studio_assets.keys import cloud_truth_key, studio_state_key

pytestmark = pytest.mark.integration
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


class Daemon:
    """Evaluates the conditions as the automation sensor does, from one tick to the next."""

    def __init__(self, studio):
        self.studio = studio
        self.definitions = build_defs(
            studio.settings,
            documents=studio.documents,
            payments=studio.payments,
            history=studio.history,
            raw=studio.raw,
            clock=studio.clock,
            **studio.devices,
        )
        self.cursor = None

    def asked(self):
        """Return the assets one tick asks for."""
        result = dg.evaluate_automation_conditions(
            self.definitions,
            self.studio.instance,
            cursor=self.cursor,
            asset_selection=dg.AssetSelection.groups("studio_state"),
            evaluation_time=self.studio.clock.now(),
        )
        self.cursor = result.cursor
        return {
            name
            for name in ("snapshot", "diff", "drift")
            if result.get_num_requested(studio_state_key(self.studio.settings.studio_id, name))
        }

    def read(self, *names):
        """Materialize some collections by hand."""
        keys = [cloud_truth_key(self.studio.settings.studio_id, name) for name in names]
        result = self.definitions.resolve_job_def("snapshot_job").execute_in_process(
            instance=self.studio.instance,
            partition_key=self.studio.today,
            asset_selection=keys,
            raise_on_error=False,
            run_config={"loggers": QUIET},
        )
        assert result.success
        return result


@pytest.fixture
def today(studio):
    """Move the studio's time to the machine's: conditions only look at the newest day there is then."""
    studio.clock.set(studio.machine_now())
    studio.today = studio.clock.now().date().isoformat()
    return studio


def test_a_scheduled_run_is_not_followed_by_another(today):
    """The run made everything itself; the conditions see that and ask for nothing, then or later."""
    daemon = Daemon(today)
    assert daemon.asked() == set()
    for _ in range(2):
        run = today.run()
        assert run.success, run.errors
        assert daemon.asked() == set()
        assert daemon.asked() == set()
        today.put("batches", "b500", state="LOADED")


def test_new_content_read_by_hand_is_followed_once(today):
    """One collection read again with other content: snapshot, diff and drift are asked for, one time."""
    today.run()
    daemon = Daemon(today)
    daemon.asked()
    today.put("kilns", "k2", name="Raku", status="idle")
    daemon.read("kilns")
    assert daemon.asked() == {"snapshot", "diff", "drift"}
    assert daemon.asked() == set()


def test_the_same_content_read_by_hand_is_not_followed(today):
    """A new read with the same hash is no reason to derive anything."""
    today.run()
    daemon = Daemon(today)
    daemon.asked()
    daemon.read("kilns")
    assert daemon.asked() == set()
