"""``studio bench gateway-model --steps N``: the real gateway on a real PostgreSQL against a simple model.

Every operation, many actors, crashes, lost answers, a clock that jumps; after every step everything is
compared. What is played and compared is in ``tests/integration/gateway``. The seed decides everything, so a
violation can be played again up to the step that showed it.
"""

import secrets
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from policies.gateway import Gateway
from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.engine import ensure_databases, owner_engine
from resources.postgres.migrate import migrate
from tests.integration.gateway.play import run_steps
from tests.integration.gateway.world import prepare

STEPS = 2000
STUDIO = "monsoonfire"


def run(steps: int = STEPS, seed: int | None = None) -> dict[str, Any]:
    """Return how many promises were broken (the first one ends the run) and how to see it again.

    Args:
        steps: Operations to be played.
        seed: Decides everything; random if null.
    """
    with TemporaryDirectory(prefix="studio-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", Path(folder) / "run", is_durable=False)
        server.start()
        try:
            ensure_databases(server.url("postgres"), ["studio"])
            owner = owner_engine(server.url("studio"))
            migrate(owner, STUDIO)
            owner.dispose()
            return play(server.url("studio"), int(steps), seed)
        finally:
            server.stop()


def play(
    url: str, steps: int, seed: int | None = None, *, gateway: type[Gateway] = Gateway
) -> dict[str, Any]:
    """Play in a migrated database; a test may plant a bug in the gateway."""
    chosen = secrets.randbelow(10**9) if seed is None else int(seed)
    prepare(url)
    started = time.perf_counter()
    played, violation, operations, events = run_steps(url, steps, chosen, gateway=gateway)
    return {
        "seed": chosen,
        "steps": steps,
        "violations": 0 if violation is None else 1,
        "violation": violation,
        "replay": f"./studio bench gateway-model --steps {played} --seed {chosen}",
        "played": played,
        "stepsPerSecond": round(played / (time.perf_counter() - started), 1),
        "operations": dict(sorted(operations.items())),
        "events": dict(sorted(events.items())),
    }
