"""The same with the real adapter on Firestore's twin: killed around the call, and the note is there once."""

import json
import os
import signal
import subprocess
import sys

import pytest

from cockpit.home import CHECKOUT
from policies.gateway_probes import PROBES
from policies.proposals import ProposalState
from resources.firestore import pilot
from tests.integration.gateway.firestore_child import note_shop
from tests.integration.gateway.shop import START, WHY, require_whole_log
from twins.firestore.server import FirestoreTwin
from twins.writers import WriterTokens, world_client

pytestmark = pytest.mark.integration
PROJECT = "crashes"
POINTS = [
    name
    for name in PROBES
    if name.split(":")[0] in {"execute_call", "rollback_call"}
    and name.split(":")[1] in {"call", "executed", "rolled_back", "commit"}
]


@pytest.fixture
def cloud(tmp_path):
    """Return the twin with the one batch in it: how to reach it, and what reads it."""
    tokens = WriterTokens()
    credentials = tmp_path / "writer.json"
    credentials.touch(mode=0o600)
    credentials.write_text(json.dumps({"twin_token": tokens.execution}))
    with FirestoreTwin(writers=tokens.by_writer(), threads=24) as twin:
        client = world_client(twin.host, PROJECT, tokens.world)
        client.document("batches/b1").set({"ownerUid": "uid_owner", "isClosed": False})
        yield (twin.host, PROJECT, str(credentials)), client
        client.close()


def endings(host, jobs):
    """Do the jobs, each in a process of its own; return how each ended, and what they said of it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.gateway.firestore_child", json.dumps(jobs)],
        cwd=CHECKOUT,
        env=environment | {"FIRESTORE_EMULATOR_HOST": host},
        capture_output=True,
        check=True,
        text=True,
        timeout=240,
    )
    return [os.waitstatus_to_exitcode(status) for status in json.loads(done.stdout)], done.stderr


def notes_of(client, proposal_id):
    """Return the notes and actions about a proposal, as they are in the cloud."""
    found = {}
    for collection in (pilot.ACTIONS, pilot.NOTES):
        every = [one.to_dict() for one in client.collection(collection).stream()]
        found[collection] = [it for it in every if it["proposalId"] == proposal_id]
    return found[pilot.ACTIONS], found[pilot.NOTES]


def test_killed_around_the_call_the_note_is_there_once(gateway_url, cloud, monkeypatch):
    """At every point of the call; then a fresh gateway recovers, and what was asked for is done once."""
    where, client = cloud
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", where[0])
    scenes, jobs = [], []
    for number, point in enumerate(POINTS):
        verb, studio = point.partition("_")[0], f"cloud_{number}"
        with note_shop(gateway_url, studio, START, where) as before:
            before.gateway.open_studio()
            proposal = before.approve(before.pending())
            if verb == "rollback":
                before.execute(proposal)
                before.do("request_rollback", "amy", proposal.proposal_id, WHY)
            fields = {"url": gateway_url, "studio": studio, "at": before.clock.instant.isoformat()}
            about = {"cloud": where, "verb": verb, "proposal_id": proposal.proposal_id, "point": point}
            scenes.append((verb, studio, proposal, before.clock.instant))
            jobs.append(fields | about)
    ended, said = endings(where[0], jobs)
    assert ended == [-signal.SIGKILL] * len(POINTS), said
    for verb, studio, proposal, at in scenes:
        with note_shop(gateway_url, studio, at, where) as fresh:
            assert len(notes_of(client, proposal.proposal_id)[1]) <= 1
            fresh.recover_all()
            fresh.recover_all()
            wanted = ProposalState.EXECUTED if verb == "execute" else ProposalState.ROLLED_BACK
            assert fresh.there(proposal).state is wanted
        (action,), (note,) = notes_of(client, proposal.proposal_id)
        assert note["proposalId"] == proposal.proposal_id
        assert bool(action.get("rolledBackAt")) == (verb == "rollback")
        events = require_whole_log(gateway_url, studio)
        assert events.count("executed") == 1
        assert events.count("rolled_back") == (verb == "rollback")
