"""Where a person is signed in, and signing out from afar."""

from tests.conftest import Clock
from tests.selfservice.conftest import BOB_NIR, BOB_PASSWORD, SAFARI, NewPerson, Person


def sid_of(person: Person) -> str:
    """Return the session that the first button would end."""
    form = next(form for form in person.browser.forms(person.text) if form[""].endswith("/sessions/end"))
    return form["sid"]


def test_every_open_browser_is_listed_and_this_one_marked(person: Person, new_person: NewPerson) -> None:
    new_person(SAFARI).enter()

    person.enter("/account/sessions")

    assert "Firefox (Windows)" in person.text
    assert "Safari (iPhone)" in person.text
    assert person.text.count("Cet appareil") == 1
    assert person.text.count("/account/sessions/end") == 1


def test_one_that_time_ended_is_not_listed(person: Person, new_person: NewPerson, clock: Clock) -> None:
    new_person(SAFARI).enter()
    clock.step(minutes=31)

    person.enter("/account/sessions")

    assert "Safari" not in person.text


def test_a_browser_is_signed_out_from_afar(person: Person, new_person: NewPerson) -> None:
    phone = new_person(SAFARI)
    phone.sign_in()
    person.enter("/account/sessions")

    person.submit("sessions/end", sid=sid_of(person))

    assert person.path == "/account/sessions"
    assert "Safari" not in person.text
    assert phone.open("/account").step == "identify"


def test_ac_169_a_session_of_somebody_else_is_none(person: Person, new_person: NewPerson, bob: str) -> None:
    new_person(SAFARI).enter()
    person.enter("/account/sessions")
    alices = sid_of(person)
    other = new_person().enter("/account/sessions", nir=BOB_NIR, password=BOB_PASSWORD)

    for sid in (alices, "", "x" * 22, "x" * 500, "%"):
        assert other.post("/account/sessions/end", sid=sid).page.status_code == 404
    assert alices in person.open("/account/sessions").text


def test_signing_out_everywhere_ends_every_browser(person: Person, new_person: NewPerson) -> None:
    phone = new_person(SAFARI).enter()
    person.enter("/account/sessions")

    person.submit("sessions/everywhere")

    assert "déconnecté partout" in person.text
    assert person.page.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert phone.open("/account").step == "identify"
    assert person.open("/account").step == "identify"


def test_ac_173_after_signing_out_the_next_person_sees_their_own_account(person: Person, bob: str) -> None:
    person.enter("/account/sessions").submit("sessions/everywhere")

    person.enter("/account/sessions", nir=BOB_NIR, password=BOB_PASSWORD)

    assert person.text.count("Firefox (Windows)") == 1
