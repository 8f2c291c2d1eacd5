"""What libraries log by themselves: no secret, and still one JSON object a line."""

import io
import json
import logging

import pytest
import structlog

from resources.connectors.redaction import hide_in_library_logs
from resources.logs import configure_logs

SECRET = "abcabc-abc-tok"


@pytest.fixture
def lines():
    """Give what is logged, as read from the stream; leave logging as it was."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs("test", stream=stream)
    hide_in_library_logs([SECRET])
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = handlers, level
    structlog.configure(**before)


def test_a_structured_line_stays_one(lines, capsys):
    """The library that tries again logs through structlog wherever that is there."""
    structlog.stdlib.get_logger("stamina").warning("stamina.retry_scheduled", caused_by=f"E({SECRET})")
    (line,) = lines()
    assert (line["event"], line["caused_by"]) == ("stamina.retry_scheduled", "E([redacted])")
    assert capsys.readouterr().err == ""


def test_a_plain_line_keeps_its_words(lines):
    logging.getLogger("httpx").warning("GET %s", f"http://hub/?access_token={SECRET}")
    (line,) = lines()
    assert line["event"].startswith("GET http://hub/")
    assert SECRET not in json.dumps(line)
