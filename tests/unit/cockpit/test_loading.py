"""The way parts are started: as ``python -m``, with garbage looked for less often."""

import json
import os
import subprocess

from cockpit.home import CHECKOUT
from cockpit.loading import THRESHOLDS, module_command

PART = """
import gc, json, multiprocessing, sys


def tell(queue):
    queue.put("from its child")


if __name__ == "__main__":
    processes = multiprocessing.get_context("spawn")
    queue = processes.Queue()
    child = processes.Process(target=tell, args=(queue,))
    child.start()
    said = queue.get(timeout=60)
    child.join()
    print(json.dumps([sys.argv[1:], __spec__.name, gc.get_threshold(), said]))
    sys.exit(3)
"""


def test_a_part_runs_as_if_it_had_been_started_by_itself(tmp_path):
    """Arguments, name and exit code are its own, its processes find it, and the thresholds are ours."""
    (tmp_path / "part_of_a_test.py").write_text(PART)
    done = subprocess.run(
        module_command("part_of_a_test", "--port", "two words"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(tmp_path)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    said = [["--port", "two words"], "part_of_a_test", list(THRESHOLDS), "from its child"]
    assert json.loads(done.stdout) == said
