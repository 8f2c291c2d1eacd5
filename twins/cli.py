"""``python -m twins``: run the pretend studio, print its incidents, let something go wrong."""

import argparse
import json
import os
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from twins.control import KINDS
from twins.devices import DeviceWish
from twins.process import DEFAULT_DAYS, DEFAULT_SEED, PortTakenError, TwinsWish, run
from twins.world import almanac
from twins.world.device_troubles import DeviceTroubles
from twins.world.incidents import Label
from twins.world.plan import walk
from twins.world.settings import Size, parse_size

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
CONTROL_VARIABLE = "STUDIO_TWINS_CONTROL"
ANSWER_SECONDS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments ask; return the exit code: 0 done, 1 failed, 2 not possible as asked."""
    given = _parser().parse_args(arguments)
    command: int = given.command(given)
    return command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m twins", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="run both twins and the world in the foreground")
    _add_world_options(up)
    up.add_argument("--empty", action="store_true", help="no world: the twins hold nothing")
    up.add_argument("--live", action="store_true", help="go on living after the history is written")
    ports = ("firestore", "stripe", "control", "identity", "hubitat", "roborock", "roborock-broker")
    for name in ports:
        up.add_argument(
            f"--{name}-port", type=int, default=0, metavar="N", help="port on 127.0.0.1; 0 is any"
        )
    up.add_argument(
        "--write-credentials",
        type=Path,
        metavar="FILE",
        help="where the execution run's token is written; else a temporary file",
    )
    up.add_argument(
        "--robot-address", metavar="IP", help="loopback address of the pretend vacuum; else a free one"
    )
    up.add_argument(
        "--roborock-session",
        type=Path,
        metavar="FILE",
        help="where the login of the robots' account is written; else a temporary file",
    )
    up.add_argument("--json", action="store_true", help="print one JSON object instead of export lines")
    up.set_defaults(command=_up)
    world = commands.add_parser("world", help="print the incidents of a world; no server is needed")
    _add_world_options(world)
    world.add_argument("--label-file", type=Path, metavar="F", help="also write the labels to a JSON file")
    world.add_argument("--quirks", action="store_true", help="print troubles of ordinary habits too")
    world.add_argument("--json", action="store_true", help="print the labels as one JSON object")
    world.set_defaults(command=_world)
    fault = commands.add_parser("fault", help="let something go wrong in running twins")
    fault.add_argument("target", choices=(*KINDS, "clear"))
    kinds = "; ".join(f"{at}: {', '.join(of)}" for at, of in KINDS.items())
    fault.add_argument("kind", nargs="?", help=kinds)
    fault.add_argument(
        "--collection",
        "--path",
        "--where",
        dest="where",
        metavar="NAME",
        help="only this collection, list or robot",
    )
    fault.add_argument("--count", type=int, metavar="N", help="strike N calls; else until cleared")
    fault.add_argument(
        "--after-documents", type=int, default=0, metavar="N", help="let N documents or requests pass"
    )
    fault.add_argument("--seconds", type=float, metavar="S", help="how long a latency or a hang lasts")
    fault.add_argument(
        "--for", dest="for_seconds", type=_seconds, metavar="60s", help="clear it after this time"
    )
    fault.add_argument("--method", metavar="RPC", help="only this Firestore RPC; else every reading one")
    fault.add_argument("--control", metavar="URL", help=f"control address; else ${CONTROL_VARIABLE}")
    fault.set_defaults(command=_fault)
    status = commands.add_parser("status", help="print how running twins are, as JSON")
    status.add_argument("--control", metavar="URL", help=f"control address; else ${CONTROL_VARIABLE}")
    status.set_defaults(command=_status)
    return parser


def _add_world_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, metavar="N")
    parser.add_argument(
        "--days", type=_days, default=DEFAULT_DAYS, metavar="N", help="days of history before today"
    )
    parser.add_argument(
        "--first-day", type=_day, metavar="YYYY-MM-DD", help="first day of the history; overrides --days"
    )
    parser.add_argument(
        "--size", type=_size, default="small", metavar="S", help="small, medium, large or documents"
    )
    parser.add_argument(
        "--no-incidents", action="store_true", help="a studio in which nothing needs attention"
    )


def _up(given: argparse.Namespace) -> int:
    wish = TwinsWish(
        seed=given.seed,
        days=given.days,
        first_day=given.first_day,
        size=given.size,
        is_empty=given.empty,
        is_live=given.live,
        has_incidents=not given.no_incidents,
        firestore_port=given.firestore_port,
        stripe_port=given.stripe_port,
        control_port=given.control_port,
        identity_port=given.identity_port,
        credentials_path=given.write_credentials,
        devices=DeviceWish(
            hubitat_port=given.hubitat_port,
            roborock_port=given.roborock_port,
            roborock_broker_port=given.roborock_broker_port,
            robot_address=given.robot_address,
            session_path=given.roborock_session,
        ),
    )

    def announce(environment: Mapping[str, str]) -> None:
        if given.json:
            print(json.dumps(environment), flush=True)
        else:
            print(
                "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
                flush=True,
            )

    try:
        return run(wish, announce, _report)
    except PortTakenError as error:
        return _complain(str(error))


def _report(event: str, *, level: str = "info", **fields: Any) -> None:
    line = {
        "time": datetime.now(UTC).isoformat(),
        "level": level,
        "component": "twins",
        "event": event,
        **fields,
    }
    print(json.dumps(line), file=sys.stderr, flush=True)


def _world(given: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    wish = TwinsWish(
        seed=given.seed,
        days=given.days,
        first_day=given.first_day,
        size=given.size,
        has_incidents=not given.no_incidents,
    )
    settings = wish.settings(almanac.day_of(now))
    documents = walk(settings, now).labels(now)
    labels = sorted(
        [*documents, *DeviceTroubles(settings).labels(now)], key=lambda label: (label.started_at, label.id)
    )
    document = {
        "seed": settings.seed,
        "firstDay": settings.first_day.isoformat(),
        "size": settings.size.name,
        "until": now.isoformat(),
        "labels": [label.to_json() for label in labels],
    }
    if given.label_file:
        try:
            given.label_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            return _complain(
                f"The label file could not be written: {error}. Give another path with --label-file."
            )
    if given.json:
        print(json.dumps(document))
    else:
        _print_table(labels if given.quirks else [label for label in labels if label.origin == "incident"])
    return EXIT_OK


def _print_table(labels: Sequence[Label]) -> None:
    rows = [("started", "ended", "kind", "department", "origin", "affected")]
    for label in labels:
        ended = _local_minute(label.ended_at) if label.ended_at else "-"
        affected = f"{len(label.affected)}: {label.affected[0]}"
        rows.append(
            (_local_minute(label.started_at), ended, label.kind, label.department, label.origin, affected)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"{len(labels)} labels; times are {almanac.TIMEZONE}")


def _local_minute(instant: datetime) -> str:
    return instant.astimezone(almanac.ZONE).strftime("%Y-%m-%d %H:%M")


def _fault(given: argparse.Namespace) -> int:
    if given.target == "clear":
        return _ask(given.control, "DELETE", "/faults", None)
    wish = {
        "target": given.target,
        "kind": given.kind,
        "collection": given.where,
        "count": given.count,
        "after_documents": given.after_documents,
        "seconds": given.seconds,
        "for_seconds": given.for_seconds,
        "method": given.method,
    }
    return _ask(
        given.control, "POST", "/faults", {name: value for name, value in wish.items() if value is not None}
    )


def _status(given: argparse.Namespace) -> int:
    return _ask(given.control, "GET", "/status", None)


def _ask(control: str | None, method: str, path: str, body: Mapping[str, Any] | None) -> int:
    """Ask running twins for something, print the answer, and return the exit code."""
    address = control or os.environ.get(CONTROL_VARIABLE)
    if not address or not address.startswith("http://"):
        return _complain(
            f"Where are the twins? Set {CONTROL_VARIABLE} as `twins up` printed it, or give --control URL."
        )
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{address}{path}", data, method=method)  # noqa: S310 - http:// was checked
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - as above
            print(answer.read().decode())
    except urllib.error.HTTPError as refused:
        return _complain(json.loads(refused.read()).get("error", str(refused)))
    except OSError as error:
        return _complain(f"No twins answer at {address} ({error}). Start them with `twins up`.")
    return EXIT_OK


def _complain(sentence: str) -> int:
    print(f"twins: {sentence}", file=sys.stderr)
    return EXIT_USAGE


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 2026-09-01") from None


def _days(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 3660:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 0 to 3660")
    return int(text)


def _size(text: str) -> Size:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    factor = {"s": 1.0, "m": 60.0}.get(text[-1:], 1.0)
    try:
        return float(text.rstrip("sm")) * factor
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 60s or 2m") from None
