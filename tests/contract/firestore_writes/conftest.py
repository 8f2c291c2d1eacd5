"""The adapters that write, against our twin (which tells writers apart) and Google's emulator if it is here.

Every test has a project of its own, so collections can have their real names.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from policies.proposals import Approval, ApprovalKind, Proposal, ProposalState
from resources.firestore.batch_close import BatchCloseAdapter
from resources.firestore.live import LiveDocumentSource
from resources.firestore.ops_note import OpsNoteAdapter
from resources.firestore.writes import FirestoreWrites
from twins.firestore.server import FirestoreTwin
from twins.writers import WriterTokens, world_client

TWIN, OFFICIAL = "twin", "official emulator"
TOKENS = WriterTokens()
AT = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
OWNER, BATCH = "owner-1", "batch-1"
PROPOSAL_ID = "prp_0123456789abcdefghjkmnpqrs"


@dataclass
class Place:
    """One project on one server, and the doors to it."""

    host: str
    project: str
    credentials: Path
    reader: LiveDocumentSource
    writes: FirestoreWrites
    cloud: Any  # a client of the vendor's that may write: what happens in the cloud without us

    def ops_note(self, **options) -> OpsNoteAdapter:
        """Return the adapter with both doors."""
        return OpsNoteAdapter(self.reader, self.writes, approval_of=approval_of, **options)

    def batch_close(self) -> BatchCloseAdapter:
        """Return the adapter with both doors."""
        return BatchCloseAdapter(self.reader, self.writes, approval_of=approval_of)

    def with_batch(self) -> "Place":
        """Put the batch that proposals are about there, and return the place."""
        self.cloud.document(f"batches/{BATCH}").set({"ownerUid": OWNER, "isClosed": False})
        return self

    def documents(self, collection) -> dict[str, dict[str, Any]]:
        """Return id -> fields of a whole collection."""
        return {one.id: one.to_dict() for one in self.cloud.collection(collection).stream()}

    def fields(self, path) -> dict[str, Any] | None:
        """Return the fields of one document."""
        return self.cloud.document(path).get().to_dict()


def approval_of(proposal) -> Approval:
    """Return a made-up approval."""
    return Approval(
        approval_id="apr_1",
        proposal_id=proposal.proposal_id,
        version=1,
        kind=ApprovalKind.EXECUTE,
        input_hash="0" * 64,
        approver_id="approver-1",
        role="approver",
        reason="Looks right to me.",
        at=AT,
        expires_at=AT,
    )


def note_proposal(note="Glaze crawled on two pieces.", *, batch_id=BATCH, **changes) -> Proposal:
    """Return a proposal to append a note."""
    return _proposal(
        "firestore.ops_note.append",
        {"resourceCollection": "batches", "resourceId": batch_id, "note": note},
        changes,
    )


def close_proposal(reason="picked_up", *, batch_id=BATCH, **changes) -> Proposal:
    """Return a proposal to close a batch."""
    return _proposal("firestore.batch.close", {"batchId": batch_id, "closeReason": reason}, changes)


def _proposal(capability_id, input_, changes) -> Proposal:
    fields = {
        "proposal_id": PROPOSAL_ID,
        "studio_id": "monsoonfire",
        "capability_id": capability_id,
        "state": ProposalState.EXECUTING,
        "version": 1,
        "rationale": "Because the member asked.",
        "predicted_effects": (),
        "evidence": (),
        "input": input_,
        "input_hash": "0" * 64,
        "requester_id": "client-1",
        "requester_kind": "agent",
        "requester_principal_id": "requester-1",
        "owner_id": OWNER,
        "dedupe_key": None,
        "dry_run": None,
        "created_at": AT,
        "updated_at": AT,
        "expires_at": AT,
        "intake": "clear",
        "is_intake_blocked": False,
        "intake_classifier": "rules-1",
    }
    return Proposal(**{**fields, **changes})


@pytest.fixture(scope="session")
def twin() -> Iterator[FirestoreTwin]:
    """Return the twin of this folder."""
    with FirestoreTwin(writers=TOKENS.by_writer(), threads=40) as twin:
        yield twin


@pytest.fixture(scope="session", params=[TWIN, OFFICIAL])
def server(request) -> str:
    """Return which server the test runs against."""
    request.getfixturevalue("twin" if request.param == TWIN else "official_emulator")
    return request.param


@pytest.fixture
def open_place(tmp_path, monkeypatch) -> Iterator[Callable[..., Place]]:
    """Return a function that opens a fresh project on a server."""
    opened: list[Place] = []

    def open_(host, *, token, cloud_token=None, **options) -> Place:
        project = f"p{uuid.uuid4().hex[:20]}"
        credentials = tmp_path / f"{project}.json"
        credentials.touch(mode=0o600)
        credentials.write_text(json.dumps({"twin_token": token}))
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
        if cloud_token:
            cloud = world_client(host, project, cloud_token)
        else:
            cloud = firestore.Client(project=project, credentials=AnonymousCredentials())
        place = Place(
            host,
            project,
            credentials,
            LiveDocumentSource(project, emulator_host=host, deadline_seconds=10),
            FirestoreWrites(project, credentials_path=credentials, emulator_host=host, **options),
            cloud,
        )
        opened.append(place)
        return place

    yield open_
    for place in opened:
        place.reader.close()
        place.writes.close()
        place.cloud.close()


@pytest.fixture
def place(server, request, open_place) -> Place:
    """Return a fresh project on the server under test, with the one batch in it."""
    if server == TWIN:
        twin = request.getfixturevalue("twin")
        return open_place(twin.host, token=TOKENS.execution, cloud_token=TOKENS.world).with_batch()
    # The emulator lets anybody write; "owner" is what it takes for an administrator.
    return open_place(request.getfixturevalue("official_emulator"), token="owner").with_batch()


@pytest.fixture
def faulty(open_place) -> Iterator[tuple[FirestoreTwin, Place]]:
    """Return a twin of this test's own, for faults, and a place on it; deadlines are short."""
    with FirestoreTwin(writers=TOKENS.by_writer()) as twin:
        place = open_place(twin.host, token=TOKENS.execution, cloud_token=TOKENS.world, deadline_seconds=1.0)
        yield twin, place.with_batch()
