"""Promises of ``studio token`` and ``--as``: pretended identities for a pretend studio only, never told."""

import json

import click
import pytest

from cockpit.cli.identity_option import acting, actor_here
from cockpit.cli.main import main
from cockpit.cli.options import shared
from cockpit.errors import CockpitError
from resources.settings import load_settings
from twins.control import Control
from twins.firestore.server import FirestoreTwin
from twins.identity.server import IdentityTwin
from twins.stripe.server import StripeTwin


class PretendAgents:
    """Makes agents without writing anything."""

    def make(self, wish):
        return {
            "agentClientId": "client-1",
            "delegationId": "d-1",
            "ownerUid": wish.owner_uid,
            "expiresAt": "",
        }


@pytest.fixture
def twins(monkeypatch, tmp_path):
    """Return the environment of a pretend studio whose issuer runs; it is also this process's."""
    firestore, stripe = FirestoreTwin(), StripeTwin()
    with IdentityTwin("monsoonfire-portal") as identity:
        control = Control(firestore, stripe, lambda: None, identity=identity, agents=PretendAgents)
        with stripe, control:
            environment = {
                "STUDIO_HOME": str(tmp_path / "none"),
                "FIRESTORE_EMULATOR_HOST": firestore.host,
                "STUDIO_TWINS_CONTROL": control.url,
                "STUDIO_IDENTITY_KEYS_URL": identity.keys_url,
                "STUDIO_IDENTITY_ACCOUNTS_URL": identity.accounts_url,
            }
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            monkeypatch.delenv("STUDIO_AS", raising=False)
            yield environment, identity
    firestore.stop()


def printed_token(capsys, *arguments):
    assert main(["token", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "who", "roles"),
    [
        (["--role", "staff"], "staff-ada", {"staff"}),
        (["--role", "approver"], "approver-ben", {"staff", "approver"}),
        (["--role", "approver", "--uid", "approver-cleo"], "approver-cleo", {"staff", "approver"}),
        (["--role", "admin"], "admin-dana", {"staff", "admin"}),
        (["--role", "member"], "member-eve", set()),
        (["--role", "agent"], "client-1", {"agent"}),
        (["--role", "agent", "--owner", "member-7"], "client-1", {"agent"}),
    ],
)
def test_every_role_gets_a_token_that_holds(twins, capsys, arguments, who, roles):
    """One line, nothing else; it is the actor that its role says."""
    actor = actor_here(load_settings(twins[0]), printed_token(capsys, *arguments))
    assert (actor.actor_id, actor.roles) == (who, roles)
    owners = {"agent": "member-7" if "--owner" in arguments else "member-eve"}
    assert actor.owner_id == owners.get(arguments[1])


def test_json_is_one_object_with_what_a_script_needs(twins, capsys):
    assert main(["token", "--role", "agent", "--seconds", "60", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"role", "uid", "agentClientId", "delegationId", "ownerUid", "expiresAt", "token"}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"STUDIO_FIRESTORE_PROJECT": "real", "FIRESTORE_EMULATOR_HOST": ""}, "real project is configured"),
        (
            {"STUDIO_STRIPE_KEY": "rk_live_abcdefgh1", "FIRESTORE_EMULATOR_HOST": ""},
            "real project is configured",
        ),
        ({"STUDIO_TWINS_CONTROL": "", "FIRESTORE_EMULATOR_HOST": ""}, "No pretend studio is running"),
        ({"STUDIO_TWINS_CONTROL": "http://127.0.0.1:9"}, "does not answer"),
        ({"STUDIO_TWINS_CONTROL": "http://10.1.2.3:9"}, "does not lead to this machine"),
        ({"STUDIO_TWINS_CONTROL": "http://127.0.0.1:9@10.1.2.3"}, "does not lead to this machine"),
    ],
)
def test_no_identity_is_pretended_where_anything_is_real_or_nothing_runs(
    twins, monkeypatch, capsys, environment, words
):
    for name in ("STUDIO_IDENTITY_KEYS_URL", "STUDIO_IDENTITY_ACCOUNTS_URL"):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["token", "--role", "staff"]) == 3
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--role", "owner"],
        ["--role", "staff", "--owner", "x"],
        ["--role", "staff", "--scope", "x"],
        ["--role", "agent", "--uid", "x"],
        ["--role", "staff", "--seconds", "3601"],
        ["--role", "staff", "--seconds", "0"],
        ["--role", "staff", "--uid", "x" * 129],
    ],
)
def test_a_token_that_cannot_be_meant_is_refused(twins, arguments):
    assert main(["token", *arguments]) == 2


def test_the_command_gets_an_actor_from_a_token_a_file_or_the_environment(
    twins, monkeypatch, tmp_path, capsys
):
    """All three ways mean the same; what was given explicitly wins over the environment."""
    seen = []

    @click.command()
    @shared
    @acting
    def command(*, home, is_json, actor):
        seen.append(actor.actor_id)

    ada, ben = printed_token(capsys, "--role", "staff"), printed_token(capsys, "--role", "approver")
    file = tmp_path / "token"
    file.write_text(f"{ada}\n")
    monkeypatch.setenv("STUDIO_AS", ben)
    for given in ([], ["--as", str(file)], ["--as", ada]):
        command.main(given, standalone_mode=False)
    monkeypatch.setenv("STUDIO_AS", str(file))
    command.main([], standalone_mode=False)
    assert seen == ["approver-ben", "staff-ada", "staff-ada", "staff-ada"]


def test_nobody_is_refused_with_how_to_become_somebody(twins):
    with pytest.raises(CockpitError) as caught:
        actor_here(load_settings(twins[0]), None)
    assert "studio token --role" in caught.value.remedy


def test_a_refused_token_is_never_shown(twins, capsys, tmp_path):
    """Whatever is wrong with it; nor is a path that may be a mistyped token."""
    environment, identity = twins
    token = printed_token(capsys, "--role", "staff")
    forged = f"{token[:-8]}AAAAAAAA"
    file = tmp_path / "forged"
    file.write_text(forged)
    identity.issuer.revoke("staff-ada")
    for given, code in (
        (token, "TOKEN_REVOKED"),
        (forged, "TOKEN_SIGNATURE"),
        (str(file), "TOKEN_SIGNATURE"),
        (f"Bearer-{token}", "neither a signed token"),
        ("eyJCanary.x", "neither a signed token"),
        ("/dev/null/x", "neither a signed token"),
        ("a\x00b", "neither a signed token"),
    ):
        with pytest.raises(CockpitError) as caught:
            actor_here(load_settings(environment), given)
        shown = f"{caught.value} {caught.value.remedy}"
        assert code in shown
        assert not any(part in shown for part in (token.split(".")[1], forged[-20:], "Canary", str(file)))


def test_without_a_studio_nobody_is_asked_about_a_token():
    """Google is not asked about a token of a pretend studio that was stopped."""
    with pytest.raises(CockpitError, match="No studio is running"):
        actor_here(load_settings({}), "eyJh.eyJh.AAAA")
