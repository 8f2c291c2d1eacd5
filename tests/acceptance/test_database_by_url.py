"""A database that does not answer is told plainly, and without its password."""

import pytest

pytestmark = pytest.mark.acceptance
PASSWORD = "CanaryDatabasePassword0001"


def test_a_database_that_does_not_answer_is_told_without_its_password(house):
    url = f"postgresql://studio:{PASSWORD}@127.0.0.1:{house.port}/studio"
    house.environment["STUDIO_DATABASE_URL"] = url
    done = house.run("up", "--once", "--days", "1", "--port", str(house.port + 1))
    assert done.returncode == 1
    assert "Migrations ended" in done.stderr
    assert f"127.0.0.1:{house.port}" in done.stderr
    doctor = house.run("doctor")
    assert doctor.returncode == 1
    assert "WRONG database" in doctor.stdout
    for said in (done, doctor):
        assert PASSWORD not in said.stdout + said.stderr
