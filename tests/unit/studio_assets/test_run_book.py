"""The book of a run: progress passed on one at a time, and times that add up to what was waited for."""

import threading
import time
from contextlib import suppress

from studio_assets.run_book import Progress, RunBook


def test_progress_is_passed_on_from_any_thread_one_at_a_time():
    """A listener need not be safe for threads."""
    heard, inside = [], threading.Lock()

    def listen(progress):
        assert inside.acquire(blocking=False), "two at once"
        time.sleep(0)
        heard.append(progress)
        inside.release()

    book = RunBook(on_progress=listen)
    threads = [threading.Thread(target=book.tell, args=("read", f"c{n}", n, 9)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard, key=lambda p: p.done) == [Progress("read", f"c{n}", n, 9) for n in range(20)]


def test_nobody_has_to_listen():
    RunBook().tell("read", "batches", 1)


def test_only_waiting_is_timed_not_what_the_caller_does_in_between(monkeypatch):
    """Each item takes two ticks to come; the caller then spends a hundred."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def slow():
        for item in range(3):
            now[0] += 2
            yield item

    book, found = RunBook(), []
    for item in book.timed_each("read", slow()):
        now[0] += 100
        found.append(item)
    assert found == [0, 1, 2]
    assert book.seconds == {"read": 6.0}


def test_times_of_one_phase_add_up_even_when_a_block_fails(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    book = RunBook()
    for _ in range(2):
        with suppress(ZeroDivisionError), book.timed("diff"):
            now[0] += 1.5
            1 / 0  # noqa: B018 - any error will do
    assert book.seconds == {"diff": 3.0}
