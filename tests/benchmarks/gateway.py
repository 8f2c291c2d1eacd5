"""``studio bench gateway``: complete propose, approve, execute cycles, beside plain transactions.

Ours is the real gateway on a real, durable PostgreSQL that holds a million audit entries; only the target
does nothing. Raw is what ``pgbench`` does: as many transactions with as many statements as ours were counted
to send, each statement one row of a table without rules, one message each, committed durably. Both take
turns on the same server, with 1 and with 8 client processes.

Ours writes an event and its rows by one statement (a ``WITH`` of several commands). ``raw`` has a statement
for each of them; ``rawOfFewer`` has one for all, so the gateway does more in each. ``batched`` is raw with as
few messages as ours.

A decision is measured alone: the time of one call of ``decide`` with everything it asks about.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import psutil

from policies.actors import Actor, ActorKind
from policies.decide import decide
from policies.decisions import Facts, Operation, Switch, SwitchState
from policies.inputs import input_hash
from policies.proposals import Approval, ApprovalKind, Proposal, ProposalState
from resources.postgres.embedded import EmbeddedPostgres
from tests.benchmarks.gateway_world import CAPABILITY, EXECUTOR, STUDIO, make_world, wide_registry

ROOT = Path(__file__).resolve().parents[2]
ROWS = 1_000_000
DECISIONS = 50_000


def run(
    rows: int = ROWS, seconds: float = 5, turns: int = 3, commit: str = "early", binaries: str = ""
) -> dict[str, Any]:
    """Return cycles a second, ours and raw, at 1 and 8 clients, and microseconds of a decision.

    Args:
        rows: Audit entries that are there before.
        seconds: Of one turn of one side.
        turns: How often both sides take their turn.
        commit: ``early`` as in the product, ``plain`` to see what the early release of the log's head gives.
        binaries: Folder with the programs of another PostgreSQL than the embedded one.
    """
    with TemporaryDirectory(prefix="studio-bench-") as folder:
        given = Path(binaries) if binaries else None
        server = EmbeddedPostgres(Path(folder) / "postgres", Path(folder) / "run", binaries=given)
        server.start()
        try:
            started = time.perf_counter()
            make_world(server.url("postgres"), server.url("studio"), int(rows))
            made = time.perf_counter() - started
            url = server.url("studio")
            postmaster = _postmaster(server)
            results = [
                _case(url, postmaster, count, seconds=float(seconds), turns=int(turns), commit=commit)
                for count in (1, 8)
            ]
        finally:
            server.stop()
    return {
        "ratio": min(result["ratio"] for result in results),
        "unit": "cycles per second",
        "results": results,
        "commit": commit,
        "auditRows": rows,
        "worldSeconds": round(made, 1),
        "decision": decision_times(),
    }


def _case(
    url: str, postmaster: psutil.Process, count: int, *, seconds: float, turns: int, commit: str
) -> dict[str, Any]:
    done = {"ours": 0, "raw": 0, "fewer": 0, "batched": 0}
    used = dict.fromkeys(done, 0.0)
    with _clients(url, count, commit) as clients:
        plan = _ask(clients[:1], "plan")[0]
        fewer = [[_merged(message) for message in transaction] for transaction in plan]
        questions = {
            "ours": f"ours {seconds}",
            "raw": f"raw {seconds} {orjson.dumps(plan).decode()}",
            "fewer": f"raw {seconds} {orjson.dumps(fewer).decode()}",
            "batched": f"batched {seconds} {orjson.dumps(plan).decode()}",
        }
        for _ in range(turns):
            for side, question in questions.items():
                before = _cpu_seconds(clients, postmaster)
                done[side] += sum(_ask(clients, question))
                used[side] += _cpu_seconds(clients, postmaster) - before
    speed = {side: number / (seconds * turns) for side, number in done.items()}
    cpu = {side: used[side] / done[side] * 1000 for side in done}
    return {
        "case": f"{count} client{'s' if count > 1 else ''}",
        "ratio": round(speed["ours"] / speed["raw"], 3),
        "ours": round(speed["ours"], 1),
        "raw": round(speed["raw"], 1),
        "rawOfFewer": round(speed["fewer"], 1),
        "ratioToFewer": round(speed["ours"] / speed["fewer"], 3),
        "batched": round(speed["batched"], 1),
        "ratioToBatched": round(speed["ours"] / speed["batched"], 3),
        "cpuRatio": round(cpu["raw"] / cpu["ours"], 3),
        "cpuMsPerCycle": {side: round(value, 2) for side, value in cpu.items()},
        "transactions": len(plan),
        "messages": sum(len(transaction) for transaction in plan),
        "statements": sum(len(message) for transaction in plan for message in transaction),
        "statementsOfFewer": sum(len(message) for transaction in fewer for message in transaction),
    }


def _merged(message: list[str]) -> list[str]:
    """Return a message whose statements are one command each, also where one of ours has several."""
    return [kind for kind in message if kind != "also"]


@contextmanager
def _clients(url: str, count: int, commit: str) -> Iterator[Sequence["subprocess.Popen[bytes]"]]:
    command = [sys.executable, "-m", "tests.benchmarks.gateway_client", url]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    clients = [
        subprocess.Popen(
            [*command, str(number), commit],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(count)
    ]
    try:
        for client in clients:
            _line(client)
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.wait()


def _postmaster(server: EmbeddedPostgres) -> psutil.Process:
    return psutil.Process(int((server.data_dir / "postmaster.pid").read_text().split()[0]))


def _cpu_seconds(clients: Sequence["subprocess.Popen[bytes]"], postmaster: psutil.Process) -> float:
    """Return the CPU time that the clients and the server's processes of now have used."""
    processes = [*(psutil.Process(client.pid) for client in clients), *postmaster.children()]
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _ask(clients: Sequence["subprocess.Popen[bytes]"], question: str) -> list[Any]:
    for client in clients:
        assert client.stdin is not None
        client.stdin.write(f"{question}\n".encode())
        client.stdin.flush()
    return [orjson.loads(_line(client)) for client in clients]


def _line(client: "subprocess.Popen[bytes]") -> bytes:
    assert client.stdout is not None
    line = client.stdout.readline()
    if not line:
        raise RuntimeError("a client of the benchmark failed; its own words are above")
    return line


def decision_times(count: int = DECISIONS) -> dict[str, Any]:
    """Return microseconds of one decision: median and 99th percentile of the slowest operation."""
    slowest: dict[str, Any] = {"p50_us": 0.0, "p99_us": 0.0}
    for operation, actor, facts in _questions():
        capability = wide_registry()[CAPABILITY]
        if not decide(operation, actor, capability, facts).is_allowed:
            raise RuntimeError(f"{operation} should be allowed, so that every check is made")
        times = []
        for _ in range(count):
            started = time.perf_counter_ns()
            decide(operation, actor, capability, facts)
            times.append(time.perf_counter_ns() - started)
        times.sort()
        p99 = times[count * 99 // 100] / 1000
        if p99 > slowest["p99_us"]:
            slowest = {
                "operation": operation.value,
                "p50_us": round(times[count // 2] / 1000, 2),
                "p99_us": round(p99, 2),
                "calls": count,
            }
    return slowest


def _questions() -> Iterator[tuple[Operation, Actor, Facts]]:
    now = datetime.now(UTC)
    input_ = {"resourceCollection": "batches", "resourceId": "b1", "note": "The shelf is cracked."}
    hash_ = input_hash(CAPABILITY, input_)
    asker = Actor(ActorKind.STAFF, "uid_asker", STUDIO, frozenset({"staff"}))
    approver = Actor(ActorKind.STAFF, "uid_approver", STUDIO, frozenset({"staff", "approver"}))
    proposal = Proposal(
        "prp_" + "0" * 26, STUDIO, CAPABILITY, ProposalState.PENDING_APPROVAL, 1,
        "The shelf was seen cracked this morning.", (), (), input_, hash_, asker.actor_id, asker.kind.value,
        asker.principal_id, "uid_owner", None, None, now, now, now + timedelta(days=2), "clear", False, "r/1",
    )  # fmt: skip
    facts = Facts(
        now=now,
        studio_id=STUDIO,
        switch=SwitchState(Switch.OFF, 1, "system:rule", now, "opened"),
        is_write_enabled=True,
        snapshot_read_at=now,
        rationale="The shelf was seen cracked this morning.",
        input_hash=hash_,
        owner_id="uid_owner",
    )
    yield Operation.PROPOSE, asker, facts
    yield Operation.APPROVE, approver, replace(facts, proposal=proposal)
    approval = Approval(
        "apr_1", proposal.proposal_id, 1, ApprovalKind.EXECUTE, hash_, approver.actor_id, "approver",
        "I saw it, too.", now, now + timedelta(hours=3),
    )  # fmt: skip
    approved = replace(proposal, state=ProposalState.APPROVED)
    yield Operation.EXECUTE, EXECUTOR, replace(facts, proposal=approved, approvals=(approval,))


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    sys.stdout.write(orjson.dumps(run(**given), option=orjson.OPT_INDENT_2).decode() + "\n")
