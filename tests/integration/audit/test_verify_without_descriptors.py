"""Out of file descriptors, one process does the work of two: the same verdict, and no bare OSError."""

import json
import subprocess
import sys

from policies.audit_verify import verify_log
from tests.integration.audit.conftest import STUDIO
from tests.unit.policies.ledgers import ledger

# How many descriptors are left when two processes are to be made: the pipe of shares takes two, that of the
# answer two more, and starting a process some for a moment.
MOST_FREE = 8
SCRIPT = """
import json, os, resource, sys
from policies.audit_verify import verify_log
from resources.postgres import audit_pair
from resources.postgres.audit_log import AuditLog
from resources.postgres.engine import app_engine

really, soft_and_hard = audit_pair.stretches, resource.getrlimit(resource.RLIMIT_NOFILE)
audit_pair.SHARE, audit_pair.ROWS = 6, 2
log, free, filled = AuditLog(app_engine(sys.argv[1], sys.argv[2]), sys.argv[2]), 0, []

def without_room(*given):
    taken = {int(name) for name in os.listdir("/proc/self/fd")}
    limit = max(taken) + 2 + free
    room = [number for number in range(limit) if number not in taken]
    filled[:] = room[free:]
    for number in filled:
        os.dup2(0, number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, soft_and_hard[1]))
    yield from really(*given)

def verified():
    with log.view() as view:
        report = verify_log(view)
    return [report.is_ok, report.entries, report.root.hex()]

audit_pair.is_worth_two = lambda *_: False
told = [verified()]  # by one process; whatever is imported on the way is imported now
audit_pair.is_worth_two, audit_pair.stretches = lambda *_: True, without_room
for free in range(int(sys.argv[3]) + 1):
    told.append(verified())
    resource.setrlimit(resource.RLIMIT_NOFILE, soft_and_hard)
    for number in filled:
        os.close(number)
print(json.dumps(told))
"""


def test_without_descriptors_for_a_second_process_the_first_does_it_all(log, put, app_engine):
    """Whatever part of making the second process they run out at."""
    put(ledger(20))
    url = app_engine.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, url, STUDIO, str(MOST_FREE)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with log.view() as view:
        report = verify_log(view)
    assert (report.is_ok, report.entries) == (True, 20)
    assert json.loads(done.stdout) == [[True, 20, report.root.hex()]] * (MOST_FREE + 2)
