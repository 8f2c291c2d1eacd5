"""Devices in Dagster: what each connector read, and how the connectors are.

One step asks all connectors at once. It never fails for what a device, a hub or a cloud does: that
connector's devices are not materialized, its ``read_is_complete`` check warns, and the rest of the run goes
on.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import dagster as dg

from resources.clock import Clock, day_end, instant_text
from resources.connectors.access import DeviceAccess
from resources.postgres.device_readings import DeviceReadings, StoredReading
from resources.postgres.history import History
from resources.settings import Settings
from studio_assets.checks.rules import Check
from studio_assets.derived import RETRY, data_version, spec_of
from studio_assets.devices.events import connectors_read, newest_connector_reads
from studio_assets.devices.plausible import (
    DEVICES_ARE_PLAUSIBLE,
    DEVICES_ARE_PLAUSIBLE_SENTENCE,
    READ_IS_COMPLETE_SENTENCE,
    implausible,
)
from studio_assets.devices.reading import CONNECTORS, Answer, ask_all, read_now, read_of_day
from studio_assets.devices.section import (
    PASSING_OF_DEVICES,
    ConnectorRead,
    ReadingStatus,
    limits_of,
    section,
)
from studio_assets.keys import (
    CLOUD_TRUTH,
    CONNECTOR_HEALTH,
    cloud_truth_key,
    devices_key,
)
from studio_assets.partitions import is_today
from studio_assets.run_book import CheckOutcome, RunBook

DEVICES_VERSION: Final = "devices-1"
HEALTH_VERSION: Final = "connector-health-1"
PREVIEW_ROWS: Final = 10

_Yielded = dg.MaterializeResult[Any] | dg.AssetCheckResult


def build_devices(settings: Settings) -> dg.AssetsDefinition:
    """Return the assets of a studio's devices and of its connectors' health, read by one step."""
    keys = {name: devices_key(settings.studio_id, name) for name in CONNECTORS}
    health_key = cloud_truth_key(settings.studio_id, CONNECTOR_HEALTH)
    specs = [
        *(
            spec_of(
                settings,
                key,
                description=f"One row per device the connector {name} told of. Labels, PINs and pictures are "
                "never read. Not materialized when the connector did not answer: what it said before is then "
                "old.",
                view="analytics.devices",
                group_name=CLOUD_TRUTH,
                skippable=True,
                code_version=DEVICES_VERSION,
                kinds={name, "postgres"},
                tags={"studio/source": name},
            )
            for name, key in keys.items()
        ),
        spec_of(
            settings,
            health_key,
            description="One row per connector: whether its reading is current, the state of its breaker, "
            "the last good read, when it is asked again, and why. A past day asks nobody.",
            view="analytics.connector_health",
            group_name=CLOUD_TRUTH,
            code_version=HEALTH_VERSION,
            kinds={"postgres"},
        ),
    ]
    sentences = {
        Check.READ_IS_COMPLETE.value: READ_IS_COMPLETE_SENTENCE,
        DEVICES_ARE_PLAUSIBLE: DEVICES_ARE_PLAUSIBLE_SENTENCE,
    }

    @dg.multi_asset(
        name="read_devices",
        specs=specs,
        check_specs=[
            dg.AssetCheckSpec(check, asset=key, description=sentence)
            for key in keys.values()
            for check, sentence in sentences.items()
        ],
        can_subset=True,
        retry_policy=RETRY,
    )
    def read_devices(  # noqa: PLR0917 - Dagster hands resources in by parameter name
        context: dg.AssetExecutionContext,
        devices: dg.ResourceParam[DeviceAccess],
        device_readings: dg.ResourceParam[DeviceReadings],
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[_Yielded]:
        day, run_id = date.fromisoformat(context.partition_key), context.op_execution_context.run_id
        answers: dict[str, Answer] = {}
        kept: dict[str, StoredReading] = {}
        with run_book.timed("read"):
            if is_today(day, clock, settings):
                answers = ask_all(devices, run_id)
                kept = {
                    name: device_readings.keep(
                        name, answer.reading, run_id=run_id, code_version=DEVICES_VERSION
                    )
                    for name, answer in answers.items()
                    if answer.reading is not None
                }
                reads = _reads_now(settings, devices, device_readings, answers, kept)
                at = clock.now()
            else:
                told, at = newest_connector_reads(history, day), day_end(day, settings.timezone)
                reads = [read_of_day(name, device_readings, day, settings, told=told) for name in CONNECTORS]
        history.record_event(connectors_read(reads, day, at=clock.now(), run_id=run_id))
        wanted, checked = context.selected_asset_keys, context.selected_asset_check_keys
        for read in reads:
            name, key = read.connector_id, keys[read.connector_id]
            run_book.tell("read", f"{name} devices", read.counts.get("devices", 0))
            # A connector that was not asked says nothing about today's checks.
            found = _checks(key, answers[name], kept.get(name), day) if name in answers else ()
            checks = [check for check in found if dg.AssetCheckKey(key, str(check.check_name)) in checked]
            run_book.checks.extend(_noted(name, check) for check in checks)
            if name in kept and key in wanted:
                yield dg.MaterializeResult(
                    asset_key=key,
                    metadata=_devices_metadata(kept[name], read),
                    data_version=dg.DataVersion(kept[name].content_hash),
                    check_results=checks,
                )
            else:
                yield from checks
        if health_key in wanted:
            yield _health(health_key, reads, at, settings)

    return read_devices


def _reads_now(
    settings: Settings,
    devices: DeviceAccess,
    readings: DeviceReadings,
    answers: Mapping[str, Answer],
    kept: Mapping[str, StoredReading],
) -> list[ConnectorRead]:
    states, limits = {state.connector_id: state for state in devices.states()}, limits_of(settings)
    return [
        read_now(name, answers.get(name), kept.get(name) or readings.newest(name), states.get(name), limits)
        for name in CONNECTORS
    ]


def _checks(
    key: dg.AssetKey, answer: Answer, stored: StoredReading | None, day: date
) -> Iterator[dg.AssetCheckResult]:
    missing = [answer.sentence] if answer.reading is None else []
    missing += [f"{one.device_id}: {one.sentence}" for one in (stored.reading.failures if stored else ())]
    outcomes = [(Check.READ_IS_COMPLETE.value, missing, READ_IS_COMPLETE_SENTENCE)]
    if stored is not None:
        broken = implausible(stored.reading)
        outcomes.append((DEVICES_ARE_PLAUSIBLE, broken, DEVICES_ARE_PLAUSIBLE_SENTENCE))
    for name, problems, sentence in outcomes:
        yield dg.AssetCheckResult(
            passed=not problems,
            asset_key=key,
            check_name=name,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(problems) or sentence,
            metadata={
                "snapshot_date": day.isoformat(),
                "broken": len(problems),
                "fault": answer.fault.value if answer.fault else "none",
            },
        )


def _noted(connector_id: str, check: dg.AssetCheckResult) -> CheckOutcome:
    notes = () if check.passed else (check.description or "",)
    return CheckOutcome(
        f"{CLOUD_TRUTH}/{connector_id}_devices", str(check.check_name), check.passed, False, notes
    )


def _devices_metadata(stored: StoredReading, read: ConnectorRead) -> dict[str, Any]:
    shown = stored.reading.devices[:PREVIEW_ROWS]
    rows = [
        dg.TableRecord(
            {
                "device": device.device_id,
                "kind": device.kind,
                "online": _word(device.is_online),
                "battery": device.battery_pct,
                "state": device.state,
                "error": device.error_name or device.error_code,
                "healthy": _word(device.is_healthy),
            }
        )
        for device in shown
    ]
    found: dict[str, Any] = {
        "origin": f"Derived from cloud: {read.connector_id} as of {instant_text(stored.read_at)}",
        "as_of": dg.MetadataValue.timestamp(stored.read_at),
        "dagster/row_count": len(stored.reading.devices),
        "revision": stored.revision,
        "is_new_revision": stored.is_new,
        "content_hash": stored.content_hash,
        "not_read": len(stored.reading.failures),
        "worked_around": read.sentence or "nothing",
        **read.counts,
    }
    if rows:
        found["preview"] = dg.MetadataValue.table(rows)
    return found


def _health(
    key: dg.AssetKey, reads: Sequence[ConnectorRead], at: datetime, settings: Settings
) -> dg.MaterializeResult[Any]:
    told = section(reads, at, settings.device_stale_minutes)
    metadata: dict[str, Any] = {
        "origin": f"Derived from cloud: the connectors as of {instant_text(at)}",
        "as_of": dg.MetadataValue.timestamp(at),
        "dagster/row_count": len(reads),
        "not_current": sum(
            entry["status"] in {ReadingStatus.OLD, ReadingStatus.NEVER} for entry in told.values()
        ),
    }
    for read in reads:
        name, entry = read.connector_id, told[read.connector_id]
        metadata |= {
            f"{name}_status": entry["status"],
            f"{name}_breaker": read.circuit.value,
            f"{name}_reason": read.sentence or "none",
            f"{name}_fault": entry["fault"] or "none",
        }
        if read.read_at is not None:
            metadata[f"{name}_last_good_read"] = dg.MetadataValue.timestamp(read.read_at)
        if entry["ageSeconds"] is not None:
            metadata[f"{name}_data_age_seconds"] = entry["ageSeconds"]
        if read.next_retry_at is not None:
            metadata[f"{name}_next_retry"] = dg.MetadataValue.timestamp(read.next_retry_at)
    version = sorted(
        (
            name,
            read.circuit.value,
            str(read.fault),
            *((k, v) for k, v in entry.items() if k not in PASSING_OF_DEVICES),
        )
        for read in reads
        for name, entry in [(read.connector_id, told[read.connector_id])]
    )
    return dg.MaterializeResult(asset_key=key, metadata=metadata, data_version=data_version(version))


def _word(said: object) -> str:
    if said is None:
        return "unknown"
    return "yes" if said else "no"
