"""Time passes: what is overdue moves to its expired state, with an event that says so."""

import dagster as dg

from policies.actors import system_actor
from policies.gateway import GatewayContract
from resources.settings import Settings

INTERVAL_SECONDS = 30
ACTOR = "expiry"


def build_expiry_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that lets proposals, approvals and exemptions expire.

    Nothing rests on it for safety: every decision looks at the clock itself. It makes lists tell the truth.
    Repeating a tick changes nothing. Skips always, as it starts no run. Never does anything outside.
    """

    @dg.sensor(
        name="expiry_sensor",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Moves overdue proposals and exemptions to expired.",
    )
    def expiry_sensor(
        context: dg.SensorEvaluationContext, gateway: dg.ResourceParam[GatewayContract]
    ) -> dg.SkipReason:
        del context
        expired = gateway.expire(system_actor(ACTOR, settings.studio_id))
        return dg.SkipReason(f"{expired} expired." if expired else "Nothing is overdue.")

    return expiry_sensor
