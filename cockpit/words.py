"""Plain words for what the pages show: counters, sources, times. No numbers are made here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

# In the order in which a person in the studio asks. A test keeps this equal to the declared counters.
GROUPS: Final = (
    (
        "Work and kilns",
        (
            ("counts.batchesActive", "Work in progress"),
            ("counts.batchesClosed", "Work handed back"),
            ("counts.reservationsOpen", "Kiln reservations open"),
            ("counts.firingsScheduled", "Firings ahead or running"),
            ("counts.kilnsUnavailable", "Kilns out of order"),
        ),
    ),
    (
        "People",
        (
            ("counts.reportsOpen", "Reports to decide"),
            ("ops.highSeverityReports", "Of these, high severity"),
            ("counts.reportsActioned", "Reports acted on"),
            ("counts.supportRequestsNew", "New support messages"),
            ("ops.agentRequestsPending", "Agent requests waiting"),
            ("ops.agentRequestsActive", "Agent requests active"),
        ),
    ),
    (
        "Space, events and library",
        (
            ("counts.studioBookingsUpcoming", "Studio bookings ahead"),
            ("counts.eventsUpcoming", "Events ahead"),
            ("counts.loansOut", "Library items out"),
            ("counts.loansOverdue", "Of these, overdue"),
        ),
    ),
    (
        "Orders and money",
        (
            ("finance.pendingOrders", "Orders not paid"),
            ("finance.staleCarts", "Of these, older than a day"),
            ("finance.ordersAwaitingPickup", "Orders to collect"),
            ("ops.agentOrdersOpen", "Agent orders open"),
            ("finance.unpaidAgentOrders", "Agent orders not paid"),
            ("finance.unpaidEvents", "Came to an event, not paid"),
            ("finance.unsettledPayments", "Payments not settled"),
            ("finance.unsettledCents", "Amount not settled"),
            ("finance.refundsLast30Days", "Refunds in 30 days"),
            ("finance.disputesLast30Days", "Disputes in 30 days"),
        ),
    ),
)
# More than none of these asks for somebody; they are marked in words, not only in colour.
WANT_ATTENTION: Final = frozenset(
    {
        "counts.kilnsUnavailable",
        "counts.loansOverdue",
        "counts.reportsOpen",
        "finance.disputesLast30Days",
        "finance.unpaidAgentOrders",
        "finance.unpaidEvents",
        "ops.agentRequestsPending",
        "ops.highSeverityReports",
    }
)
CONNECTORS: Final = {"hubitat": "Hubitat hub", "roborock": "Roborock robots"}
DEVICE_COUNTS: Final = (
    ("devices", "Devices"),
    ("online", "Online"),
    ("offline", "Offline"),
    ("lowBattery", "Low battery"),
    ("inError", "With an error"),
    ("silent", "Silent sensors"),
    ("unknown", "State not known"),
)
# Not "unknown": most hubs tell no health of most devices. A code nobody knows is a finding.
DEVICES_WANT_ATTENTION: Final = frozenset({"offline", "lowBattery", "inError", "silent"})
DEVICE_STATUS: Final = {
    "current": "up to date",
    "old": "old",
    "never": "no answer yet",
    "not_configured": "not set up",
}
_FAULTS: Final = {
    "auth": "The login is refused.",
    "timeout": "It did not answer in time.",
    "unavailable": "It does not answer.",
    "rate_limited": "It asked us to wait.",
    "bad_response": "Its answer made no sense.",
    "unsupported": "It does not know what it was asked.",
}
_SECONDS: Final = (("day", 86400), ("hour", 3600), ("minute", 60))


def governance(counts: Mapping[str, int], *, is_halted: bool) -> str:
    """Return the kill switch, and how many proposals wait for people and for the executor, as a sentence."""
    switch = "The kill switch is on: nothing is executed." if is_halted else "The kill switch is off."
    pending, approved = counts.get("pending_approval", 0), counts.get("approved", 0)
    return f"{switch} Proposals waiting for approval: {pending}; approved and not yet executed: {approved}."


def label(counter: str) -> str:
    """Return the plain words for a counter; its own name when it has none yet."""
    section, _, rest = counter.partition(".")
    if section == "devices":
        connector, _, name = rest.partition(".")
        return f"{connector_name(connector)}: {dict(DEVICE_COUNTS).get(name, name).lower()}"
    return next((words for _, group in GROUPS for path, words in group if path == counter), counter)


def connector_name(connector_id: str) -> str:
    """Return a connector's name as a person knows it; its id when it has none yet."""
    return CONNECTORS.get(connector_id, connector_id)


def fault(name: str | None) -> str:
    """Return why a connector gave nothing, as a sentence; empty without a fault."""
    return "" if name is None else _FAULTS.get(name, "It failed, and nobody knows why.")


def device_status(status: str) -> str:
    """Return what to make of a connector's devices, as a sentence; empty when they are up to date."""
    return {
        "old": "How these devices are is not known now: the last good reading is old.",
        "never": "It is set up, and has given no reading yet.",
        "not_configured": "Nobody has set this up; nothing is asked. This is not an error.",
    }.get(status, "")


def number(counter: str, value: int) -> str:
    """Return a counter's value as a person reads it; amounts of cents as dollars, exactly."""
    if counter.endswith("Cents"):
        sign = "-" if value < 0 else ""
        return f"{sign}${abs(value) // 100:,}.{abs(value) % 100:02d}"
    return f"{value:,}"


def change(counter: str, delta: int) -> str:
    """Return a signed difference, new minus old."""
    return f"{'+' if delta > 0 else '-'}{number(counter, abs(delta))}"


def source_name(name: str) -> str:
    """Return a collection's name as words."""
    return name.replace("_", " ")


def local_time(instant: datetime, timezone: str) -> str:
    """Return an instant as the studio's clocks show it."""
    local = instant.astimezone(ZoneInfo(timezone))
    return f"{local.day} {local:%B %Y, %H:%M}"


def ago(seconds: float) -> str:
    """Return an age in its largest whole unit; under a minute, and the future, are "just now"."""
    for unit, size in _SECONDS:
        count = int(seconds // size)
        if count >= 1:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
