"""A server somebody else runs is asked, and never started or stopped."""

import pytest

from resources.postgres.errors import ServerUnreachableError
from resources.postgres.server import ExternalPostgres, PostgresServer

pytestmark = pytest.mark.integration


def test_a_running_server_is_used_and_left_running(postgres_server):
    external: PostgresServer = ExternalPostgres(postgres_server.url("postgres"))
    external.start()
    external.stop()
    assert external.is_ready()
    assert postgres_server.is_ready()
    assert external.url("studio") == postgres_server.url("studio")


def test_a_server_that_does_not_answer_is_told_with_the_remedy_and_without_the_password():
    external = ExternalPostgres("postgresql://ann:canary-9x@/studio?host=/nowhere")
    assert not external.is_ready()
    with pytest.raises(ServerUnreachableError, match=r"Nothing was changed.*STUDIO_DATABASE_URL") as refused:
        external.start()
    assert "canary-9x" not in f"{refused.value}{external!r}"
