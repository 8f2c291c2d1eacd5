"""A pretend hub and pretend robots beside the pretend studio, read through the one door to devices."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from pydantic import SecretStr

from policies.reads import ReadPermit
from resources.connectors.access import DeviceAccess
from resources.connectors.breaker import BreakerPolicy
from resources.connectors.registry import ROWS
from resources.connectors.runner import CallPolicy
from resources.postgres.breakers import PostgresBreakerStore
from resources.postgres.connector_calls import PostgresCallLog
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.drafts import Drafts
from resources.postgres.findings import Findings
from resources.postgres.triage import TriageSuggestions
from twins.hubitat.devices import TwinDevice
from twins.hubitat.server import APP_ID, TOKEN, HubitatTwin
from twins.roborock.robots import FakeRobot
from twins.roborock.server import RoborockTwin

_NUMBERS = count(1)
# Patient enough for a busy machine, and no more: what is tested is that a dead connector costs this at most.
DEADLINES = {"hubitat": 4.0, "roborock": 8.0}
PATIENT = 6
"""How many times as long is waited where everything answers: there it costs nothing."""


class Permits:
    """A gateway that permits reads; its rules are tested elsewhere."""

    def permit_read(self, actor, capability_id):
        return ReadPermit(actor.studio_id, capability_id, actor.actor_id, datetime.now().astimezone())


def device_doors(engine, settings, clock, *, failures_to_open=5, open_seconds=60.0, patience=1):
    """Return the doors of devices over a database: the connectors of the settings, or none."""
    deadlines = {name: seconds * patience for name, seconds in DEADLINES.items()}
    rows = [
        replace(
            row,
            policy=CallPolicy(
                deadline_seconds=deadlines[row.connector_id],
                attempt_seconds=deadlines[row.connector_id] - 0.5,
                attempts=1,
                breaker=BreakerPolicy(failures_to_open, open_seconds, probe_seconds=20.0),
            ),
        )
        for row in ROWS
    ]
    name = settings.studio_id
    return {
        "devices": DeviceAccess(
            settings,
            gateway=Permits(),
            breakers=PostgresBreakerStore(engine, name),
            calls=PostgresCallLog(engine, name),
            clock=clock,
            rows=rows,
        ),
        "device_readings": DeviceReadings(engine, name),
        "findings": Findings(engine, name),
        "drafts": Drafts(engine, name),
        "triage_suggestions": TriageSuggestions(engine, name),
    }


def sensor(device_id, *, temperature="70.0", battery=90, room=None, quiet_for=None):
    """Return a sensor of temperature that is well, changed as given."""
    made = TwinDevice(
        device_id,
        "Sensor",
        "Generic Zigbee Temperature Sensor",
        {"TemperatureMeasurement": ["temperature"], "Battery": ["battery"]},
        {
            "temperature": ("NUMBER", temperature),
            "battery": ("NUMBER", battery),
            "healthStatus": ("ENUM", "online"),
        },
        [],
        room=room,
    )
    if quiet_for is not None:
        made.quiet_for = quiet_for
    return made


class PretendDevices:
    """A hub with two sensors and two robots, all well; ``open_to`` lets a pretend studio read them."""

    def __init__(self, studio, engine):
        self.studio, self.engine = studio, engine
        number = next(_NUMBERS)
        # The robots' port is built into the library, so that every robot needs an address of its own.
        self.addresses = f"127.{128 + os.getpid() % 100}.{200 + number % 50}"

        def now():
            return studio.clock.now().astimezone(UTC)

        self.hub = HubitatTwin(now=now, devices=[sensor("11", room="Kiln room"), sensor("12")]).start()
        self.robots = RoborockTwin(
            [FakeRobot(f"robot-{one}", f"robotkey{one:08}", f"{self.addresses}.{one}") for one in (1, 2)],
            now=now,
        ).start()
        self.session = studio.settings.home / f"session-{number}.json"
        self.session.parent.mkdir(parents=True, exist_ok=True)
        self.robots.write_session(self.session)
        self.access = None

    def configure(self, *, hub=True, robots=True, **policy):
        """Let the studio know of the hub, of the robots, of both or of none."""
        settings = self.studio.settings.model_copy(
            update={
                "hubitat_url": self.hub.url if hub else None,
                "hubitat_app_id": APP_ID if hub else None,
                "hubitat_token": SecretStr(TOKEN) if hub else None,
                "roborock_session": self.session if robots else None,
            }
        )
        self.studio.settings = settings
        self.close_door()
        doors = device_doors(self.engine, settings, self.studio.clock, **policy)
        self.access = doors["devices"]
        self.studio.doors = replace(self.studio.doors, **doors)

    @property
    def findings(self):
        """Return what is open, as (subject, kind)."""
        kept = self.studio.doors.findings.open("operations")
        return {(one.finding.subject_id, one.finding.kind) for one in kept}

    def strike(self, connector_id):
        """Let a connector be dead."""
        if connector_id == "hubitat":
            self.hub.fail("refused")
        else:
            self.robots.faults.add("off")
            self.robots.faults.add("broker_down")
            self.robots.settle()

    def heal(self, connector_id):
        """Let it be well again."""
        if connector_id == "hubitat":
            self.hub.clear()
        else:
            self.robots.faults.clear()
            self.robots.settle()

    def close_door(self):
        if self.access is not None:
            self.access.close()

    def close(self):
        self.close_door()
        self.hub.stop()
        self.robots.stop()
