"""Structured logs: one JSON object a line, correlated, and free of secrets."""

import io
import json
import logging

import pytest
import structlog

from policies.redaction import REDACTED
from resources.logs import configure_logs, correlated, known_secrets, logger
from resources.settings import load_settings


@pytest.fixture
def stream():
    """Give a stream the logs go to, and put the process's own logging back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield io.StringIO()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_level_time_component_and_event(stream):
    configure_logs("supervisor", stream=stream)
    logger("x").info("part:web:started", port=3000)
    (line,) = lines(stream)
    assert (line["level"], line["component"], line["event"], line["port"]) == (
        "info",
        "supervisor",
        "part:web:started",
        3000,
    )
    assert line["time"].endswith("Z")


def test_correlation_ids_are_on_every_line_inside_the_block_and_on_none_outside(stream):
    configure_logs("web", stream=stream)
    with correlated(request_id="r1", run_id="run1", proposal_id="p1"):
        logger("x").info("inside")
        logging.getLogger("some.library").warning("foreign")
    logger("x").info("outside")
    inside, foreign, outside = lines(stream)
    for line in (inside, foreign):
        assert (line["request_id"], line["run_id"], line["proposal_id"]) == ("r1", "run1", "p1")
    assert "request_id" not in outside


def test_lines_below_the_level_are_dropped(stream):
    configure_logs("web", level="warning", stream=stream)
    logger("x").info("quiet")
    logger("x").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_no_planted_secret_gets_out_by_any_way(stream):
    """Message, field, name of a field, nested value, exception, foreign logger: all searched."""
    settings = load_settings(
        {
            "STUDIO_STRIPE_KEY": "rk_live_CanaryStripe1",
            "STUDIO_DATABASE_URL": "postgresql://u:CanaryDatabase@h/d",
            "DAGSTER_PG_URL": "postgresql://u:CanaryDagster@h/d",
        }
    )
    configure_logs("cli", secrets=known_secrets(settings), stream=stream)
    log = logger("x")
    canaries = ("CanaryStripe1", "CanaryDatabase", "CanaryDagster")
    for canary in canaries:
        log.info(
            f"message {canary}" if "Stripe" not in canary else "rk_live_CanaryStripe1",
            deep=[{"x": canary * 2}],
        )
        logging.getLogger("library").error("says %s", f"u:{canary}@h")
        try:
            raise ValueError(f"with rk_live_{canary} and {canary}")  # noqa: TRY301 - the raise is the test
        except ValueError:
            log.exception("part:web:failed")
    shown = stream.getvalue()
    assert REDACTED in shown
    assert "CanaryDatabase" not in shown
    assert "CanaryDagster" not in shown
    assert "rk_live_CanaryStripe1" not in shown
