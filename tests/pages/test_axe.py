"""In a real browser: no accessibility violation, nothing from elsewhere, nothing cut off, in light and in dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright

from tests.pages.conftest import IDP, Render
from tests.pages.samples import CASES, SAMPLES

pytestmark = pytest.mark.e2e
ORIGIN = "https://idp.test"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
HEAVIEST = 60_000
# The first two for every case, all four for one case of each page.
LOOKS = (("dark", 320), ("light", 1280), ("light", 320), ("dark", 1280))
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# What `idp/guard.py` sends, as far as a page can break it.
_POLICY = (
    "default-src 'none'; script-src 'nonce-Tm9uY2U'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


class Visit:
    """One page shown to a browser that has no network, and what went by."""

    def __init__(self, browser: Browser, html: str, *, width: int, script: bool = True) -> None:
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.weight = len(html.encode())
        self._html = html
        # Reduced motion: colours half-way between two schemes are no page's colours.
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=script, reduced_motion="reduce"
        )
        self.page: Page = self.context.new_page()
        self.page.route("**/*", self._answer)
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda fault: self.complaints.append(str(fault)))
        self.page.goto(f"{ORIGIN}/signin/x/page", wait_until="commit" if script and "data-send" in html else "load")

    def _answer(self, route: Route) -> None:
        url = route.request.url
        if not url.startswith(ORIGIN):
            self.foreign.append(url)
            route.abort()
        elif url.startswith(f"{ORIGIN}/static/"):
            file = IDP / "static" / Path(url).name
            self.weight += file.stat().st_size
            route.fulfill(body=file.read_bytes(), content_type=_TYPES[file.suffix])
        elif url.endswith("/callback"):
            route.fulfill(body="received", content_type="text/plain")
        else:
            headers = {"Content-Security-Policy": _POLICY, "Content-Type": "text/html; charset=utf-8"}
            route.fulfill(body=self._html, headers=headers)


@pytest.mark.parametrize(("template", "case"), [case for case in CASES if case[0] != "form_post.html"])
def test_a_page_is_accessible_light_small_and_our_own(
    chromium: Browser, render: Render, template: str, case: str
) -> None:
    visit = Visit(chromium, render(template, case), width=320)
    first_of_its_page = case == next(iter(SAMPLES[template]))

    for scheme, width in LOOKS if first_of_its_page else LOOKS[:2]:
        visit.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        visit.page.set_viewport_size({"width": width, "height": 900})
        where = f"{template} [{case}] {scheme} {width}"
        # WCAG 1.4.10: at 320 pixels nothing scrolls sideways.
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
        result = Axe().run(visit.page, options=RULES)
        assert result.violations_count == 0, f"{where}\n{result.generate_report()}"

    assert not visit.foreign
    assert not visit.complaints
    assert visit.weight < HEAVIEST


@pytest.mark.parametrize(("template", "case"), CASES)
def test_what_is_pressed_is_large_enough(chromium: Browser, render: Render, template: str, case: str) -> None:
    """WCAG 2.5.8 asks for 24 pixels; ours are 44, links in running text apart."""
    visit = Visit(chromium, render(template, case), width=320, script=template != "form_post.html")

    small = visit.page.evaluate(
        """() => [...document.querySelectorAll("button, .button, summary, input:not([type=hidden]), .languages a")]
            .filter(e => e.type !== "radio" && e.offsetParent && e.getBoundingClientRect().height < 43.5)
            .map(e => e.outerHTML)"""
    )
    visit.context.close()

    assert not small


def test_the_first_error_has_the_focus(chromium: Browser, render: Render) -> None:
    for script in (True, False):
        visit = Visit(chromium, render("signin/identify.html", "two errors"), width=1280, script=script)
        focused = visit.page.locator("#error-summary:focus")
        assert focused.count() == 1, f"with script: {script}"
        visit.context.close()


def test_the_password_can_be_shown_and_hidden(chromium: Browser, render: Render) -> None:
    visit = Visit(chromium, render("signin/identify.html", "first"), width=320)
    page = visit.page
    page.fill("#password", "secret")

    page.click("#password-show")

    assert page.get_attribute("#password", "type") == "text"
    assert page.inner_text("#password-show") == "Masquer"
    assert page.get_attribute("#password-show", "aria-label") == "Masquer le mot de passe"
    assert page.text_content("#password-status") == "Votre mot de passe est affiché."
    page.click("#password-show")
    assert page.get_attribute("#password", "type") == "password"
    visit.context.close()


def test_the_number_is_read_back_in_groups_and_letters_can_be_had(chromium: Browser, render: Render) -> None:
    visit = Visit(chromium, render("signin/identify.html", "first"), width=320)
    page = visit.page

    page.fill("#nir", "1991399999001")

    assert page.inner_text("#nir-echo").replace("\u00a0", " ") == "1 99 13 99 999 001"
    assert page.get_attribute("#nir", "inputmode") == "numeric"
    page.click("#nir-letters")
    assert page.get_attribute("#nir", "inputmode") == "text"
    assert page.evaluate("document.activeElement.id") == "nir"
    visit.context.close()


def test_asking_again_waits_and_says_so(chromium: Browser, render: Render) -> None:
    visit = Visit(chromium, render("signin/code.html", "sent", resend_in=2), width=320)
    page = visit.page
    page.click("summary")

    assert page.get_attribute("#resend-code", "aria-disabled") == "true"
    assert "secondes" in page.inner_text("#resend-wait")
    page.wait_for_selector("#resend-code:not([aria-disabled])", timeout=6000)
    assert page.text_content("#resend-status") == "Vous pouvez redemander le code."
    visit.context.close()


def test_without_script_nothing_waits_for_it(chromium: Browser, render: Render) -> None:
    visit = Visit(chromium, render("signin/identify.html", "first"), width=320, script=False)

    assert visit.page.is_visible("#signin-submit")
    assert not visit.page.is_visible("#password-show")
    assert not visit.page.is_visible("#nir-letters")
    assert visit.page.get_attribute("#nir", "inputmode") is None
    visit.context.close()


def test_a_tab_looked_at_again_follows_the_sign_in(chromium: Browser, render: Render) -> None:
    visit = Visit(chromium, render("signin/code.html", "sent"), width=320)
    asked: list[str] = []

    def moved(route: Route) -> None:
        asked.append(route.request.resource_type)
        route.fulfill(status=303, headers={"Location": f"{ORIGIN}/callback"})

    visit.page.route("**/signin/x/page", moved)

    with visit.page.expect_request(lambda request: request.is_navigation_request()):
        visit.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    assert asked[0] == "fetch"
    visit.context.close()


def test_the_answer_is_posted_by_itself(chromium: Browser, render: Render) -> None:
    visit = Visit(
        chromium,
        render("form_post.html", redirect_uri=f"{ORIGIN}/callback", fields={"code": "abc", "state": "d e"}),
        width=320,
    )

    visit.page.wait_for_url(f"{ORIGIN}/callback")
    visit.context.close()
