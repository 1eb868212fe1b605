"""A bad configuration stops the start and says everything that is wrong with it at once."""

from datetime import timedelta
from pathlib import Path

import pytest

from idp.settings import Settings, SettingsFault, load_settings
from tests.conftest import example_key

SECRETS = {
    "IDP_SECRETS__PEPPER": example_key("a"),
    "IDP_SECRETS__INDEX": example_key("b"),
    "IDP_SECRETS__SUBJECT": example_key("c"),
    "IDP_SECRETS__CODE": example_key("d"),
    "IDP_SECRETS__TOKEN": example_key("e"),
    "IDP_SECRETS__FIELD_KEYS__K1": example_key("f"),
    "IDP_SECRETS__FIELD_KEY_ID": "k1",
}
GOOD = {"IDP_ISSUER": "https://connect.example.fr", **SECRETS}


def load(**changes: str | None) -> Settings:
    environ = {**GOOD, **changes}
    return load_settings({name: value for name, value in environ.items() if value is not None})


def faults_of(**changes: str | None) -> str:
    with pytest.raises(SettingsFault) as caught:
        load(**changes)
    return "\n".join(caught.value.faults)


def test_the_issuer_stays_the_exact_string() -> None:
    assert load().issuer == "https://connect.example.fr"


@pytest.mark.parametrize(
    "issuer",
    [
        "http://connect.example.fr",
        "https://a.fr/",
        "https://a.fr?x",
        "https://a.fr#x",
        "ftp://a.fr",
        "a.fr",
        "https://a.fr/op",
    ],
)
def test_an_issuer_that_cannot_work_stops_the_start(issuer: str) -> None:
    assert "issuer" in faults_of(IDP_ISSUER=issuer)


@pytest.mark.parametrize("issuer", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"])
def test_plain_http_is_for_a_loopback_issuer_only(issuer: str) -> None:
    assert not load(IDP_ISSUER=issuer).has_tls


@pytest.mark.parametrize("name", [name for name in SECRETS if "FIELD_KEY" not in name])
@pytest.mark.parametrize("value", [None, "", "changeme", "A" * 43, "!" * 43])
def test_a_missing_empty_short_or_example_key_stops_the_start_ac_66(name: str, value: str | None) -> None:
    assert name.removeprefix("IDP_SECRETS__").lower() in faults_of(**{name: value})


def test_a_fault_never_quotes_a_secret() -> None:
    assert "hunter2-hunter2" not in faults_of(IDP_SECRETS__PEPPER="hunter2-hunter2")


def test_all_faults_are_reported_at_once() -> None:
    faults = faults_of(IDP_ISSUER="http://a.fr", IDP_CODE__TRIES="0", IDP_NO_SUCH="1", IDP_SMTP__NOPE="1")

    assert all(word in faults for word in ("IDP_NO_SUCH", "IDP_SMTP__NOPE", "tries"))


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text(example_key("p") + "\n")

    settings = load(IDP_SECRETS__PEPPER=None, IDP_SECRETS__PEPPER_FILE=str(tmp_path / "pepper"))

    assert settings.secrets.pepper.get_secret_value() == example_key("p")


def test_a_file_that_is_not_there_is_named() -> None:
    assert "IDP_SECRETS__PEPPER_FILE" in faults_of(IDP_SECRETS__PEPPER=None, IDP_SECRETS__PEPPER_FILE="/nowhere/pepper")


def test_toml_is_overridden_by_variables(tmp_path: Path) -> None:
    config = tmp_path / "sesame.toml"
    config.write_text('issuer = "https://a.fr"\n[code]\nlifetime = 600\ntries = 3\n')

    settings = load_settings({**SECRETS, "IDP_CONFIG": str(config), "IDP_CODE__TRIES": "4"})

    assert (settings.issuer, settings.code.lifetime, settings.code.tries) == ("https://a.fr", timedelta(seconds=600), 4)


def test_numbers_in_variables_are_seconds_and_commas_part_lists() -> None:
    settings = load(IDP_CODE__LIFETIME="300", IDP_CODE__RESEND_SAME_WHILE="60", IDP_LOCALES="fr, en")

    assert settings.code.lifetime == timedelta(minutes=5)
    assert settings.locales == ("fr", "en")


def test_an_unknown_key_in_toml_stops_the_start(tmp_path: Path) -> None:
    config = tmp_path / "sesame.toml"
    config.write_text("isuer = 'https://a.fr'\n")

    with pytest.raises(SettingsFault) as caught:
        load_settings({**GOOD, "IDP_CONFIG": str(config)})

    assert "isuer" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("IDP_LOGOUT__KEEP_LOG", "3600", "living sessions are in it"),
        ("IDP_LOGOUT__TIMEOUT", "31", "twice logout.timeout"),
    ],
)
def test_a_list_of_services_that_forgets_living_sessions_stops_the_start(name: str, value: str, said: str) -> None:
    assert said in faults_of(**{name: value})


FIXED = {"IDP_CONFORMANCE__ACCOUNT": "2991399999002", "IDP_CONFORMANCE__FIXED_CODE": "314159"}


@pytest.mark.parametrize(
    "issuer",
    ["https://localhost:9443", "http://127.0.0.1:8000", "https://[::1]:9443", "https://op.test", "https://a.b.example"],
)
def test_a_fixed_code_is_for_test_hosts(issuer: str) -> None:
    assert load(IDP_ISSUER=issuer, **FIXED).conformance.fixed_code == "314159"


@pytest.mark.parametrize(
    "issuer",
    [
        "https://connect.example.fr",
        "https://op.test.caf.fr",
        "https://localhost.caf.fr",
        "https://optest",
        "https://test",
        "https://127.0.0.1.nip.io",
        "https://example.com",
        "https://10.0.0.1",
        "https://op.test.",
    ],
)
def test_a_fixed_code_on_any_other_host_stops_the_start(issuer: str) -> None:
    assert "fixed_code is for test hosts" in faults_of(IDP_ISSUER=issuer, **FIXED)


@pytest.mark.parametrize(
    "changes",
    [
        {"IDP_ALLOWED_HOSTS": "op.test, connect.example.fr"},
        {"IDP_ALLOWED_HOSTS": "connect.example.fr:8443"},
        {"IDP_MTLS__ISSUER": "https://mtls.example.fr"},
    ],
)
def test_a_test_issuer_that_also_answers_for_a_real_host_has_no_fixed_code(changes: dict[str, str]) -> None:
    assert "fixed_code is for test hosts" in faults_of(IDP_ISSUER="https://op.test", **FIXED, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"IDP_CONFORMANCE__ACCOUNT": "2991399999002"},
        {"IDP_CONFORMANCE__FIXED_CODE": "314159"},
        {**FIXED, "IDP_CONFORMANCE__FIXED_CODE": "31415"},
        {**FIXED, "IDP_CONFORMANCE__FIXED_CODE": "\u0663\u0661\u0664\u0661\u0665\u0669"},
        {**FIXED, "IDP_CONFORMANCE__ACCOUNT": "2 99 13 99 999 002"},
    ],
)
def test_half_or_odd_conformance_settings_stop_the_start(changes: dict[str, str]) -> None:
    assert "conformance" in faults_of(IDP_ISSUER="https://op.test", **changes)


def test_the_conformance_profile_loads_and_stops_elsewhere() -> None:
    profile = Path(__file__).parents[2] / "config" / "conformance.toml"

    assert load_settings(SECRETS, profile).conformance.account
    with pytest.raises(SettingsFault, match="fixed_code is for test hosts"):
        load_settings({**SECRETS, "IDP_ISSUER": "https://connect.example.fr"}, profile)


def test_neither_code_nor_nir_of_the_test_account_is_in_a_representation() -> None:
    shown = repr(load(IDP_ISSUER="https://op.test", **FIXED))

    assert "314159" not in shown
    assert "2991399999002" not in shown


def test_a_plug_in_is_told_what_its_table_and_its_variables_say(tmp_path: Path) -> None:
    config, pin = tmp_path / "sesame.toml", tmp_path / "pin"
    config.write_text('[plugins.token]\nseeds = "/etc/seeds.json"\ndrift = 2\n')
    pin.write_text("1234\n")

    settings = load(
        IDP_CONFIG=str(config),
        IDP_PLUGINS__TOKEN__SEEDS="/run/seeds.json",
        IDP_PLUGINS__TOKEN__PIN_FILE=str(pin),
        IDP_PLUGINS__OTHER_ONE__FOLDER="/x",
    )

    assert settings.plugins == {
        "token": {"seeds": "/run/seeds.json", "drift": 2, "pin": "1234"},
        "other_one": {"folder": "/x"},
    }
    assert "1234" not in repr(settings), "what a plug-in is told may be a secret"
    assert "IDP_PLUGINS__TOKEN: no such setting" in faults_of(IDP_PLUGINS__TOKEN="x")


def test_the_password_of_the_directory_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "bind"
    secret.write_text("from-a-file\n")

    settings = load(IDP_LDAP__BIND_PASSWORD_FILE=str(secret), IDP_LDAP__CA_FILE="/etc/ca.pem")

    assert settings.ldap.bind_password.get_secret_value() == "from-a-file"
    assert settings.ldap.ca_file == Path("/etc/ca.pem")
    assert "from-a-file" not in repr(settings)
