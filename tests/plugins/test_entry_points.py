"""What installed packages offer counts where an operator names it, and nowhere else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idp import create_app
from idp.entry_points import DIRECTORIES, SECOND_FACTORS, SMS_TRANSPORTS
from idp.messages.senders import open_senders
from idp.messages.smtp import SmtpSender
from idp.settings import Settings, SettingsFault
from tests.conftest import example_settings
from tests.plugins.conftest import install


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., list[str]]:
    """Return an act that starts a provider with changed settings, and returns what stopped it."""

    def go(**changes: Any) -> list[str]:
        stores = {"database_url": f"sqlite:///{tmp_path}/x.db", "state_file": tmp_path / "state.db"}
        try:
            app = create_app(Settings.model_validate(example_settings(**stores, **changes)))
        except SettingsFault as fault:
            return fault.faults
        app.extensions["sesame"]["state"].store.close()
        return []

    return go


@pytest.mark.usefixtures("example")
def test_a_package_that_nobody_names_does_nothing(start: Callable[..., list[str]]) -> None:
    assert start() == []
    settings = Settings.model_validate(example_settings())
    senders = open_senders(settings)
    assert isinstance(senders["email"], SmtpSender)


def test_a_name_that_nothing_offers_stops_the_start_and_says_what_there_is(start: Callable[..., list[str]]) -> None:
    faults = start(
        directory="nowhere",
        mail_transport="pigeon",
        second_factors=("card",),
        sms={"transport": "smoke", "second_transport": "drums"},
    )

    told = "\n".join(faults)
    for name in ("nowhere", "pigeon", "card", "smoke", "drums"):
        assert f"{name}: no installed package offers it" in told
    assert "smpp" in told


@pytest.mark.parametrize("name", ["Smpp", "a-b", "../x", "x" * 40, "é"])
def test_a_name_is_a_word(name: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Settings.model_validate(example_settings(directory=name))


def test_no_package_takes_the_name_of_something_built_in(site: Path) -> None:
    install(site, "usurper", {"sesame.mail_transports": {"smtp": "broken:nothing"}})

    assert isinstance(open_senders(Settings.model_validate(example_settings()))["email"], SmtpSender)


@pytest.mark.parametrize("name", ["email", "sms", "passkey", "totp", "recovery", "pwd"])
def test_a_second_factor_cannot_be_called_as_one_of_ours(
    site: Path, start: Callable[..., list[str]], name: str
) -> None:
    install(site, "usurper", {SECOND_FACTORS: {name: "broken:nothing"}})

    assert start(second_factors=(name,)) == [f"second_factors: {name} is the name of another one"]


def test_two_packages_that_offer_one_name_are_told_apart_by_nobody(site: Path, start: Callable[..., list[str]]) -> None:
    for package in ("one-package", "other-package"):
        install(site, package, {DIRECTORIES: {"staff": "broken:nothing"}})

    (fault,) = start(directory="staff")

    assert "several packages offer it" in fault
    assert "one-package, other-package" in fault


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "cannot be imported"),
        ("import nothing_of_this_name\n", "cannot be imported"),
        ("def make(settings): raise ValueError('the folder is missing')\n", "broken: the folder is missing"),
        ("def make(settings): return settings.plugins['broken']['folder']\n", "setting 'broken' is missing"),
    ],
)
def test_a_plug_in_that_cannot_be_made_stops_the_start(
    site: Path, start: Callable[..., list[str]], source: str | None, said: str
) -> None:
    if source is not None:
        (site / "broken.py").write_text(source)
    install(site, "broken", {DIRECTORIES: {"broken": "broken:make"}})

    (fault,) = start(directory="broken")

    assert said in fault


def test_an_sms_transport_that_cannot_be_made_stops_the_worker(site: Path) -> None:
    (site / "broken.py").write_text("def make(settings): raise ValueError('no modem')\n")
    install(site, "broken", {SMS_TRANSPORTS: {"modem": "broken:make"}})

    with pytest.raises(SettingsFault, match="modem: no modem"):
        open_senders(Settings.model_validate(example_settings(sms={"transport": "modem"})))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"acr": "phr"}, "acr is one of"),
        ({"acr": "urn:sesame:acr:2sv"}, "amr has mfa exactly where"),
        ({"amr": ("pwd", "otp")}, "amr has mfa exactly where"),
        ({"amr": ("otp", "mfa")}, "amr has pwd"),
        ({"amr": ("pwd", "magic", "mfa")}, "amr has pwd"),
        ({"missing": "hint"}, "has no text hint in"),
        ({"speaks": ["fr"]}, "has no texts in en"),
    ],
)
def test_a_factor_that_promises_too_much_or_says_too_little_stops_the_start(
    site: Path, start: Callable[..., list[str]], changes: dict[str, Any], said: str
) -> None:
    (site / "broken.py").write_text(f"""
from idp.mfa.second_factor import TEXTS
class Factor:
    acr = {changes.get("acr", "urn:sesame:acr:mfa")!r}
    amr = {changes.get("amr", ("pwd", "otp", "mfa"))!r}
    def __init__(self, settings): pass
    def texts(self, locale):
        spoken = dict.fromkeys({changes.get("speaks", ["fr", "en"])!r}, TEXTS)
        return {{name: "text" for name in spoken[locale] if name != {changes.get("missing")!r}}}
""")
    install(site, "broken", {SECOND_FACTORS: {"card": "broken:Factor"}})

    faults = start(second_factors=("card",))

    assert any(said in fault for fault in faults), faults
    assert all(fault.startswith("second_factors: card: ") for fault in faults)
