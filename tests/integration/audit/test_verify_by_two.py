"""Two processes verify what one does: the same verdict on every ledger, whatever becomes of the second."""

import fcntl
import os
import select
import signal
import struct
import threading
from dataclasses import replace

import psycopg2
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from policies.audit_entries import Stretch
from policies.audit_verify import verify_log
from resources.postgres import audit_pair
from resources.postgres.engine import owner_engine
from resources.postgres.errors import ServerUnreachableError
from tests.integration.audit.conftest import STUDIO
from tests.integration.audit.test_verify_in_postgres import EDITS
from tests.unit.policies.ledgers import anchor, chained, ledger, ledgers, numbered

ROWS = 2
SHARE = 6
FIELDS = ("payload", "hash", "prev_hash", "name", "at", "actor_id", "principal_id", "subject_id", "state")


@pytest.fixture
def two(monkeypatch):
    """Let two processes verify, in small shares, however short the log is."""
    monkeypatch.setattr(audit_pair, "is_worth_two", lambda *_: True)
    monkeypatch.setattr(audit_pair, "SHARE", SHARE)
    monkeypatch.setattr(audit_pair, "ROWS", ROWS)


@pytest.fixture
def second_alone(monkeypatch, two):
    """Let the first process take no share, so that all it says was found by the second; return the patch."""
    first, look_at_all, look = os.getpid(), audit_pair._look_at_all, audit_pair._look

    def nothing_here(*asked):
        return {} if os.getpid() == first else look_at_all(*asked)

    def not_here(*asked):
        assert os.getpid() != first
        return look(*asked)

    monkeypatch.setattr(audit_pair, "_look_at_all", nothing_here)
    monkeypatch.setattr(audit_pair, "_look", not_here)
    return monkeypatch


def told(view, anchors=(), known=0):
    """Return all of the verdict: fault, entries, checkpoints, and the root where it means something."""
    report = verify_log(view, anchors, known_entries=known)
    fault = None if report.fault is None else (report.fault.seq, report.fault.kind.value)
    return fault, report.entries, report.checkpoints, report.root if report.is_ok else None


def same(log, monkeypatch, anchors=(), known=0):
    """Return the verdict of both ways, which is one."""
    with log.view() as view:
        by_two = told(view, anchors, known)
    with monkeypatch.context() as patch, log.view() as view:
        patch.setattr(audit_pair, "is_worth_two", lambda *_: False)
        by_one = told(view, anchors, known)
    assert by_two == by_one
    return by_two


def tampered(data, rows):
    """Return the rows with one change of a drawn kind."""
    at = data.draw(st.integers(0, len(rows) - 1))
    ways = ["none", "edit", "delete", "cut", "swap", "copy", "anew", "number", "numbers"]
    how = data.draw(st.sampled_from(ways))
    others = [row for place, row in enumerate(rows) if place != at]
    if how == "edit":
        field = data.draw(st.sampled_from(FIELDS))
        value = getattr(rows[at], field)
        if isinstance(value, bytes):
            value = bytes([value[0] ^ 1]) + value[1:]
        elif field == "at":
            value = value.replace("2026", "2025")
        else:
            value = (value or "") + data.draw(st.sampled_from(["x", '"', "\\", "\x1e"]))
        return [*rows[:at], replace(rows[at], **{field: value}), *rows[at + 1 :]]
    if how == "number":
        number = data.draw(st.integers(-3, len(rows) + 40))
        assume(all(row.seq != number for row in others))
        return [*others, replace(rows[at], seq=number)]
    there = data.draw(st.integers(0, len(rows) - 1))
    numbers = {at: rows[there].seq, there: rows[at].seq}
    payloads = [row.payload for row in rows]
    payloads[at] = payloads[at].replace('"v":1', '"v":2')
    return {
        "none": rows,
        "delete": others,
        "cut": rows[:at],
        "swap": [replace(row, seq=numbers.get(place, row.seq)) for place, row in enumerate(rows)],
        "copy": [*rows, replace(rows[at], seq=len(rows) + data.draw(st.integers(1, 40)))],
        "anew": chained(payloads),
        "numbers": numbered(rows, data.draw(st.sampled_from([-2, 0, 1, 2, 7])), at, there),
    }[how]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_verdict_whoever_looks(log, put, two, monkeypatch, data):
    """Of any drawn ledger, however it was tampered with, two processes say what one says."""
    size = data.draw(st.sampled_from([2, 3, 8]))
    monkeypatch.setattr(audit_pair, "ROWS", size)
    monkeypatch.setattr(audit_pair, "SHARE", 3 * size)
    rows = data.draw(ledgers(least=2, most=30))
    put(tampered(data, rows))
    signed = [anchor(rows, data.draw(st.integers(0, len(rows)))), anchor(rows, since=0)]
    anchors = data.draw(st.sampled_from([[], signed[:1], signed]))
    same(log, monkeypatch, anchors, known=data.draw(st.sampled_from([0, len(rows)])))


@pytest.mark.parametrize("what", EDITS)
def test_the_second_finds_every_edit(log, append, tamper, second_alone, what):
    """Whatever column is changed in a share that only the second process saw, it is an edit of that entry."""
    append(20)
    assert same(log, second_alone)[:2] == (None, 20)
    seq = {"owner": 16, "state gone": 18}.get(what, 17)
    tamper(f"UPDATE studio.audit_events SET {EDITS[what]} WHERE seq = {seq}")  # noqa: S608 - written elsewhere
    assert same(log, second_alone)[0] == (seq, "edit")


def test_links_between_shares(log, put, second_alone, monkeypatch):
    """A share that is good in itself but does not go on from the one before it is found out, and where."""
    rows, other = ledger(3 * SHARE), ledger(3 * SHARE, "other")
    put(rows)
    assert same(log, monkeypatch, [anchor(rows, SHARE), anchor(rows)])[:3] == (None, 3 * SHARE, 2)
    put([*rows[: 2 * SHARE], *other[2 * SHARE :]])
    assert same(log, monkeypatch)[0] is not None
    put([*rows[:SHARE], *rows[2 * SHARE :]])
    assert same(log, monkeypatch)[0] == (SHARE + 1, "deletion")


def test_whole_blocks(log, put, two, monkeypatch):
    """The tree is the same where it grows by whole blocks, with checkpoints inside, at and between them."""
    monkeypatch.setattr(audit_pair, "ROWS", 512)
    monkeypatch.setattr(audit_pair, "SHARE", 1024)
    rows = ledger(1300)
    put(rows)
    with log.view() as view:
        parts = list(view.parts())
    assert [(type(part), part.count, len(part.blocks)) for part in parts] == [
        (Stretch, 512, 64),
        (Stretch, 512, 64),
        (Stretch, 276, 32),
    ]
    anchors = [anchor(rows, size) for size in (1, 255, 256, 257, 512, 700, 1024, 1290, 1300)]
    assert same(log, monkeypatch, anchors)[:3] == (None, 1300, len(anchors))


@pytest.mark.parametrize("trouble", ["no start", "no connection", "killed", "silent"])
def test_the_first_does_what_the_second_does_not(log, put, two, monkeypatch, trouble):
    """Without a second process, or with one that fails or dies, all is verified all the same."""
    first, look, connect = os.getpid(), audit_pair._look, psycopg2.connect

    def fail(_):
        raise OSError

    def fail_there(**login):
        if os.getpid() != first:
            raise psycopg2.OperationalError
        return connect(**login)

    def die(*asked):
        if os.getpid() != first:
            if trouble == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()
        return look(*asked)

    if trouble == "no start":
        monkeypatch.setattr("multiprocessing.context.ForkProcess.start", fail)
    elif trouble == "no connection":
        monkeypatch.setattr(psycopg2, "connect", fail_there)
    else:
        monkeypatch.setattr(audit_pair, "_look", die)
        monkeypatch.setattr(audit_pair, "_PATIENCE_SECONDS", 0)
    rows = ledger(50)
    put(rows)
    with log.view() as view:
        assert told(view, [anchor(rows)])[:3] == (None, 50, 1)


def test_a_second_frozen_in_the_middle_of_its_answer(log, put, two, monkeypatch):
    """Nobody waits for long for the rest of an answer that stops half way, and nothing of it is used."""
    be_the_second = audit_pair._be_the_second

    def freeze(task, answer, hearing):
        os.write(answer.fileno(), struct.pack("!i", 1000) + b"half")  # a message of 1,000 bytes begins so
        signal.pause()
        be_the_second(task, answer, hearing)

    monkeypatch.setattr(audit_pair, "_be_the_second", freeze)
    monkeypatch.setattr(audit_pair, "_PATIENCE_SECONDS", 0.1)
    rows = ledger(50)
    put(rows)
    with log.view() as view:
        assert told(view, [anchor(rows)])[:3] == (None, 50, 1)
    assert audit_pair.multiprocessing.active_children() == []


def test_the_second_ends_with_the_first(log, put, two, monkeypatch):
    """Where the first process is killed, the second does not wait forever for somebody to hear its answer."""
    put(ledger(40))
    test, (hear, say) = os.getpid(), os.pipe()

    def answer_at_length(*_):
        if os.getppid() == test:
            signal.pause()
        os.write(say, struct.pack("!i", os.getpid()))
        return {1: [Stretch(True, 1, 1, b"", bytes(1 << 20))]}  # more than a pipe holds

    def verify():
        log._engine.dispose(close=False)
        with log.view() as view:
            list(view.parts())

    monkeypatch.setattr(audit_pair, "_look_at_all", answer_at_length)
    first = audit_pair.multiprocessing.get_context("fork").Process(target=verify)
    first.start()
    os.close(say)
    (second,) = struct.unpack("!i", os.read(hear, 4))
    first.kill()
    first.join()
    are_gone = bool(select.select([hear], [], [], 20)[0])  # its end: nobody has the other end open
    if not are_gone:
        os.kill(second, signal.SIGKILL)
    os.close(hear)
    assert are_gone


def test_a_pipe_that_does_not_hold_all_shares(log, put, two, monkeypatch):
    """Shares for which the pipe has no room are verified all the same, and nobody waits for room."""
    pipe, write, offered = os.pipe, os.write, []

    def small():
        taking, giving = pipe()
        fcntl.fcntl(giving, fcntl.F_SETPIPE_SZ, 4096)
        return taking, giving

    def noted(end, data):
        offered.append((len(data), written := write(end, data)))
        return written

    rows = ledger(1200)
    put(rows)
    monkeypatch.setattr(audit_pair, "SHARE", 2)
    with monkeypatch.context() as patch, log.view() as view:
        patch.setattr(os, "pipe", small)
        patch.setattr(os, "write", noted)
        assert told(view, [anchor(rows)])[:3] == (None, 1200, 1)
    assert (4800, 4096) in offered


def test_a_connection_that_is_cut(log, put, two, monkeypatch, owner_url):
    """Where the first process's own connection is cut, that is said, and not that a rule was broken."""
    put(ledger(40))
    first, copy, owner = os.getpid(), audit_pair.copy_columns, owner_engine(owner_url)

    def cut(connection, *asked):
        if os.getpid() != first:
            raise psycopg2.OperationalError
        with owner.begin() as other:
            session = {"id": connection.info.backend_pid}
            other.execute(text("SELECT pg_terminate_backend(:id, 5000)"), session)
        copy(connection, *asked)

    monkeypatch.setattr(audit_pair, "copy_columns", cut)
    with pytest.raises(ServerUnreachableError, match="cannot be used now"), log.view() as view:
        told(view)
    assert audit_pair.multiprocessing.active_children() == []


def test_two_see_one_moment(log, append, second_alone):
    """What is appended while a view is open is not seen by the second process either."""
    append(7)
    with log.view() as view:
        assert view.count() == 7
        append(20)
        assert told(view)[:2] == (None, 7)


def test_nobody_is_left_behind(log, put, two):
    """The second process is gone when somebody stops reading, or when all was read."""
    put(ledger(40))
    with log.view() as view:
        parts = view.parts()
        next(parts)
        parts.close()
        assert sum(part.count for part in view.parts()) == 40
    assert audit_pair.multiprocessing.active_children() == []


def test_when_two_are_worth_it(log, put, monkeypatch):
    """Only a long log in a process without threads, on a machine with two processors, is shared."""
    put(ledger(30))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)

    def is_shared():
        with log.view() as view:
            return isinstance(next(view.parts()), Stretch)

    assert not is_shared()
    monkeypatch.setattr(audit_pair, "LEAST", 30)
    assert is_shared()
    for condition, name, value in [
        (threading, "active_count", lambda: 2),
        (os, "sched_getaffinity", lambda _: {0}),
        (audit_pair, "LEAST", 31),
        (audit_pair, "SHARE", 0),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(condition, name, value)
            assert not is_shared()


def test_the_second_behind_a_pooler_that_resets_sessions(log, put, second_alone):
    """It reads with the runtime's role and studio, though both are forgotten between two transactions."""
    first, connect, look = os.getpid(), psycopg2.connect, audit_pair._look

    class Forgetful(psycopg2.extensions.connection):
        def commit(self):
            super().commit()
            self.autocommit = True
            self.cursor().execute("DISCARD ALL")
            self.autocommit = False

    def through_a_pooler(**login):
        return connect(**login, **({} if os.getpid() == first else {"connection_factory": Forgetful}))

    def as_the_runtime(connection, *asked):
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user::text, current_setting('studio.studio_id', true)")
            assert cursor.fetchall() == [("studio_app", STUDIO)]
        return look(connection, *asked)

    second_alone.setattr(psycopg2, "connect", through_a_pooler)
    second_alone.setattr(audit_pair, "_look", as_the_runtime)
    rows = ledger(20)
    put(rows)
    with log.view() as view:
        assert told(view, [anchor(rows)])[:3] == (None, 20, 1)
