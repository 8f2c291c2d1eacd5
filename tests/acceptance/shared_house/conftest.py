"""The one house of this folder; it ends with the last test in it."""

import pytest

from tests.acceptance.pretending import pretending, wait_for_ticks


@pytest.fixture(scope="package")
def studio(tmp_path_factory):
    """Give a running pretend studio with sixty days of labelled trouble, after a round of ticks.

    The timezone is one where it is about noon: swarms are quiet at night.
    """
    with pretending(tmp_path_factory.mktemp("shared") / "a home", "--days", "60") as made:
        # Asked for while it is good: the test of tokens that are over comes much later.
        made.tokens["once"] = made.run("token", "--role", "staff", "--seconds", "1").out.strip()
        wait_for_ticks(made)
        yield made
