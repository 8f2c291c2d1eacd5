"""Doors as resources: given ones are handed on untouched, a missing key is a plain failed read."""

import dagster as dg
import pytest

from resources.errors import SourceUnreadableError
from resources.settings import Settings, SettingsError
from resources.stripe.gateway import ListStats
from studio_assets.doors import live_history
from studio_assets.resources import Overrides, build_resources


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


def test_a_given_door_is_handed_on_and_stays_open(settings):
    class Door:
        closed = False

        def close(self):
            self.closed = True

    door = Door()
    resources = build_resources(settings, Overrides(documents=door))
    with dg.build_resources({"documents": resources["documents"]}) as made:
        assert made.documents is door
    assert not door.closed


def test_without_a_key_stripe_is_unreadable_and_says_what_to_set(settings):
    """The run goes on, records the failed reads, and blocks the state."""
    resources = build_resources(settings, Overrides())
    with (
        dg.build_resources({"payments": resources["payments"]}) as made,
        pytest.raises(SourceUnreadableError, match="STUDIO_STRIPE_KEY is not set") as refused,
    ):
        made.payments.list_objects("charges", created_before=None, stats=ListStats())
    assert not refused.value.is_transient


def test_without_a_database_there_is_no_history(settings):
    with pytest.raises(SettingsError, match="STUDIO_DATABASE_URL"), live_history(settings):
        pass
