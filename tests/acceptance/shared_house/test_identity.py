"""Who may be who: signed tokens, where they are not kept, and the one credential that writes."""

import contextlib
import json

import psutil
import pytest

from tests.acceptance.governed import PEOPLE

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


def test_no_environment_holds_the_writing_credential_and_only_one_part_knows_its_file(studio):
    """The value lies in one private file; of the parts, only the code server is told where."""
    house = studio.house
    file = house.home / "run" / "twin-writer.json"
    assert file.stat().st_mode & 0o777 == 0o600
    token = json.loads(file.read_text())["twin_token"]
    told, seen = [], 0
    for process in house.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            environment, argv = process.environ(), " ".join(process.cmdline())
            seen += 1
            assert token not in " ".join(environment.values()) + argv
            if "STUDIO_WRITE_CREDENTIALS" in environment:
                told.append(argv)
    assert seen > 4
    assert [argv for argv in told if "dagster api grpc" in argv]
    for argv in told:
        assert not any(part in argv for part in ("cockpit.web", "dagster._daemon", "twins", "cockpit.work"))
    for log in (house.home / "logs").iterdir():
        assert token not in log.read_text(errors="replace")


def test_no_token_lies_anywhere_in_the_home(studio):
    """In no file, log or table: the signed part of every token that was used is searched for."""
    for who in (*PEOPLE, studio.agent()["agentClientId"]):
        studio.do(who, "proposals", "list")
    signatures = [token.rpartition(".")[2][:60].encode() for token in studio.tokens.values()]
    assert len(signatures) > len(PEOPLE)
    seen = 0
    for path in [*studio.house.home.rglob("*"), studio.house.log]:
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                seen += 1
                text = path.read_bytes()
                assert not any(signature in text for signature in signatures), path
    assert seen > 100


def test_who_cannot_say_who_they_are_is_refused(studio, tmp_path):
    """No identity, no token at all, one signed by somebody else, one that was altered, one that is over."""
    from twins.identity.issuer import Issuer

    command = ("proposals", "list")
    foreign = Issuer("monsoonfire-portal").sign("staff-ada", {"staff": True}, seconds=600)
    good = studio.token("ada")
    altered = f"{good[:-12]}{'A' * 12}"
    for who, code in (
        (None, "Who are you"),
        ("not.a.token", "neither a signed token"),
        (foreign, "TOKEN_"),
        (altered, "TOKEN_SIGNATURE"),
    ):
        exit_code, told = studio.ask(who, *command)
        assert (exit_code, code in told["error"]) == (3, True), told
        assert set(told) == {"error", "remedy"}
    # One that was good for a second; clocks may differ by some.
    refused = studio.wait_for(lambda: (told := studio.ask("once", *command))[0] and told[1])
    assert "TOKEN_EXPIRED" in refused["error"]


def test_no_identity_is_pretended_where_a_real_project_is_configured(studio, monkeypatch):
    monkeypatch.setenv("STUDIO_FIRESTORE_PROJECT", "real-project")
    said = studio.run("token", "--role", "staff")
    assert (said.code, said.out) == (3, "")
    assert "real project is configured" in said.err
