"""Every template renders in every language with nothing left undefined, and keeps the promises of the frame."""

import re
from html.parser import HTMLParser

import pytest

from tests.pages.conftest import IDP, Render
from tests.pages.samples import CASES, SAMPLES, SERVICE, TEMPLATES

LOCALES = ("fr", "en")
everything = pytest.mark.parametrize(("template", "case"), CASES)
in_both = pytest.mark.parametrize("locale", LOCALES)


class Page(HTMLParser):
    """The tags of a page, and whether they close as they should."""

    void = frozenset({"meta", "link", "input", "img", "br", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def all(self, *names: str) -> list[dict[str, str | None]]:
        """Return the attributes of each tag of these names."""
        return [attrs for tag, attrs in self.tags if tag in names]

    @property
    def ids(self) -> list[str]:
        return [str(attrs["id"]) for _tag, attrs in self.tags if "id" in attrs]


def test_every_page_template_has_a_sample() -> None:
    pages = {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html")}

    mails = {name for name in pages if name.startswith("mail/")}
    assert set(SAMPLES) == pages - mails - {
        "layout.html",
        "macros.html",
        "account/frame.html",
        "admin/frame.html",
        "admin/pieces.html",
        "admin/plots.html",
        "admin/support_banner.html",
        "help/pictograms.html",
        "signin/typed.html",
    }


@in_both
@everything
def test_a_page_keeps_the_promises_of_the_frame(render: Render, template: str, case: str, locale: str) -> None:
    """It is well formed, loads nothing from elsewhere, says what belongs together, and sends its token with each form.

    One test, for a page is rendered and read once.
    """
    html = render(template, case, locale)
    page = Page(html)

    check_is_well_formed(page, html, locale)
    check_loads_nothing_from_elsewhere_and_needs_no_weak_policy(page)
    check_labels_and_descriptions_point_at_something(page)
    if template != "form_post.html":
        check_every_form_of_ours_carries_its_token(html)


def check_is_well_formed(page: Page, html: str, locale: str) -> None:
    assert not page.open
    assert len(page.ids) == len(set(page.ids)), "an id stands twice"
    assert page.all("html") == [{"lang": locale, "dir": "ltr"}]
    assert page.all("body")[0]["data-reference"] == "7KQ-4MX"
    assert len(page.all("h1")) == 1
    assert len(html.encode()) < 20_000


def check_loads_nothing_from_elsewhere_and_needs_no_weak_policy(page: Page) -> None:
    for tag, attrs in page.tags:
        assert "style" not in attrs, tag
        assert not [name for name in attrs if name.startswith("on")], tag
    loaded = [attrs.get("src") or attrs.get("href") for attrs in page.all("script", "link", "img")]
    assert loaded
    assert all(str(url).startswith(("/static/", "/logos/")) for url in loaded)
    assert all(script["nonce"] == "Tm9uY2U" for script in page.all("script"))
    for frame in page.all("iframe"):
        assert re.match(r"/[a-z]", str(frame["src"])), "a page of ours"
        assert frame["sandbox"] == "", "which may do nothing"


def check_labels_and_descriptions_point_at_something(page: Page) -> None:
    ids = set(page.ids)
    for _tag, attrs in page.tags:
        for name in ("for", "aria-describedby", "aria-labelledby", "aria-controls"):
            assert set(str(attrs.get(name) or "").split()) <= ids
        href = attrs.get("href") or ""
        if href.startswith("#"):
            assert href[1:] in ids
    labelled = {label["for"] for label in page.all("label")}
    typed = {field["id"] for field in page.all("input") if field.get("type") != "hidden"}
    assert typed <= labelled


def check_every_form_of_ours_carries_its_token(html: str) -> None:
    for form in re.findall(r"<form\b.*?</form>", html, re.S):
        scope = (re.search(r'action="/(?:signin/|device/confirm/)?([^"/]+)', form) or [None, ""])[1]
        if 'method="get"' not in form:
            assert f'<input type="hidden" name="csrf" value="token-of-{scope}">' in form


@pytest.mark.parametrize("template", [name for name in SAMPLES if name.startswith("errors/")])
def test_an_error_page_renders_when_nothing_else_is_known(render: Render, template: str) -> None:
    def no_store(_scope: str) -> str:
        raise AssertionError("an error page must not ask the stores")

    html = render(template, code="x", restart_url=None, csrf=no_store)

    assert "7KQ-4MX" in html


@pytest.mark.parametrize(
    ("template", "case", "ids"),
    [
        ("signin/identify.html", "first", {"nir", "password", "signin-submit", "signin-cancel"}),
        ("signin/identify.html", "passkey", {"nir", "password", "signin-submit", "passkey-submit", "signin-cancel"}),
        ("signin/send.html", "passkey", {"channel-email", "send-code", "passkey-submit"}),
        ("signin/send.html", "two", {"channel-email", "channel-sms", "send-code", "signin-cancel"}),
        ("signin/code.html", "sent", {"code", "code-submit", "resend-code", "other-method", "signin-cancel"}),
        ("signin/consent.html", "some", {"consent-allow", "consent-deny"}),
        ("device/enter.html", "first", {"user-code", "user-code-submit"}),
        ("device/link.html", "near", {"user-code-submit"}),
        ("device/confirm.html", "near", {"origin-seen", "origin-given", "device-allow", "device-deny"}),
        ("device/confirm.html", "far", {"origin-seen", "user-code", "device-allow", "device-deny"}),
        ("device/connected.html", "", {"device-undo"}),
        ("logout/confirm.html", "", {"logout-confirm"}),
    ],
)
def test_the_frozen_ids_are_there(render: Render, template: str, case: str, ids: set[str]) -> None:
    assert ids <= set(Page(render(template, case)).ids)


def test_the_form_of_an_answer_is_sent_by_a_script_that_old_browsers_read_too(render: Render) -> None:
    html = render("form_post.html", "")
    script = (IDP / "static" / "send.js").read_text(encoding="utf-8")

    assert re.findall(r'src="/static/([^"]+)"', html) == ["send.js"]
    assert not re.search(r"=>|`|\b(?:const|let|async|await|class)\b|\?\.", re.sub(r"//.*", "", script))


def test_what_others_named_is_escaped(render: Render) -> None:
    """AC: a client's name, a state or a mask with markup in it stays text."""
    html = "".join(render(template, case) for template, case in CASES)

    assert SERVICE not in html
    assert "Prime d’activité &lt;&amp;&gt; Démonstration" in html
    assert '"><script>' not in html


def test_errors_come_first_beside_their_field_and_in_the_title(render: Render) -> None:
    html = render("signin/identify.html", "two errors")

    assert "<title>Erreur – Se connecter à Mon Compte" in html
    assert "Il y a 2 points à corriger" in html
    assert html.index('id="error-summary"') < html.index("<h1>")
    assert html.count("Écrivez votre mot de passe.") == 2
    assert 'aria-describedby="nir-hint nir-error"' in html


def test_two_words_about_one_field_are_one_thing_to_fix(render: Render) -> None:
    html = render("signin/code.html", "wrong")

    assert "Il y a un point à corriger" in html
    assert "Ce n’est pas le bon code. Il reste 1 essai.</a>" in html


def test_the_password_is_never_written_back(render: Render) -> None:
    page = Page(render("signin/identify.html", "wrong"))

    fields = {field["id"]: field for field in page.all("input") if "id" in field}
    assert fields["nir"]["value"] == "1991399999001"
    assert "value" not in fields["password"]
    assert fields["password"]["autocomplete"] == "current-password"


def test_the_code_field_can_be_filled_by_the_device_and_pasted_into(render: Render) -> None:
    page = Page(render("signin/code.html", "sent"))

    field = next(field for field in page.all("input") if field.get("id") == "code")
    assert field["type"] == "text"
    assert field["inputmode"] == "numeric"
    assert field["autocomplete"] == "one-time-code"
    assert not {"maxlength", "pattern"} & set(field)


def test_dots_are_for_the_eye_and_words_for_the_ear(render: Render) -> None:
    html = render("signin/send.html", "two")

    assert '<span aria-hidden="true">j•••••n@orange.fr</span><span class="sr-only">adresse qui' in html


@in_both
@pytest.mark.parametrize("device", ["Firefox (Windows)", ""])
def test_the_mail_says_the_same_as_text_and_as_page(render: Render, locale: str, device: str) -> None:
    from tests.pages.samples import MAIL

    text = render("mail/code.txt", locale=locale, **{**MAIL, "device": device, "service": "Démonstration"})
    html = render("mail/code.html", locale=locale, **{**MAIL, "device": device, "service": "Démonstration"})

    assert "482915" in text
    assert "482915" in html
    for word in ("7KQ-4MX", "Démonstration", "caf.fr", device):
        assert word in text
        assert word in html
    assert "<a " not in html
    assert "http" not in text + html
    assert max(map(len, text.splitlines())) <= 78


@in_both
def test_the_easy_help_has_six_steps_each_with_its_picture(render: Render, locale: str) -> None:
    page = Page(render("help/easy.html", "", locale))

    pictures = [attrs for attrs in page.all("svg") if attrs.get("class") == "pictogram"]

    assert len(pictures) == 6
    assert all(picture["aria-hidden"] == "true" for picture in pictures)
