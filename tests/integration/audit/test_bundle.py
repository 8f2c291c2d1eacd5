"""Bundles: written from a real log, accepted by a verifier that shares nothing, rejected once touched."""

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from cockpit.audit_bundle import write_bundle
from cockpit.errors import CockpitError
from policies.actors import Actor, ActorKind
from policies.audit import payload_of
from policies.ports import AuditDraft
from policies.redaction import Redactor
from resources.audit_checkpoints import sign_checkpoint, trusted_checkpoints
from resources.audit_signing import signing_key
from tests.integration.audit.conftest import STUDIO

NOW = datetime(2026, 11, 21, 16, tzinfo=UTC)
VERIFIER = Path(__file__).parents[3] / "verifier" / "verify_bundle.py"


@pytest.fixture(scope="module")
def verifier():
    spec = importlib.util.spec_from_file_location("verify_bundle", VERIFIER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def export(log, key, destinations, tmp_path):
    """Return a function that signs, then writes a bundle and returns its directory."""

    def act(name="bundle", *, is_redacting=False, redactor=None):
        sign_checkpoint(log, key, destinations, NOW)
        out = tmp_path / name
        with log.view() as view:
            trusted = trusted_checkpoints(view, destinations.read(), key.public)
            write_bundle(
                out, view, trusted, key.public.text, redactor or Redactor(), is_redacting=is_redacting
            )
        return out

    return act


@pytest.fixture
def bundle(log, append, key, destinations, export):
    """Return a bundle of 23 entries under three checkpoints."""
    for count in (5, 8):
        append(count)
        sign_checkpoint(log, key, destinations, NOW)
    append(10)
    return export()


def told(verifier, folder, key=None):
    """Return (accepted, first bad entry)."""
    try:
        verifier.verify(folder, key)
    except verifier.Rejected as verdict:
        return False, verdict.seq
    return True, None


def refit(folder):
    """Make the manifest fit the files again, as a careful forger would."""
    import hashlib

    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name, facts in manifest["files"].items():
        facts["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))


def change_events(folder, change):
    path = folder / "events.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    changed = change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in (rows if changed is None else changed)))
    refit(folder)


def test_accepted_by_a_program_of_its_own(bundle, key):
    """The verifier runs alone, with the standard library only, and accepts; with the key it says so, too."""
    command = [sys.executable, "-I", "-S", str(VERIFIER), str(bundle), "--json"]
    done = subprocess.run([*command, "--key", key.public.text], capture_output=True, check=True)
    assert json.loads(done.stdout) == {
        "ok": True,
        "first_bad": None,
        "entries": 23,
        "checkpoints": 3,
        "redacted": 0,
        "signer": f"studio-os/audit/{STUDIO}",
    }
    (bundle / "events.jsonl").write_text("")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    shutil.rmtree(bundle)
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2


def test_verifier_is_small_and_shares_nothing():
    """Under 300 lines, and it imports nothing but the standard library."""
    source = VERIFIER.read_text()
    assert len(source.splitlines()) < 300
    imported = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else name.name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert imported <= sys.stdlib_module_names


def test_contents(bundle, key):
    """The bundle holds events, manifest, proofs, checkpoints, the public key and the redaction report."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert (manifest["studio"], manifest["entries"], manifest["checkpoints"]) == (STUDIO, 23, [5, 13, 23])
    assert len(list((bundle / "checkpoints").iterdir())) == 3
    assert (bundle / "public-key.txt").read_text().strip() == key.public.text
    report = json.loads((bundle / "redaction-report.json").read_text())
    assert (report["scanned"], report["redacted"], report["kinds"]) == (23, [], {})
    proofs = json.loads((bundle / "proofs.json").read_text())
    assert [proof["seq"] for proof in proofs["inclusion"]] == [1, 23]
    assert [(proof["first"], proof["second"]) for proof in proofs["consistency"]] == [(5, 13), (13, 23)]


@pytest.mark.parametrize("name", ["events.jsonl", "proofs.json", "manifest.json", "public-key.txt"])
def test_every_byte_counts(verifier, bundle, name):
    """A changed byte anywhere in a file is rejected, in the manifest too unless it changes no meaning."""
    path = bundle / name
    content = path.read_bytes()
    step = max(len(content) // 60, 1)
    for at in range(0, len(content), step):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            accepted = told(verifier, bundle)[0]
        except (ValueError, KeyError, TypeError, AttributeError):
            accepted = False  # main() rejects these as malformed
        if accepted:  # a fact of the manifest that describes, and that nothing is derived from
            changed = json.loads(path.read_bytes())
            kept = json.loads(content)
            different = {field for field in kept if changed.get(field) != kept[field]}
            assert different <= {"firstAt", "lastAt"}
    path.write_bytes(content)
    assert told(verifier, bundle) == (True, None)


@pytest.mark.parametrize("name", ["events.jsonl", "proofs.json", "manifest.json"])
def test_json_without_end_is_a_verdict(bundle, name):
    """A file nested deeper than any reader goes is rejected in words, not by a traceback."""
    (bundle / name).write_text("[" * 200_000)
    ran = subprocess.run([sys.executable, VERIFIER, bundle], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.startswith("rejected: ")


FORGERIES = {
    "edit": (lambda rows: rows[6].update(payload=rows[6]["payload"].replace('"v":1', '"v":2')), 7),
    "hash": (lambda rows: rows[6].update(hash="00" * 32), 7),
    "link": (lambda rows: rows[6].update(prev="00" * 32), 7),
    "number": (lambda rows: rows[6].update(seq=70), 7),
    "deletion": (lambda rows: rows[:6] + rows[7:], 7),
    "insertion": (lambda rows: [*rows[:6], rows[2], *rows[6:]], 7),
    "reordering": (lambda rows: [*rows[:6], rows[7], rows[6], *rows[8:]], 7),
    "truncation": (lambda rows: rows[:20], 21),
    "empty": (lambda rows: [], 1),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_forged_events(verifier, bundle, kind):
    """Whatever is done to the events, with the manifest made to fit, the first bad entry is named."""
    change, seq = FORGERIES[kind]
    change_events(bundle, change)
    assert told(verifier, bundle) == (False, seq)


def test_history_written_anew(verifier, bundle):
    """Events that agree with each other, but not with the signed checkpoints, are not the signed history."""
    import hashlib

    def rewrite(rows):
        before = "0" * 64
        for row in rows:
            if row["seq"] == 9:
                row["payload"] = row["payload"].replace('"v":1', '"v":2')
            whole = f"\0{row['seq']}\n{before}\n{row['payload']}".encode()
            row["prev"], row["hash"] = before, hashlib.sha256(whole).hexdigest()
            before = row["hash"]

    change_events(bundle, rewrite)
    assert told(verifier, bundle) == (False, 6)  # the first entry that no good checkpoint covers


def test_hidden_entries_must_be_reported(verifier, bundle):
    """An entry whose payload was taken out must be in the redaction report."""

    def hide(rows):
        del rows[6]["payload"]
        rows[6]["payload_sha256"] = "00" * 32

    change_events(bundle, hide)
    assert told(verifier, bundle) == (False, None)


def test_other_forgeries(verifier, bundle, tmp_path, key):
    """Another key, a note that was changed, files added or taken out, and proofs cut short are rejected."""
    other = signing_key(tmp_path / "other", STUDIO).public.text
    assert told(verifier, bundle, key.public.text) == (True, None)
    assert told(verifier, bundle, other) == (False, None)
    cases = {
        "key": lambda folder: (folder / "public-key.txt").write_text(other + "\n"),
        "note": lambda folder: next((folder / "checkpoints").glob("*13.checkpoint")).write_text(
            next((folder / "checkpoints").glob("*13.checkpoint")).read_text().replace("\n13\n", "\n12\n")
        ),
        "added": lambda folder: (folder / "more.txt").write_text("more"),
        "taken": lambda folder: next((folder / "checkpoints").glob("*13.checkpoint")).unlink(),
        "proof": lambda folder: (folder / "proofs.json").write_text(
            (folder / "proofs.json").read_text().replace('"second": 13', '"second": 23')
        ),
    }
    for name, change in cases.items():
        folder = tmp_path / name
        shutil.copytree(bundle, folder)
        change(folder)
        if name not in {"added", "taken"}:
            refit(folder)
        assert told(verifier, folder)[0] is False, name


def test_what_must_not_leave(verifier, app_engine, append, export, tmp_path):
    """A payload that looks like a secret stops the export; with --redact it becomes its hash."""
    append(3)
    draft = AuditDraft(
        "proposal:firestore.ops_note.append:created",
        NOW,
        Actor(ActorKind.STAFF, "uid-1", STUDIO),
        "proposal",
        "prp_9",
        None,
        {"words": "write to jane.doe@example.com"},
    )
    with app_engine.begin() as connection:
        connection.execute(text("SELECT studio.append_audit_v1(:p)"), {"p": payload_of(draft, STUDIO)})
    append(2)
    with pytest.raises(CockpitError, match="such as entry 4"):
        export()
    assert not (tmp_path / "bundle").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    folder = export(is_redacting=True)
    assert "jane.doe" not in "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert verifier.verify(folder)["redacted"] == 1
    report = json.loads((folder / "redaction-report.json").read_text())
    assert (report["redacted"], report["scanned"]) == ([4], 6)
    with pytest.raises(CockpitError, match="exists already"):
        export(is_redacting=True)


def test_large_tree_sizes(verifier, put, export):
    """Proofs hold for sizes around powers of two."""
    from tests.unit.policies.ledgers import ledger

    put(ledger(129))
    assert verifier.verify(export())["entries"] == 129
