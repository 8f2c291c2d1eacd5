"""The vendor's library as its makers ship it, without our guard, on the same robots: the raw limit of a read.

Runs in a process of its own, because our guard is put around the library of a whole process. For every line
on standard input it reads all robots once, and answers with the seconds that took.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]


class RawReader:
    """The other process, seen from here; use it as a context manager."""

    def __init__(self, session: Path, addresses: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.connector_raw", str(session), json.dumps(addresses)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The library's manager may take for ever to close on Python 3.11; nothing in there is worth it.
        self._process.kill()
        self._process.communicate()

    def read(self, way: str) -> tuple[float, float, int]:
        """Return seconds and CPU seconds of one read, and how many robots gave a battery.

        ``way`` is ``fresh`` or ``kept``: with a manager of its own, or with the one of the reads before.
        """
        if self._process.stdin is None or self._process.stdout is None:  # pragma: no cover - for mypy
            raise RuntimeError("no pipe")
        self._process.stdin.write(f"{way}\n")
        self._process.stdin.flush()
        seconds, cpu, devices = json.loads(self._process.stdout.readline())
        return float(seconds), float(cpu), int(devices)


class _Raw:
    """One account, read as the library's own documentation does."""

    def __init__(self, told: Mapping[str, Any], addresses: Mapping[str, str]) -> None:
        from roborock.data import UserData
        from roborock.devices.device_manager import UserParams

        self._user = UserParams(told["email"], UserData.from_dict(told["user_data"]), told["base_url"])
        self._addresses = addresses
        self._home: Any = None
        self._kept: Any = None

    async def read(self, way: str) -> tuple[float, float, int]:
        if way == "kept":
            self._kept = self._kept or await self._manager()
        started, cpu = time.perf_counter(), time.process_time()
        manager = self._kept if way == "kept" else await self._manager()
        try:
            count = await _battery_count(manager)
        finally:
            if way != "kept":
                await manager.close()
        return time.perf_counter() - started, time.process_time() - cpu, count

    async def _manager(self) -> Any:
        from roborock.devices.cache import (
            CacheData,
            DeviceCacheData,
            InMemoryCache,
            NetworkInfo,
        )
        from roborock.devices.device_manager import create_device_manager

        cache = InMemoryCache()
        if self._home is not None:
            known = {
                duid: DeviceCacheData(network_info=NetworkInfo(ip=ip))
                for duid, ip in self._addresses.items()
                if ip
            }
            await cache.set(CacheData(home_data=self._home, device_info=known))
        manager = await create_device_manager(self._user, cache=cache)
        self._home = (await cache.get()).home_data
        return manager


async def _battery_count(manager: Any) -> int:
    batteries = await asyncio.gather(*(_battery(device) for device in await manager.get_devices()))
    return sum(battery is not None for battery in batteries)


async def _battery(device: Any) -> Any:
    from roborock.roborock_message import (
        RoborockB01Props,
        RoborockDyadDataProtocol,
    )

    if v1 := device.v1_properties:
        await v1.status.refresh()
        await v1.consumables.refresh()
        await v1.clean_summary.refresh()
        return v1.status.battery
    if q7 := device.b01_q7_properties:
        wanted = [RoborockB01Props.STATUS, RoborockB01Props.FAULT, RoborockB01Props.QUANTITY]
        told = await q7.query_values(wanted)
        await q7.clean_summary.refresh()
        return told.quantity
    wanted = [RoborockDyadDataProtocol.STATUS, RoborockDyadDataProtocol.ERROR, RoborockDyadDataProtocol.POWER]
    return (await device.dyad.query_values(wanted)).get(RoborockDyadDataProtocol.POWER)


async def _serve(raw: _Raw) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        sys.stdout.write(json.dumps(await raw.read(line.strip())) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(_serve(_Raw(json.loads(Path(sys.argv[1]).read_text("utf-8")), json.loads(sys.argv[2]))))
