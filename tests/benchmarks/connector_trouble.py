"""Random trouble of the pretend hub and robots, come and gone by a seed, for the soak."""

import random
import threading
from collections import Counter
from collections.abc import Sequence

from tests.benchmarks.connector_twins import TwinsApart

OWN_THREADS = "soak-"  # how names of threads begin that are not the product's
_HEALTHY_SECONDS, _ILL_SECONDS = (4.0, 30.0), (3.0, 70.0)

HUB_TROUBLE: Sequence[tuple[str, ...]] = tuple(
    (kind,)
    for kind in (
        *("timeout", "hang", "slow", "late", "html502", "html503", "boot", "badjson", "cut", "short_json"),
        *(
            "wrong_shape",
            "error_flag",
            "html_type",
            "401",
            "404",
            "429",
            "500",
            "reset",
            "refused",
            "redirect",
        ),
        *("huge", "packed", "black_hole"),
    )
)
ROBOT_TROUBLE: Sequence[tuple[str, ...]] = (
    *((kind,) for kind in ("refused", "black_hole", "mute_hello", "drop_after_hello", "reset", "slow")),
    *((kind,) for kind in ("split", "merge", "bad_crc", "truncated", "garbage", "wrong_key", "not_json")),
    *((kind,) for kind in ("mute", "off", "unknown_codes", "error", "busy", "unknown_method")),
    *((kind,) for kind in ("broker_refuses", "broker_down", "broker_hangs", "broker_mute", "broker_garbage")),
    *((kind,) for kind in ("broker_bad_crc", "cloud_html_502", "cloud_bad_json", "cloud_hang", "cloud_401")),
    # A whole outage: neither wire helps the other.
    *(("off", "broker_down"), ("black_hole", "broker_hangs"), ("refused", "broker_refuses")),
    *(("mute", "cloud_hang"), ("reset", "broker_garbage"), ("off", "broker_down", "cloud_drop")),
    *(("off", "broker_down"), ("mute",), ("bad_crc", "broker_bad_crc"), ("off", "broker_mute")),
)


class Trouble(threading.Thread):
    """Lets one twin be in random trouble, and be well in between."""

    def __init__(
        self,
        twins: TwinsApart,
        lock: threading.Lock,
        connector: str,
        kinds: Sequence[tuple[str, ...]],
        seed: str,
    ) -> None:
        super().__init__(name=f"{OWN_THREADS}{connector}", daemon=True)
        self._twins, self._lock, self._connector, self._kinds = twins, lock, connector, kinds
        self._random = random.Random(seed)
        self._is_over = threading.Event()
        self.seen: Counter[str] = Counter()

    def run(self) -> None:
        while not self._is_over.wait(self._random.uniform(*_HEALTHY_SECONDS)):
            kinds = self._random.choice(self._kinds)
            with self._lock:
                self._twins.fail(self._connector, *kinds)
            self.seen["+".join(kinds)] += 1
            self._is_over.wait(self._random.uniform(*_ILL_SECONDS))
            with self._lock:
                self._twins.clear(self._connector)

    def end(self) -> None:
        self._is_over.set()
        self.join()
