"""The running house carries out what people approved, and only the part that does it knows the credential."""

import contextlib
import json
import time
import urllib.request
from datetime import UTC, datetime

import psutil
import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

NOTES = "studioBrainPilotOpsNotes"
LIMIT_SECONDS = 120


@pytest.fixture
def running(house):
    """Give a house that runs a pretend studio, with the settings of its parts."""
    from cockpit.home import read_home
    from cockpit.instance import running_instance
    from resources.settings import load_settings

    house.start("--days", "1")
    house.wait_until(lambda told: told["parts"].get("daemon", {}).get("phase") == "ready")
    return house, load_settings(running_instance(read_home(house.home)).environment)


def person(name, *roles):
    from policies.actors import STAFF_ROLE, Actor, ActorKind

    return Actor(ActorKind.STAFF, name, "monsoonfire", frozenset({STAFF_ROLE, *roles}))


def wait_for_state(ledger, proposal_id, state):
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        with ledger.transaction() as transaction:
            found = transaction.facts(now=datetime.now(UTC), capability_id=None, proposal_id=proposal_id)
        if found.proposal.state.value == state:
            return
        assert time.monotonic() < deadline, f"it is {found.proposal.state} after {LIMIT_SECONDS} s"
        time.sleep(0.2)


def note_of(settings, note_id):
    from resources.firestore.live import LiveDocumentSource

    source = LiveDocumentSource(settings.firestore_project, emulator_host=settings.firestore_emulator_host)
    try:
        return source.lookup(NOTES, [note_id], ["note", "rolledBackAt"])[note_id].record
    finally:
        source.close()


def open_batch(settings):
    """Return the id and the owner of a batch that is there and open."""
    from resources.firestore.gateway import CollectionQuery, ScanStats
    from resources.firestore.live import LiveDocumentSource

    source = LiveDocumentSource(settings.firestore_project, emulator_host=settings.firestore_emulator_host)
    try:
        query = CollectionQuery("batches", ("ownerUid", "isClosed"))
        for page in source.scan(query, read_time=source.read_time(), stats=ScanStats()):
            for batch_id, record in zip(page.ids, page.records, strict=True):
                if record.get("ownerUid") and record.get("isClosed") is False:
                    return batch_id, record["ownerUid"]
    finally:
        source.close()
    raise AssertionError("the pretend studio has no open batch")


def test_an_approved_note_reaches_the_cloud_by_a_run_and_is_rolled_back_by_another(running):
    """From draft to the cloud and back with nobody's hands after the approvals; all checks stay green."""
    from studio_assets.doors import live_gateway, live_governance, live_ledger

    house, settings = running
    ana, ben = person("ana"), person("ben", "approver")
    batch_id, owner_id = open_batch(settings)
    with (
        live_gateway(settings) as gateway,
        live_ledger(settings) as ledger,
        live_governance(settings) as governance,
    ):
        draft = gateway.propose(
            ana,
            "firestore.ops_note.append",
            {"resourceCollection": "batches", "resourceId": batch_id, "note": "The glaze crawled."},
            "Staff should know about this.",
            owner_id=owner_id,
            is_draft=True,
        )
        gateway.submit(ana, draft.proposal_id)
        gateway.approve(ben, draft.proposal_id, "Looked at it, right.", input_hash=draft.input_hash)
        wait_for_state(ledger, draft.proposal_id, "executed")
        (execution,) = ledger.executions(draft.proposal_id)
        note_id = execution.pointer["docId"]
        assert note_of(settings, note_id) == {"note": "The glaze crawled.", "rolledBackAt": None}
        gateway.request_rollback(ben, draft.proposal_id, "It was about another batch.")
        wait_for_state(ledger, draft.proposal_id, "rolled_back")
        assert note_of(settings, note_id)["rolledBackAt"] is not None
        assert governance.verify_chain().broken == []
    with urllib.request.urlopen(f"http://127.0.0.1:{house.port}/", timeout=20) as page:
        assert "The kill switch is off." in page.read().decode()


def test_no_environment_holds_the_writing_credential_and_only_one_part_knows_its_file(running):
    """The value lies in one private file; of the parts, only the code server is told where."""
    house, _ = running
    file = house.home / "run" / "twin-writer.json"
    assert file.stat().st_mode & 0o777 == 0o600
    token = json.loads(file.read_text())["twin_token"]
    told, seen = [], 0
    for process in house.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            environment, argv = process.environ(), " ".join(process.cmdline())
            seen += 1
            assert token not in " ".join(environment.values()) + argv
            if "STUDIO_WRITE_CREDENTIALS" in environment:
                told.append(argv)
    assert seen > 4
    assert [argv for argv in told if "dagster api grpc" in argv]
    for argv in told:
        assert not any(part in argv for part in ("cockpit.web", "dagster._daemon", "twins", "cockpit.work"))
    for log in (house.home / "logs").iterdir():
        assert token not in log.read_text(errors="replace")
