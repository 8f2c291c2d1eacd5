"""Both twins in this process, and worlds written into them through the real clients."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
import stripe
from google.cloud import firestore

from twins.firestore.server import FirestoreTwin
from twins.stripe.access import READER_KEY, WORLD_KEY
from twins.stripe.server import StripeTwin
from twins.world.bulk import BulkWriter
from twins.world.clock import WorldClock
from twins.world.plan import WARM_UP_DAYS, opening_of
from twins.world.world import World
from twins.world.writer import Writer

PROJECT = "monsoonfire-portal"


@dataclass
class Stage:
    """One pair of twins with a world in it."""

    world: World
    clock: WorldClock
    documents: firestore.Client
    payments: stripe.StripeClient
    firestore_twin: FirestoreTwin
    stripe_twin: StripeTwin

    def read(self, collection, at):
        """Return id -> document of a collection at an instant, as the client sees it."""
        stream = self.documents.collection(collection).stream(read_time=at)
        return {snapshot.id: snapshot.to_dict() for snapshot in stream}

    def read_group(self, collection, at):
        """Return path -> document of every sub-collection of a name at an instant."""
        stream = self.documents.collection_group(collection).stream(read_time=at)
        return {snapshot.reference.path: snapshot.to_dict() for snapshot in stream}

    def list(self, kind, **params):
        """Return every Stripe object of a kind, newest first."""
        service = getattr(self.payments.v1, kind)
        return [each.to_dict() for each in service.list({"limit": 100, **params}).auto_paging_iter()]


@pytest.fixture(scope="module")
def stages():
    """Return a function that opens fresh twins for a world; all are closed at the end of the module."""
    open_stages: list[Stage] = []
    with pytest.MonkeyPatch.context() as patch:

        def build(settings, *, bulk=False):
            firestore_twin = FirestoreTwin()
            clock = WorldClock(firestore_twin.clock)
            clock.set(opening_of(settings) - timedelta(days=WARM_UP_DAYS + 1))
            stripe_twin = StripeTwin(now=clock.now).start()
            firestore_twin.start()
            patch.setenv("FIRESTORE_EMULATOR_HOST", firestore_twin.host)
            documents = firestore.Client(project=PROJECT)
            base = {"api": stripe_twin.base_url}
            writer = Writer(
                documents,
                stripe.StripeClient(WORLD_KEY, base_addresses=base),
                clock,
                BulkWriter(firestore_twin.host, PROJECT) if bulk else None,
            )
            reader = stripe.StripeClient(READER_KEY, base_addresses=base)
            stage = Stage(World(settings, writer), clock, documents, reader, firestore_twin, stripe_twin)
            open_stages.append(stage)
            return stage

        yield build
    for stage in open_stages:
        stage.world.close()
        stage.stripe_twin.stop()
        stage.firestore_twin.stop()
