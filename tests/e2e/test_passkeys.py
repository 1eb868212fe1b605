"""Face or fingerprint in a real browser, with Chromium's virtual authenticator: turned on, used, removed, refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.e2e.conftest import NewVisitor
from tests.e2e.demonstration import Demonstration, code_in, wait_until
from tests.e2e.visitor import Visitor

EMAIL_LEVEL = "urn:sesame:acr:2sv"
SMALL = {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True}
WIDE = {"viewport": {"width": 1280, "height": 900}}
CAMILLE = "camille.martin@example.org"


class Phone:
    """The authenticator of a browser page, which survives its visits."""

    def __init__(self, page: Any, *, automatic: bool = True) -> None:
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": automatic,
            "defaultBackupEligibility": True,
            "defaultBackupState": True,
        }
        self.id = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def let(self, person_is_there: bool) -> None:
        """Have somebody at the sensor, or nobody."""
        self._cdp.send(
            "WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": self.id, "enabled": person_is_there}
        )

    def recognise(self, is_right: bool) -> None:
        """Recognise the face, or not."""
        self._cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": is_right})

    @property
    def count(self) -> int:
        found = self._cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        return len(found["credentials"])


@pytest.fixture
def tidy(demonstration: Demonstration) -> Iterator[None]:
    """Every test has the one account: leave it without passkeys."""
    yield
    empty(demonstration, "passkeys")


def empty(demonstration: Demonstration, table: str) -> None:
    url = demonstration.environ.get("IDP_DATABASE_URL", f"sqlite:///{demonstration.folder}/sesame.db")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {table}"))
    engine.dispose()


def enter(visitor: Visitor) -> None:
    """Open « Gérer mon compte » by password and code."""
    visitor.page.goto(f"{visitor.demonstration.addresses.provider}/account/passkeys")
    if visitor.page.locator("#nir").count():
        visitor.identify()
        visitor.type_code(code_in(visitor.choose_and_send("email")))
    visitor.page.locator("#passkey-add").wait_for()


def turn_on(visitor: Visitor, name: str, *, look: bool = False) -> None:
    enter(visitor)
    visitor.press("passkey-add")
    visitor.page.locator("#passkey-create").wait_for()
    if look:
        visitor.look("add")
    visitor.page.locator("#passkey-create").click()
    visitor.page.locator("#name").wait_for()
    if look:
        visitor.look("name")
    visitor.page.locator("#name").fill(name)
    visitor.press("passkey-name")
    visitor.page.get_by_role("heading", name=name).wait_for()
    if look:
        visitor.look("list")


def remove_first(visitor: Visitor, *, look: bool = False) -> None:
    visitor.page.locator("a[href$='/remove']").first.click()
    visitor.page.locator("#passkey-remove").wait_for()
    if look:
        visitor.look("remove")
    visitor.press("passkey-remove")
    visitor.page.locator("#passkey-add").wait_for()


def forget_sessions(visitor: Visitor) -> None:
    """Come back another day: no session, the phone still there."""
    # An answer that is still on its way would bring its cookie back.
    visitor.page.goto("about:blank")
    visitor.page.context.clear_cookies()


def press_passkey(visitor: Visitor) -> None:
    visitor.page.locator("#passkey-submit").click()


def came_back(visitor: Visitor) -> None:
    visitor.page.wait_for_url(f"{visitor.demonstration.addresses.rp}/profile")
    assert visitor.page.locator("#verified").is_visible()


@pytest.mark.parametrize(
    "screen",
    [
        pytest.param(WIDE, id="wide", marks=pytest.mark.look),
        pytest.param({**SMALL, "color_scheme": "dark"}, id="small-dark"),
    ],
)
def test_a_device_is_turned_on_signs_in_is_removed_and_refused(
    new_visitor: NewVisitor, tidy: None, screen: dict[str, Any]
) -> None:
    visitor = new_visitor(**screen)
    phone = Phone(visitor.page)
    turn_on(visitor, "Téléphone de Camille", look=True)
    assert phone.count == 1
    assert "Sauvegardé par votre compte" in visitor.page.locator("#passkeys").inner_text()

    forget_sessions(visitor)
    phone.let(False)
    visitor.go_to_sign_in()
    visitor.page.locator("#passkey-submit").wait_for()
    visitor.look("identify")
    phone.let(True)
    press_passkey(visitor)
    came_back(visitor)
    assert visitor.claim("acr") == "phr"
    assert visitor.claim("amr") == "pop, user, mfa"
    assert visitor.claim("email", "userinfo") == CAMILLE

    # Removed from another computer, so that the phone does not know yet.
    elsewhere = new_visitor(**screen)
    enter(elsewhere)
    remove_first(elsewhere, look=True)
    forget_sessions(visitor)
    phone.let(False)
    visitor.page.goto(f"{visitor.demonstration.addresses.rp}/login")
    visitor.page.locator("#passkey-submit").wait_for()
    phone.let(True)
    press_passkey(visitor)
    visitor.page.get_by_text("Cet accès a été supprimé de votre compte").wait_for()
    visitor.look("refused")
    assert "/profile" not in visitor.page.url
    # And has been told.
    wait_until(lambda: phone.count == 0, 5, "the phone keeps it")


def test_what_is_removed_here_is_forgotten_by_the_phone_here(new_visitor: NewVisitor, tidy: None) -> None:
    visitor = new_visitor(**WIDE)
    phone = Phone(visitor.page)
    turn_on(visitor, "Ordinateur")

    remove_first(visitor)

    wait_until(lambda: phone.count == 0, 5, "the phone keeps it")


def test_it_is_offered_among_the_suggestions_of_the_number(new_visitor: NewVisitor, tidy: None) -> None:
    """Chromium's virtual authenticator chooses the one suggestion there is, as a person would."""
    visitor = new_visitor(**WIDE)
    Phone(visitor.page)
    turn_on(visitor, "Ordinateur")
    forget_sessions(visitor)

    visitor.page.goto(f"{visitor.demonstration.addresses.rp}/login")

    came_back(visitor)
    assert visitor.claim("acr") == "phr"


def test_it_is_the_second_step_after_the_password(new_visitor: NewVisitor, tidy: None) -> None:
    visitor = new_visitor(**WIDE)
    phone = Phone(visitor.page)
    turn_on(visitor, "Ordinateur")
    forget_sessions(visitor)
    phone.let(False)
    visitor.go_to_sign_in()
    visitor.identify()
    visitor.page.locator("#send-code").wait_for()
    visitor.page.locator("#passkey-submit").wait_for()
    visitor.look("send")

    phone.let(True)
    press_passkey(visitor)

    came_back(visitor)
    assert visitor.claim("acr") == "phr"
    assert visitor.claim("amr") == "pwd, pop, user, mfa"


def test_a_face_that_is_not_recognised_leaves_the_other_way_open(new_visitor: NewVisitor, tidy: None) -> None:
    visitor = new_visitor(**WIDE)
    phone = Phone(visitor.page)
    turn_on(visitor, "Ordinateur")
    forget_sessions(visitor)
    phone.recognise(False)
    visitor.go_to_sign_in()
    press_passkey(visitor)
    visitor.page.get_by_text("Vous avez annulé ou attendu trop longtemps").wait_for()
    visitor.look("cancelled")

    visitor.identify()
    visitor.type_code(code_in(visitor.choose_and_send("email")))

    came_back(visitor)
    assert visitor.claim("acr") == EMAIL_LEVEL


def test_without_javascript_a_code_signs_in_as_ever(new_visitor: NewVisitor, tidy: None) -> None:
    owner = new_visitor(**WIDE)
    Phone(owner.page)
    turn_on(owner, "Ordinateur")
    visitor = new_visitor(java_script_enabled=False)

    visitor.go_to_sign_in()
    assert not visitor.page.locator("#passkey-submit").is_visible()
    visitor.identify()
    assert not visitor.page.locator("#passkey-submit").is_visible()
    visitor.type_code(code_in(visitor.choose_and_send("email")))

    came_back(visitor)
    assert visitor.claim("acr") == EMAIL_LEVEL


def test_two_people_at_one_browser_are_never_mixed(new_visitor: NewVisitor, tidy: None) -> None:
    """Both passkeys are on one phone: each account lists its own, and each sign-in is its own person."""
    demonstration = new_visitor().demonstration
    nir, password, email = "2 75 03 75 120 005", "autre-motdepasse-2", "dominique@example.org"
    demonstration.command(
        "accounts", "add", "--nir", nir.replace(" ", ""), "--password", password, "--email", email
    )  # fmt: skip
    visitor = new_visitor(**WIDE)
    phone = Phone(visitor.page)
    turn_on(visitor, "Téléphone de Camille")
    forget_sessions(visitor)
    # The sign-in page asks the phone by itself: it must be silent before.
    phone.let(False)
    visitor.page.goto(f"{demonstration.addresses.provider}/account/passkeys")
    visitor.identify(nir, password)
    visitor.type_code(code_in(visitor.choose_and_send("email")))
    visitor.page.locator("#passkey-add").wait_for()

    assert "Camille" not in visitor.page.locator("main").inner_text()
    visitor.press("passkey-add")
    phone.let(True)
    visitor.page.locator("#passkey-create").click()
    visitor.page.locator("#name").wait_for()
    assert phone.count == 2

    # The password of one and the passkey of the other: only the one's own passkey is asked for.
    forget_sessions(visitor)
    phone.let(False)
    visitor.go_to_sign_in()
    visitor.identify(nir, password)
    visitor.page.locator("#passkey-submit").wait_for()
    phone.let(True)
    press_passkey(visitor)
    came_back(visitor)
    assert visitor.claim("email", "userinfo") == email
