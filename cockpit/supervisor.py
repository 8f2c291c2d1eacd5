"""The supervisor: starts the parts in order, keeps them running, and leaves nothing behind.

One loop in the main thread starts and watches processes, because the kernel ties a child to the *thread*
that made it. Whatever may block (preparing a part, asking whether it is ready) runs in worker threads.
What a part is, is in ``cockpit.parts``; how it lives is in ``cockpit.lifecycle``.
"""

import json
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

from cockpit.errors import CockpitError
from cockpit.home import Home, write_json
from cockpit.lifecycle import Action, Lifecycle, Phase
from cockpit.parts.part import Part
from cockpit.parts.python_part import words_of
from cockpit.processes import PROGRESS, Child, Registry, end_relatives
from policies.redaction import Redactor
from resources.logs import logger

TICK_SECONDS: Final = 0.1
PROBE_SECONDS: Final = 0.25
STATUS_SECONDS: Final = 0.5
STOP_PATIENCE_SECONDS: Final = 15.0

_TROUBLED: Final = frozenset({Phase.WAITING, Phase.PAUSING, Phase.FAILED})

Watcher = Callable[[Sequence["Running"]], None]


@dataclass
class Running:
    """One part with its life and, while it runs, its process."""

    part: Part
    life: Lifecycle
    child: Child | None = None
    preparing: "Future[None] | None" = None
    probing: "Future[bool] | None" = None
    probed_at: float = 0.0
    is_ready: bool = False
    problem: str = ""
    ready_after: float | None = None
    needs: "list[Running]" = field(default_factory=list)
    needs_were_started: int = 0
    last_lines: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the part."""
        return self.part.name

    @property
    def has_come_up(self) -> bool:
        """Whether what this part gives to others is there."""
        return self.life.phase in {Phase.READY, Phase.DONE}

    @property
    def is_there(self) -> bool:
        """Whether it has come up and has not ended since, noticed or not."""
        return self.has_come_up and (self.child is None or self.child.poll() is None)

    @property
    def was_let_down(self) -> bool:
        """Whether something it needs is away, or was started again since this part was started."""
        return self.starts_of_needs() != self.needs_were_started or not all(n.is_there for n in self.needs)

    def starts_of_needs(self) -> int:
        """Return how often all that it needs was started, ever."""
        return sum(need.life.starts for need in self.needs)

    def describe(self) -> dict[str, Any]:
        """Return what a person is told about this part; never an environment."""
        return {
            "name": self.name,
            "label": self.part.label,
            "phase": str(self.life.phase),
            "detail": self.problem if self.life.phase in _TROUBLED else self.part.detail,
            "pid": self.child.pid if self.child else None,
            "restarts": self.life.restarts,
            "seconds": self.ready_after,
        }


class Supervisor:
    """Runs the parts of one home.

    Args:
        home: Whose processes these are; its instance lock is held by the caller.
        parts: In the order in which they stop last.
        redactor: Cuts secrets out of everything the parts say.
        watch: Called with the state of all parts, about twice a second; draws the status lines.
    """

    def __init__(self, home: Home, parts: Sequence[Part], *, redactor: Redactor, watch: Watcher) -> None:
        self._home = home
        self._registry = Registry(home)
        self._redactor = redactor
        self._watch = watch
        self._log = logger("supervisor")
        self._workers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="part")
        self._shown_at = 0.0
        self._described: list[dict[str, Any]] = []
        self.started = time.monotonic()
        self.stop_signal: int | None = None
        self.refusal: CockpitError | None = None
        self.running = [
            Running(part, Lifecycle(part.is_service, part.start_limit_seconds, part.stable_seconds))
            for part in parts
        ]
        for running in self.running:
            running.needs = self._needs_of(running.part)

    def run(self, until: Callable[[Sequence[Running]], bool]) -> None:
        """Run until ``until`` holds, a signal asks to stop, or a part refuses for good (``refusal``).

        Call from the main thread, and :meth:`stop` afterwards, whatever happened.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._take_signal)
        ended = self._registry.clear_leftovers()
        if ended:
            self._log.warning("supervisor:leftovers:ended", processes=ended)
        while self.stop_signal is None and self.refusal is None and not until(self.running):
            now = time.monotonic()
            for running in self.running:
                self._advance(running, now)
            self._show(now)
            time.sleep(TICK_SECONDS)

    def stop(self) -> None:
        """Stop every part, the store of everything last, and make sure that no process is left."""
        for running in self.running:
            if running.preparing is not None:
                # Nothing was started yet; what preparing does (at most an initdb) ends by itself.
                with suppress(Exception):
                    running.preparing.result(timeout=STOP_PATIENCE_SECONDS)
                running.preparing = None
        # What others need stops after them: first all that nobody needs, then the rest, one by one.
        needed = {name for running in self.running for name in running.part.needs}
        self._stop([running for running in self.running if running.name not in needed])
        for running in reversed(self.running):
            self._stop([running])
        left = end_relatives(self._home, patience_seconds=2)
        if left:
            self._log.warning("supervisor:strays:ended", count=left)
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._show(time.monotonic(), is_forced=True)

    def _take_signal(self, number: int, _frame: FrameType | None) -> None:
        # INVARIANT: no lock is taken here; this thread may be the one that holds it.
        self.stop_signal = number

    def _advance(self, running: Running, now: float) -> None:
        if running.preparing is not None:
            self._finish_preparing(running, now)
            return
        exit_code = running.child.poll() if running.child else None
        if exit_code is not None:
            self._bury(running, exit_code)
        elif running.child:
            self._probe(running, now)
        phase = running.life.phase
        action = running.life.advance(
            now,
            may_start=self._may_start(running),
            exit_code=exit_code,
            is_ready=running.is_ready,
            was_let_down=running.was_let_down,
        )
        if running.life.phase is not phase:
            self._tell(running, now, exit_code)
        if action is Action.START:
            running.part.reset()
            running.problem, running.last_lines = "", []
            running.needs_were_started = running.starts_of_needs()
            running.preparing = self._workers.submit(running.part.prepare)
        elif action is Action.KILL and running.child:
            running.problem = f"was not ready within {running.life.start_limit_seconds:.0f} s"
            running.child.kill_family()

    def _needs_of(self, part: Part) -> list[Running]:
        """Return what a part needs, and what that needs: a step that is done says nothing of its server."""
        direct = [other for other in self.running if other.name in part.needs]
        further = [each for other in direct for each in self._needs_of(other.part)]
        return list({each.name: each for each in [*direct, *further]}.values())

    def _may_start(self, running: Running) -> bool:
        first = [other for other in self.running if other.name in running.part.after]
        return all(need.is_there for need in running.needs) and all(
            other.has_come_up or other.life.failures > 0 for other in first
        )

    def _finish_preparing(self, running: Running, now: float) -> None:
        preparing = running.preparing
        if preparing is None or not preparing.done():
            return
        running.preparing = None
        try:
            preparing.result()
            command = running.part.command()
        except CockpitError as error:
            self.refusal = error
            running.problem = error.what
            return
        except Exception as error:  # noqa: BLE001 - whatever keeps a part from starting must not end the others
            self._could_not_start(running, now, error)
            return
        try:
            running.child = Child(
                running.name,
                command,
                log=self._home.logs / f"{running.name}.log",
                redactor=self._redactor,
                hear=lambda line: self._hear(running, line),
            )
        except OSError as error:
            self._could_not_start(running, now, error)
            return
        running.is_ready, running.probing = False, None
        self._registry.add(running.name, running.child.pid)

    def _could_not_start(self, running: Running, now: float, error: Exception) -> None:
        running.problem = self._redactor.text(str(error) or repr(error))
        running.life.could_not_start(now)
        self._tell(running, now, None)

    def _hear(self, running: Running, line: str) -> None:
        running.part.hear(line)
        running.last_lines = [*running.last_lines[-9:], self._redactor.text(line)]

    def _probe(self, running: Running, now: float) -> None:
        if running.life.phase is not Phase.STARTING or not running.life.is_service:
            return
        if running.probing is None:
            if now - running.probed_at >= PROBE_SECONDS:
                running.probing, running.probed_at = self._workers.submit(running.part.probe), now
        elif running.probing.done():
            with suppress(Exception):  # A part that cannot be asked is not ready yet.
                running.is_ready = running.probing.result()
            running.probing = None

    def _bury(self, running: Running, exit_code: int) -> None:
        if running.child is None:
            return
        # What the process started in its turn must not outlive it, or the next one would have a twin.
        running.child.kill_family()
        running.child.finish()
        running.child, running.is_ready, running.probing = None, False, None
        self._registry.remove(running.name)
        if exit_code:
            how = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
            said = next((line for line in reversed(running.last_lines) if line.strip()), "")
            running.problem = running.problem or f"ended ({how}){f': {_plain(said)}' if said else ''}"

    def _tell(self, running: Running, now: float, exit_code: int | None) -> None:
        life = running.life
        if running.has_come_up:
            running.problem = ""
            if running.ready_after is None:
                running.ready_after = round(now - self.started, 2)
        if life.phase is Phase.WAITING:
            away = [need.part.label for need in running.needs if not need.is_there]
            running.problem = f"until this is back: {', '.join(away)}" if away else ""
        log = self._log.warning if life.phase in {Phase.PAUSING, Phase.FAILED} else self._log.info
        log(
            f"part:{running.name}:{life.phase}",
            detail=running.describe()["detail"],
            exit_code=exit_code,
            failures=life.failures,
        )
        self._shown_at = 0.0

    def _stop(self, group: Sequence[Running]) -> None:
        """Ask all of a group to end at once, wait, and end by force what does not."""
        asked_at = time.monotonic()
        alive = {running.name: running.child for running in group if running.child is not None}
        for child in alive.values():
            child.ask_to_stop()
        while (now := time.monotonic()) - asked_at < STOP_PATIENCE_SECONDS:
            if all(child.poll() is not None for child in alive.values()):
                break
            time.sleep(0.02)
        for name, child in alive.items():
            is_forced = child.poll() is None
            child.kill_family()
            child.finish()
            self._registry.remove(name)
            self._log.info(f"part:{name}:stopped", seconds=round(now - asked_at, 1), forced=is_forced)
        for running in group:
            running.child = None
            if running.life.phase not in {Phase.DONE, Phase.FAILED}:
                running.life.phase = Phase.STOPPED

    def _show(self, now: float, *, is_forced: bool = False) -> None:
        if not is_forced and now - self._shown_at < STATUS_SECONDS:
            return
        self._shown_at = now
        self._watch(self.running)
        described = [part.describe() for part in self.running]
        if described != self._described:
            self._described = described
            # A full disk must not stop the parts.
            with suppress(OSError):
                write_json(self._home.run / "status.json", {"parts": described})


def _plain(line: str) -> str:
    """Return the words of a line: of a JSON one, what it tells of the error, the event or how far it is."""
    if line.startswith(PROGRESS):
        return words_of(line)
    try:
        told = json.loads(line)
    except ValueError:
        return line
    return str(told.get("error") or told.get("event") or line) if isinstance(told, dict) else line
