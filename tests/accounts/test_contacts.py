"""Which addresses and numbers we write to, and how much of them a page shows (ux.md §2.5)."""

import pytest
from email_validator import EmailNotValidError, validate_email

from idp.accounts.contacts import ContactFault, email_key, mask_email, mask_mobile, parse_email, parse_mobile


@pytest.mark.parametrize(
    ("typed", "email"),
    [
        ("jean@orange.fr", "jean@orange.fr"),
        ("  jean@orange.fr\n", "jean@orange.fr"),
        ("Jean.Dupont+caf@Orange.FR", "Jean.Dupont+caf@orange.fr"),
        ("o'neill@laposte.net", "o'neill@laposte.net"),
        ("jean@cafe\u0301.fr", "jean@café.fr"),
    ],
)
def test_an_address_gets_its_one_spelling(typed: str, email: str) -> None:
    assert parse_email(typed) == email


@pytest.mark.parametrize(
    "typed",
    [
        "jean", "jean@", "@orange.fr", "jean@orange", "jean@@orange.fr", "jean@orange..fr", "jean@[127.0.0.1]",
        "jean@localhost",
        "jean@orange.fr\r\nBcc: x@y.fr", "jean\0@orange.fr", "jean@orange.fr, paul@free.fr", "Jean <jean@orange.fr>",
        '"jean dupont"@orange.fr', "a" * 65 + "@orange.fr", "a@" + "b" * 260 + ".fr",
    ],
)  # fmt: skip
def test_what_is_no_single_address_is_refused(typed: str) -> None:
    with pytest.raises(ContactFault) as fault:
        parse_email(typed)

    assert fault.value.reason == "format"
    assert "jean" not in repr(fault.value)


@pytest.mark.parametrize("parse", [parse_email, parse_mobile])
def test_nothing_is_told_apart_from_something_wrong(parse: object) -> None:
    with pytest.raises(ContactFault, match="empty"):
        parse("  ")  # type: ignore[operator]


@pytest.mark.parametrize(
    "typed",
    [
        "jean@orange.fr", "j_d-x.y9@Orange.FR", "Postmaster@orange.fr", "jean@CAF\u00c9.fr", "a" * 64 + "@orange.fr",
        "a" * 65 + "@orange.fr", "jean.@orange.fr", "a..b@orange.fr", "a@" + "b" * 60 + ("." + "b" * 60) * 3 + ".fr",
        "jean@orange.fr.", "jean@xn--caf-dma.fr", "jean@orange", "jean@test",
    ],
)  # fmt: skip
def test_the_short_way_says_what_the_library_says(typed: str) -> None:
    try:
        said = validate_email(typed, check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        said = "refused"

    # Twice: the second time the domain is known.
    for _ in range(2):
        try:
            found = parse_email(typed)
        except ContactFault:
            found = "refused"
        assert found == said


def test_case_does_not_make_two_mailboxes() -> None:
    assert email_key(parse_email("Jean@Orange.fr")) == email_key(parse_email("jean@orange.FR"))


@pytest.mark.usefixtures("context")
class TestMobile:
    @pytest.mark.parametrize(
        ("typed", "mobile"),
        [
            ("0612345678", "+33612345678"),
            ("06 12 34 56 78", "+33612345678"),
            ("06.12.34.56.78", "+33612345678"),
            ("06-12-34-56-78", "+33612345678"),
            ("+33 6 12 34 56 78", "+33612345678"),
            ("+33 (0)6 12 34 56 78", "+33612345678"),
            ("0033612345678", "+33612345678"),
            ("07 81 23 45 67", "+33781234567"),
            ("06\u00a012\u00a034\u00a056\u00a078", "+33612345678"),
            ("０６１２３４５６７８", "+33612345678"),
            ("0692 12 34 56", "+262692123456"),  # Réunion, typed as there
            ("+262 692 12 34 56", "+262692123456"),
            ("0639 01 23 45", "+262639012345"),  # Mayotte
            ("0690 30 12 34", "+590690301234"),  # Guadeloupe
            ("0694 20 12 34", "+594694201234"),  # Guyane
            ("0696 20 12 34", "+596696201234"),  # Martinique
            ("+508 55 12 34", "+508551234"),  # Saint-Pierre-et-Miquelon
            ("+687 75 12 34", "+687751234"),  # Nouvelle-Calédonie
            ("+689 87 12 34 56", "+68987123456"),  # Polynésie
        ],
    )
    def test_a_french_mobile_is_read_as_people_write_it(self, typed: str, mobile: str) -> None:
        assert parse_mobile(typed) == mobile

    @pytest.mark.parametrize(
        ("typed", "reason"),
        [
            ("0123456789", "not-mobile"),
            ("0912345678", "not-mobile"),
            ("0899123456", "not-mobile"),
            ("0820123456", "not-mobile"),
            ("+33 1 23 45 67 89", "not-mobile"),
            ("0262 20 12 34", "not-mobile"),
            ("+49 1512 3456789", "country"),
            ("+44 7400 123456", "country"),
            ("+7 912 345 67 89", "country"),
            ("061234567", "format"),
            ("06123456789", "format"),
            ("3949", "format"),
            ("112", "format"),
            ("bonjour", "format"),
            ("0612345678\0", "format"),
            ("+", "format"),
            ("0" * 100, "format"),
        ],
    )
    def test_what_costs_money_or_delivers_nothing_is_refused(self, typed: str, reason: str) -> None:
        with pytest.raises(ContactFault) as fault:
            parse_mobile(typed)

        assert fault.value.reason == reason


@pytest.mark.parametrize(
    ("email", "text", "first", "last", "domain"),
    [
        ("jean@orange.fr", "j•••••n@orange.fr", "j", "n", "orange.fr"),
        ("jean.dupont.martin@gmail.com", "j•••••n@gmail.com", "j", "n", "gmail.com"),
        ("jd@free.fr", "j•••••@free.fr", "j", "", "free.fr"),
        ("j@free.fr", "j•••••@free.fr", "j", "", "free.fr"),
        ("jean@cabinet-dupont.fr", "j•••••n@c•••.fr", "j", "n", "c•••.fr"),
        ("jean@mail.dupont.co.uk", "j•••••n@m•••.uk", "j", "n", "m•••.uk"),
    ],
)
def test_an_address_shows_two_letters_and_only_a_public_domain(
    email: str, text: str, first: str, last: str, domain: str
) -> None:
    masked = mask_email(email)

    assert (masked.text, masked.first, masked.last, masked.domain) == (text, first, last, domain)


@pytest.mark.parametrize("mobile", ["+33612345647", "+262692123447", "+508551247"])
def test_a_number_shows_its_last_two_digits(mobile: str) -> None:
    masked = mask_mobile(mobile)

    assert (masked.text, masked.ending) == ("•• •• •• •• 47", "47")
