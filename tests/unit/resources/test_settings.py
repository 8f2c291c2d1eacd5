"""The settings contract: all problems at once, no secret anywhere, nothing read behind the caller's back."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.settings import (
    OTHER_VARIABLES,
    Settings,
    SettingsError,
    load_settings,
    secret_variables,
    variables,
)
from resources.settings_rules import is_loopback

CHECKOUT = Path(__file__).resolve().parents[3]
TWIN = {
    "FIRESTORE_EMULATOR_HOST": "127.0.0.1:8080",
    "STUDIO_STRIPE_API_BASE": "http://127.0.0.1:8081/",
    "STUDIO_STRIPE_KEY": "rk_test_twin_reader_0001",
}


def problems(environment, **options):
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, **options)
    return caught.value.problems


def test_defaults_are_a_read_only_studio_on_loopback():
    """Nothing set means: anchor mode, this machine only, no secret, no twin."""
    settings = load_settings({})
    assert not settings.is_write_enabled
    assert settings.posture == "read-only"
    assert not settings.is_twin
    assert is_loopback(settings.host)
    assert settings.raw_root == ".studio/raw"
    assert settings.dagster_home == Path(".studio/dagster")


def test_the_process_environment_is_never_read(monkeypatch):
    """Only the mapping handed in counts."""
    monkeypatch.setenv("STUDIO_PORT", "4444")
    assert load_settings({}).port == 3000


def test_all_problems_are_reported_at_once():
    """Five faults give five sentences, each naming its variable."""
    found = problems(
        {
            "STUDIO_PORT": "many",
            "STUDIO_TIMEZONE": "Mars/Base",
            "STUDIO_DATABASE_URL": "mysql://u:hunter22@h/d",
            "STUDIO_HISTORY_START": "yesterday",
            "STUDIO_REFRESH_MINUTES": "99",
        }
    )
    assert len(found) == 5
    names = (
        "STUDIO_PORT",
        "STUDIO_TIMEZONE",
        "STUDIO_DATABASE_URL",
        "STUDIO_HISTORY_START",
        "STUDIO_REFRESH_MINUTES",
    )
    for name in names:
        assert sum(problem.startswith(f"{name} ") for problem in found) == 1
    assert "hunter22" not in " ".join(found)


def test_a_mistyped_variable_is_reported_with_the_likely_name():
    """An unknown STUDIO_ variable is a typing error, not something to ignore."""
    assert problems({"STUDIO_DATABSE_URL": "x"}) == [
        "STUDIO_DATABSE_URL is not a setting; did you mean STUDIO_DATABASE_URL?"
    ]


@pytest.mark.parametrize("name", sorted(OTHER_VARIABLES))
def test_variables_of_the_launcher_and_the_tests_are_no_typos(name):
    assert load_settings({name: "x"})


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("sk_live_51Habcdefgh", "full-access LIVE secret key"),
        ("sk_test_51Habcdefgh", "full-access test secret key"),
        ("pk_live_51Habcdefgh", "publishable key"),
        ("whsec_51Habcdefgh", "webhook secret"),
        ("rk_live_x", "malformed restricted key"),
        ("hello", "not a Stripe key"),
    ],
)
def test_only_restricted_keys_are_accepted_outside_the_twin(key, words):
    """A key that could write is refused, the sentence says why and what to do, and never shows it."""
    (problem,) = problems({"STUDIO_STRIPE_KEY": key})
    assert words in problem
    assert "restricted key" in problem
    assert key not in problem


def test_a_restricted_key_is_accepted():
    assert load_settings({"STUDIO_STRIPE_KEY": "rk_live_51Habcdefgh"}).stripe_key is not None


def test_a_twin_is_recognised():
    settings = load_settings(TWIN)
    assert settings.is_twin
    assert settings.stripe_api_base == "http://127.0.0.1:8081"


@pytest.mark.parametrize(
    "environment",
    [
        TWIN | {"STUDIO_STRIPE_KEY": "rk_live_51Habcdefgh"},
        {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:8080", "STUDIO_STRIPE_KEY": "rk_live_51Habcdefgh"},
        {"STUDIO_STRIPE_API_BASE": "http://127.0.0.1:1", "STUDIO_FIRESTORE_PROJECT": "real-project"},
    ],
)
def test_a_real_and_a_pretend_source_are_never_mixed(environment):
    """A state computed from both would be false, so it is refused."""
    assert len(problems(environment)) == 1


@pytest.mark.parametrize(
    "base", ["https://evil.example", "http://127.0.0.1@evil.example", "ftp://127.0.0.1", "x"]
)
def test_a_stripe_base_beyond_this_machine_is_refused(base):
    """A key is never sent to an address that is neither Stripe nor a twin on this machine."""
    (problem,) = problems({"STUDIO_STRIPE_API_BASE": base})
    assert "loopback" in problem


ISSUER = "http://127.0.0.1:9"


def test_identities_are_of_the_same_project_unless_another_one_is_named():
    """The tokens that count are those of the studio's own project."""
    assert load_settings({}).identity_project == "monsoonfire-portal"
    assert load_settings({"STUDIO_FIRESTORE_PROJECT": "p-1"}).identity_project == "p-1"
    both = {"STUDIO_FIRESTORE_PROJECT": "p-1", "STUDIO_IDENTITY_PROJECT": "p-2"}
    assert load_settings(both).identity_project == "p-2"


@pytest.mark.parametrize("name", ["STUDIO_IDENTITY_KEYS_URL", "STUDIO_IDENTITY_ACCOUNTS_URL"])
def test_real_and_pretended_identities_are_never_mixed(name):
    """An issuer on this machine only with a twin, a real one only without; nothing but https beyond it."""
    field = variables()[name]
    assert getattr(load_settings(TWIN | {name: ISSUER + "/"}), field) == ISSUER
    assert getattr(load_settings({name: "https://keys.example/x"}), field) == "https://keys.example/x"
    assert "on this machine" in problems({name: ISSUER})[0]
    assert "real issuer" in problems(TWIN | {name: "https://keys.example/x"})[0]
    for url in ("http://keys.example", "https://user:pw@keys.example", "https://", "ftp://127.0.0.1", "x"):
        for environment in ({}, TWIN):
            assert any(name in problem for problem in problems(environment | {name: url}))


def test_a_cut_off_is_an_instant_with_its_offset():
    """A time that could mean two instants is refused."""
    settings = load_settings({"STUDIO_TOKENS_VALID_SINCE": "2026-09-22T08:00:00-07:00"})
    assert settings.tokens_valid_since == datetime(2026, 9, 22, 15, tzinfo=UTC)
    for value in ("2026-09-22T08:00:00", "2026-09-22", "now"):
        assert "must be an instant" in problems({"STUDIO_TOKENS_VALID_SINCE": value})[0]


def test_the_dotenv_file_is_read_and_the_environment_wins(tmp_path):
    """A value in the environment beats the file; an empty one counts as not set."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("STUDIO_PORT=4000\nSTUDIO_ID='other'\nSTUDIO_HOST=${HOME}\n")
    settings = load_settings({"STUDIO_PORT": "5000", "STUDIO_TIMEZONE": ""}, dotenv=dotenv)
    assert (settings.port, settings.studio_id) == (5000, "other")
    assert settings.timezone == "America/Phoenix"
    assert settings.host == "${HOME}"


def test_a_typo_in_the_dotenv_file_is_reported_too(tmp_path):
    dotenv = tmp_path / ".env"
    dotenv.write_text("STUDIO_PROT=4000\n")
    assert "did you mean STUDIO_PORT?" in problems({}, dotenv=dotenv)[0]


def test_an_unreadable_dotenv_file_is_a_problem_not_a_crash(tmp_path):
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"STUDIO_ID=\xff\xfe\n")
    assert "cannot be read" in problems({}, dotenv=dotenv)[0]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_database_urls_take_one_form(scheme):
    """The driver is always spelled out, because the default one does not work with Dagster."""
    settings = load_settings({"STUDIO_DATABASE_URL": f"{scheme}://u@/studio?host=/a b"})
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql+psycopg2://u@/studio?host=/a b"


def test_settings_cannot_be_changed_after_they_were_checked():
    settings = load_settings({})
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


canaries = st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=30).map(
    lambda text: f"Canary{text}"
)


@given(
    canary=canaries,
    shape=st.sampled_from(["{}", "sk_live_{}", "rk_test_{}", "postgresql://u:{}@h/d", "x://{}"]),
)
def test_no_secret_value_appears_in_a_repr_or_an_error(canary, shape):
    """Plant a canary in every secret field, valid or not, and search everything that can be shown."""
    for name in secret_variables():
        for extra in ({}, {"STUDIO_PORT": "none"}, TWIN):
            try:
                settings = load_settings({**extra, name: shape.format(canary)})
            except SettingsError as error:
                shown = [str(error), repr(error), *error.problems, repr(error.__context__)]
            else:
                shown = [
                    repr(settings),
                    str(settings),
                    settings.model_dump_json(),
                    str(settings.model_dump()),
                ]
            assert not any(canary in text for text in shown)


def test_constructing_settings_directly_hides_the_input_too():
    with pytest.raises(ValueError, match="PostgreSQL") as caught:
        Settings(database_url="mysql://u:CanarySecret@h/d")
    assert "CanarySecret" not in str(caught.value)


def test_the_secret_fields_are_the_ones_we_mean():
    """Adding a secret without SecretStr, or the reverse, has to change this line."""
    assert secret_variables() == {
        "STUDIO_DATABASE_URL",
        "STUDIO_DAGSTER_DATABASE_URL",
        "DAGSTER_PG_URL",
        "STUDIO_STRIPE_KEY",
        "STUDIO_HUBITAT_TOKEN",
    }


def test_env_example_lists_exactly_the_settings_with_their_defaults():
    """Every variable is in .env.example, each under a comment, secrets are marked, defaults agree."""
    lines = (CHECKOUT / ".env.example").read_text().splitlines()
    offered = {}
    for above, line in zip(["", *lines], lines, strict=False):
        if match := re.fullmatch(r"# ([A-Z][A-Z_]+)=(.*)", line):
            assert match[1] not in offered
            offered[match[1]] = match[2]
            marked = [text for text in lines[: lines.index(line)] if re.match(r"# [A-Z]", text)]
            assert above.startswith("#")
            if match[1] in secret_variables():
                assert marked[-1].startswith("# SECRET."), match[1]
    assert set(offered) == set(variables()) | OTHER_VARIABLES
    defaults = {name: Settings.model_fields[field].default for name, field in variables().items()}
    for name, default in defaults.items():
        if default not in (None, False):
            assert (
                float(offered[name]) == default
                if isinstance(default, float)
                else offered[name] == str(default)
            )


def test_the_lines_of_env_example_are_valid_settings(tmp_path):
    """Somebody may uncomment any single line that is not a placeholder."""
    for line in (CHECKOUT / ".env.example").read_text().splitlines():
        match = re.fullmatch(r"# ([A-Z][A-Z_]+)=(.*)", line)
        # A hub is three lines or none: one of them alone is no setting.
        if match and "..." not in match[2] and match[1] != "STUDIO_HUBITAT_URL":
            dotenv = tmp_path / ".env"
            dotenv.write_text(line.removeprefix("# "))
            assert load_settings({}, dotenv=dotenv)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - the address is only looked at
        ("example.com", False),
        ("", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_loopback_means_this_machine_only(host, expected):
    assert is_loopback(host) is expected


def test_the_writing_credential_is_a_path_of_its_own():
    """What reads and what writes are two credentials; one file for both is refused."""
    assert load_settings({}).write_credentials is None
    assert load_settings({"STUDIO_WRITE_CREDENTIALS": "/w.json"}).write_credentials == Path("/w.json")
    (problem,) = problems(
        {"STUDIO_WRITE_CREDENTIALS": "/a/../a/w.json", "GOOGLE_APPLICATION_CREDENTIALS": "/a/w.json"}
    )
    assert problem.startswith(
        "STUDIO_WRITE_CREDENTIALS is the file that GOOGLE_APPLICATION_CREDENTIALS names"
    )
