"""``studio audit``: read the log, verify it, sign checkpoints, prove entries, export bundles."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Any

import click
import orjson

from cockpit.audit_bundle import proof_of, write_bundle
from cockpit.cli.desk_words import visible
from cockpit.cli.identity_option import acting
from cockpit.cli.options import print_json, shared
from cockpit.desk import Desk, open_desk
from cockpit.errors import CANNOT_RUN, CockpitError
from policies.actors import Actor
from policies.audit_entries import Entry
from policies.audit_tree import Tree
from policies.audit_verify import Report, verify_log
from policies.redaction import Redactor
from resources.audit_checkpoints import (
    ForkRefusedError,
    SignedCheckpoint,
    Trusted,
    sign_checkpoint,
    trusted_checkpoints,
)
from resources.audit_destinations import DestinationError, Destinations
from resources.audit_signing import SigningKeyError, public_key, signing_key
from resources.clock import SystemClock
from resources.logs import known_secrets
from resources.postgres.audit_log import AuditView


@click.group(short_help="Read the audit log, verify it, export it.")
def audit() -> None:
    """Read, verify, sign, prove and export the audit log. All of it is for staff."""


@audit.command(short_help="Recompute everything; name the first bad entry.")
@shared
@acting
def verify(*, home: Path | None, is_json: bool, actor: Actor) -> int:
    """Recompute every hash, the chain and the tree, and hold them against every signed checkpoint.

    Exit code 0 only if every entry is good and no copy of a checkpoint is damaged or missing.
    """
    with _desk(home, actor) as desk, desk.audit.view() as view:
        trusted = _trusted(desk, view)
        report = verify_log(view, trusted.anchors, known_entries=view.known_entries())
    problems = [*trusted.problems, *map(_emptied, trusted.emptied)]
    is_ok = report.is_ok and not problems
    told = {
        "ok": is_ok,
        "entries": report.entries,
        "checkpoints": report.checkpoints,
        "first_bad": _fault_told(report),
        "sentence": report.fault.sentence if report.fault is not None else None,
        "root": report.root.hex() if report.is_ok else None,
        "problems": problems,
        "unreachable": list(trusted.unreachable),
    }
    if is_json:
        print_json(told)
    else:
        print("\n".join(_verdict(told)))
    return 0 if is_ok else 1


@audit.command(short_help="Show the newest entries.")
@shared
@acting
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, help="How many.")
def tail(*, home: Path | None, is_json: bool, actor: Actor, limit: int) -> int:
    """Show the newest entries, the newest last."""
    with _desk(home, actor) as desk, desk.audit.view() as view:
        _show(list(view.tail(limit)), is_json=is_json)
    return 0


@audit.command(short_help="Show one entry whole.")
@shared
@acting
@click.argument("seq", type=click.IntRange(1))
def show(*, home: Path | None, is_json: bool, actor: Actor, seq: int) -> int:
    """Show the entry SEQ with its payload and hashes, and whether it agrees with them."""
    with _desk(home, actor) as desk, desk.audit.view() as view:
        entry = _entry(view, seq)
    told = _told(entry) | {
        "prevHash": entry.prev_hash.hex(),
        "hash": entry.hash.hex(),
        "agrees": entry.is_own_as(seq) and entry.has_true_columns(),
    }
    if is_json:
        print_json(told)
    else:
        print(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    return 0 if told["agrees"] else 1


@audit.command(short_help="Find entries.")
@shared
@acting
@click.option("--name", help="Event name; a * at its end stands for anything.")
@click.option("--actor", "actor_id", help="Who did it, or for whom an agent did.")
@click.option("--kind", help="Kind of subject, such as proposal.")
@click.option("--subject", help="Id of the subject.")
@click.option("--since", help="Not before this instant, such as 2026-09-22T15:00:00Z.")
@click.option("--until", help="Before this instant.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="How many, newest first.")
def search(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    name: str | None,
    actor_id: str | None,
    kind: str | None,
    subject: str | None,
    since: str | None,
    until: str | None,
    limit: int,
) -> int:
    """Find entries by everything given, newest first."""
    with _desk(home, actor) as desk, desk.audit.view() as view:
        found = view.search(
            name=name,
            actor_id=actor_id,
            subject_kind=kind,
            subject_id=subject,
            since=_instant(since),
            until=_instant(until),
            limit=limit,
        )
        _show(list(found), is_json=is_json)
    return 0


@audit.command(short_help="Verify and sign the log as it is now.")
@shared
@acting
def checkpoint(*, home: Path | None, is_json: bool, actor: Actor) -> int:
    """Verify the log, sign a checkpoint and put it at its destinations; a fork is refused."""
    with _desk(home, actor) as desk:
        signed = _sign(desk)
    if signed is None:
        raise CockpitError("The log is empty; nothing was signed.", "Start with ./studio up.", exit_code=1)
    told = {
        "size": signed.checkpoint.size,
        "root": signed.checkpoint.root.hex(),
        "isNew": signed.is_new,
        "note": signed.note,
        "failed": dict(signed.failed),
    }
    if is_json:
        print_json(told)
    else:
        print(signed.note)
        print("\n".join(f"NOT TAKEN by {url}: {problem}" for url, problem in signed.failed.items()))
    return 0


@audit.command(short_help="Prove that an entry is under a signed checkpoint.")
@shared
@acting
@click.argument("seq", type=click.IntRange(1))
def prove(*, home: Path | None, is_json: bool, actor: Actor, seq: int) -> int:
    """Print the inclusion proof of the entry SEQ under the newest signed checkpoint."""
    with _desk(home, actor) as desk, desk.audit.view() as view:
        trusted = _trusted(desk, view)
        entry = _entry(view, seq)
        size = max(trusted.notes, default=0)
        if size < seq:
            raise CockpitError(
                f"No checkpoint covers entry {seq} yet.", "./studio audit checkpoint signs one.", exit_code=1
            )
        proof = proof_of(Tree(view.hashes()), seq, size)
    told = {"payload": entry.payload, "prevHash": entry.prev_hash.hex()} | proof
    told |= {"checkpoint": trusted.notes[size]}
    holds = proof["root"] in {anchor.root.hex() for anchor in trusted.anchors if anchor.size == size}
    if is_json:
        print_json(told | {"ok": holds})
    else:
        steps = len(proof["proof"])
        print(
            f"Entry {seq} is{'' if holds else ' NOT'} under the checkpoint of {size} entries ({steps} steps)."
        )
    return 0 if holds else 1


@audit.command(short_help="Write a bundle that anybody can verify.")
@shared
@acting
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new directory.")
@click.option(
    "--redact", "is_redacting", is_flag=True, help="Replace payloads that must not leave by hashes."
)
def export(*, home: Path | None, is_json: bool, actor: Actor, out: Path, is_redacting: bool) -> int:
    """Sign the log as it is, and write events, proofs, checkpoints and the public key to a directory.

    python3 verifier/verify_bundle.py DIR accepts or rejects it, on any machine.
    """
    with _desk(home, actor) as desk:
        signed = _sign(desk)
        with desk.audit.view() as view:
            trusted = _trusted(desk, view)
            key = signing_key(desk.settings.home, desk.settings.studio_id).public.text
            redactor = Redactor.knowing(known_secrets(desk.settings))
            manifest = write_bundle(out, view, trusted, key, redactor, is_redacting=is_redacting)
    told = {**manifest, "out": str(out), "publicKey": key, "signed": signed is not None}
    if is_json:
        print_json(told)
    else:
        print(f"{manifest['entries']} entries, {manifest['redacted']} of them redacted, in {out}")
        print(f"Verify: python3 verifier/verify_bundle.py {quote(str(out))} --key {quote(key)}")
    return 0


@contextmanager
def _desk(home: Path | None, actor: Actor) -> Iterator[Desk]:
    """Give the desk to staff, and turn what the audit doors raise into plain words."""
    try:
        with open_desk(home, actor) as desk:
            desk.require_staff()
            yield desk
    except ForkRefusedError as error:
        raise CockpitError(str(error), "", exit_code=1) from error
    except (SigningKeyError, DestinationError) as error:
        raise CockpitError(str(error), "", exit_code=CANNOT_RUN) from error


def destinations_of(desk: Desk) -> Destinations:
    """Return where this studio's checkpoints lie."""
    return Destinations(desk.settings.checkpoint_roots, desk.settings.studio_id)


def _sign(desk: Desk) -> SignedCheckpoint | None:
    key = signing_key(desk.settings.home, desk.settings.studio_id)
    return sign_checkpoint(desk.audit, key, destinations_of(desk), SystemClock().now(), desk.actor)


def _trusted(desk: Desk, view: AuditView) -> Trusted:
    key = public_key(desk.settings.home)
    copies = destinations_of(desk).read()
    if key is not None:
        return trusted_checkpoints(view, copies, key)
    is_signed = any(copy.notes for copy in copies) or view.checkpoints()
    problems = ["There are checkpoints, but the public key is gone; put it back."] if is_signed else []
    return Trusted((), {}, problems, ())


def _entry(view: AuditView, seq: int) -> Entry:
    entry = view.entry(seq)
    if entry is None:
        raise CockpitError(f"There is no entry {seq}.", "./studio audit tail shows the newest.", exit_code=1)
    return entry


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise CockpitError(f"{text} is not an instant.", "Write it like 2026-09-22T15:00:00Z.", exit_code=2)
    return at


def _fault_told(report: Report) -> Mapping[str, Any] | None:
    fault = report.fault
    return None if fault is None else {"seq": fault.seq, "kind": fault.kind.value}


def _verdict(told: Mapping[str, Any]) -> Iterator[str]:
    bad = told["first_bad"]
    if bad is None:
        yield f"{told['entries']} entries are good; {told['checkpoints']} signed checkpoints agree."
    else:
        yield f"ENTRY {bad['seq']} IS BAD ({bad['kind']}): {told['sentence']}"
        yield f"The {told['entries']} entries before it are good."
    yield from told["problems"]
    yield from (f"Could not be asked: {each}" for each in told["unreachable"])


def _emptied(url: str) -> str:
    return f"No checkpoint is at {url}, though some were signed; if it is not new, somebody emptied it."


def _told(entry: Entry) -> dict[str, Any]:
    try:
        payload = orjson.loads(entry.payload)
    except orjson.JSONDecodeError:
        payload = entry.payload
    return {"seq": entry.seq, "at": entry.at, "name": entry.name, "actor": entry.actor_id, "payload": payload}


def _show(entries: list[Entry], *, is_json: bool) -> None:
    if is_json:
        print_json({"entries": [_told(entry) | {"hash": entry.hash.hex()} for entry in entries]})
        return
    for entry in entries:
        state = f" -> {entry.state}" if entry.state else ""
        said = f"{entry.at}  {entry.name}  {entry.actor_id}  {entry.subject_id}{state}"
        # A log that was tampered with may say anything.
        print(f"{entry.seq:>8}  {visible(said)}")
