"""A small studio on both twins, written document by document, and the graph wired to it.

Its time is pinned a few days before the machine's, so that partitions exist and nothing moves by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from resources.clock import local_date
from resources.firestore.live import LiveDocumentSource
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.settings import Settings
from resources.stripe.live import live_payment_source
from studio_assets.definitions import build_defs
from studio_assets.jobs import SNAPSHOT_JOB
from studio_assets.run import Doors, SnapshotRun, run_snapshot
from tests.integration.graph.pretend_devices import device_doors
from twins.firestore.clock import TwinClock
from twins.firestore.server import FirestoreTwin
from twins.stripe import objects
from twins.stripe.kinds import CUSTOMERS
from twins.stripe.params import Params
from twins.stripe.payments import confirm, new_intent
from twins.stripe.refunds import create_refund
from twins.stripe.server import StripeTwin

PROJECT = "pretend-studio"
READER_KEY = "rk_test_twin_reader_0001"
PHOENIX = ZoneInfo("America/Phoenix")


@dataclass
class SharedClock:
    """The time of the twins and of the graph, moved by hand."""

    instant: datetime
    twin: TwinClock = field(default_factory=TwinClock)

    def __post_init__(self) -> None:
        self.set(self.instant)

    def now(self) -> datetime:
        return self.instant

    def set(self, instant: datetime) -> None:
        self.instant = instant
        self.twin.set(instant)

    def advance(self, **step: int) -> None:
        self.set(self.instant + timedelta(**step))


class PretendStudio:
    """Twins, doors, history and a Dagster instance; ``run()`` makes a snapshot."""

    def __init__(self, history: History, folder: Path, instance: dg.DagsterInstance) -> None:
        today = local_date(datetime.now(PHOENIX), PHOENIX.key)
        self.day = today - timedelta(days=3)
        noon = datetime.combine(self.day, time(12), PHOENIX)
        self.clock = SharedClock(noon)
        self.firestore = FirestoreTwin(clock=self.clock.twin).start()
        self.stripe = StripeTwin(now=self.clock.now).start()
        self.paid = ""
        self.today = self.day.isoformat()
        self.history = history
        self.instance = instance
        self.settings = Settings(
            home=folder,
            history_start=self.day - timedelta(days=40),
            firestore_project=PROJECT,
            firestore_emulator_host=self.firestore.host,
            stripe_api_base=self.stripe.base_url,
        )
        self.documents = LiveDocumentSource(
            PROJECT,
            emulator_host=self.firestore.host,
            deadline_seconds=20,
            attempts=2,
            sleep=lambda _: None,
        )
        self.payments = live_payment_source(READER_KEY, api_base=self.stripe.base_url, deadline_seconds=2)
        self.raw = RawStore(str(folder / "raw"))
        engine = history._engine
        self.devices = device_doors(engine, self.settings, self.clock)
        self.doors = Doors(self.documents, self.payments, history, self.raw, self.clock, **self.devices)

    def machine_now(self) -> datetime:
        """Return the machine's present, in the studio's time zone."""
        return datetime.now(PHOENIX)

    def close(self) -> None:
        self.documents.close()
        self.firestore.stop()
        self.stripe.stop()

    def run(self, day: date | None = None, mode: str = "full", **more: Any) -> SnapshotRun:
        """Make a snapshot of a day, by default of the running one.

        A signal to the tests ends them, also where Dagster took it for itself: what a test would say of half
        a run is not what happened.
        """
        run = run_snapshot(
            self.instance,
            self.settings,
            snapshot_date=day or local_date(self.clock.now(), PHOENIX.key),
            mode=mode,
            doors=self.doors,
            **more,
        )
        if run.is_interrupted:
            raise KeyboardInterrupt(run.errors[0])
        return run

    def run_steps(self, keys: Sequence[dg.AssetKey], day: date | None = None) -> dg.ExecuteInProcessResult:
        """Run the steps of the main job that make some assets, as people may from Dagster's pages."""
        given = {field.name: getattr(self.doors, field.name) for field in fields(self.doors)}
        job = build_defs(self.settings, **given).resolve_job_def(SNAPSHOT_JOB)
        return job.execute_in_process(
            instance=self.instance,
            partition_key=(day or self.day).isoformat(),
            asset_selection=keys,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    # The cloud

    def put(self, collection: str, document_id: str, **fields: Any) -> None:
        """Write a whole document, stamped with the present."""
        self.firestore.store.put(
            self.name(collection, document_id), {"updatedAt": self.clock.now(), **fields}
        )

    def put_bare(self, collection: str, document_id: str, **fields: Any) -> None:
        """Write a whole document with these fields and no others."""
        self.firestore.store.put(self.name(collection, document_id), fields)

    def delete(self, collection: str, document_id: str) -> None:
        """Delete a document."""
        self.firestore.store.delete(self.name(collection, document_id))

    def name(self, collection: str, document_id: str) -> str:
        return f"projects/{PROJECT}/databases/(default)/documents/{collection}/{document_id}"

    def pay(self, cents: int, **metadata: str) -> str:
        """Charge a card and return the payment intent's id."""
        account = self.stripe.account
        with self.stripe.ledger.lock:
            customer = account.record(
                CUSTOMERS,
                objects.customer(
                    email="member@example.com", name=None, phone=None, description=None, metadata={}
                ),
            )
            intent = new_intent(
                account,
                amount=cents,
                currency="usd",
                customer_id=customer.id,
                description=None,
                receipt_email=None,
                metadata=metadata,
            )
            confirm(account, intent, "pm_card_visa")
            return str(intent.id)

    def refund(self, intent: str) -> None:
        """Give all of a payment back."""
        with self.stripe.ledger.lock:
            create_refund(self.stripe.account, Params({"payment_intent": intent}))

    def populate(self) -> None:
        """Write a studio with something in every collection."""
        now, hour, day = self.clock.now(), timedelta(hours=1), timedelta(days=1)
        for number in range(12):
            state = ["SUBMITTED", "SHELVED", "LOADED", "READY_FOR_PICKUP", "CLOSED_PICKED_UP", "CLOSED_OTHER"]
            self.put(
                "batches",
                f"b{number:03}",
                ownerUid=f"member{number}",
                state=state[number % 6],
                isClosed=number % 6 >= 4,
                estimatedCostCents=1000 + number,
                createdAt=now - day,
            )
        self.put("batches", "b900", state="LOADED", status="CLOSED_OTHER", isClosed=True)
        self.put("batches", "b901", status="In progress")
        for number, status in enumerate(["REQUESTED", "CONFIRMED", "WAITLISTED", "CANCELLED", "CANCELED"]):
            self.put("reservations", f"r{number}", status=status, estimatedCost=12.5, linkedBatchId="b000")
        self.put("reservations", "r8", status="CONFIRMED", pickupWindow={"status": "completed"})
        self.put("reservations", "r9", ownerUid="member1")
        self.put("kilns", "k1", name="L&L", status="idle", isAvailable=True)
        self.put("kilns", "k2", name="Raku", status="offline", isAvailable=True)
        self.put("kilnFirings", "f1", status="scheduled", startAt=now + hour, endAt=now + 9 * hour)
        self.put("kilnFirings", "f2", status="scheduled", startAt=now - day, endAt=now - hour)
        self.put("communityReports", "c1", status="open", severity="high", category="safety")
        self.put("communityReports", "c2", status="actioned", severity="low", category="spam")
        self.put("agentRequests", "a1", status="new", kind="firing")
        self.put("agentRequests", "a2", status="in_progress", kind="pickup")
        self.put("materialsProducts", "p1", name="Clay", priceCents=4000, currency="USD", active=True)
        self.paid = self.pay(8500, orderId="o1", materialsOrderId="o1", source="materials")
        self.put(
            "materialsOrders",
            "o1",
            status="paid",
            paymentStatus="paid",
            totalCents=8500,
            currency="USD",
            stripePaymentIntentId=self.paid,
            paidAt=now - hour,
            createdAt=now - 2 * hour,
        )
        self.put("materialsOrders", "o2", status="checkout_pending", totalCents=800, createdAt=now - 2 * day)
        self.put("events", "e1", title="Raku night", status="published", startAt=now + day, priceCents=8500)
        self.put("eventSignups", "s1", eventId="e1", status="checked_in", paymentStatus="unpaid")
        self.put("eventSignups", "s2", eventId="e1", status="checked_in", paymentStatus="paid")
        self.put("eventCharges", "ec1", eventId="e1", signupId="s2", totalCents=8500, paidAt=now - hour)
        self.put(
            "agentOrders", "ao1", status="payment_required", fulfillmentStatus="queued", amountCents=4500
        )
        self.put_bare("supportRequests", "sr1", status="new", category="Kiln", createdAt=now)
        self.put_bare("libraryLoans", "l1", status="checked_out", dueAt=now - hour, loanedAt=now - 29 * day)
        self.put_bare("libraryLoans", "l2", status="checked_out", dueAt=now + day, loanedAt=now - day)
        self.put("studioSpaceReservations", "ss1", status="booked", startAt=now, endAt=now + hour, quantity=1)
        self.refund(self.pay(4000, source="portal"))
