"""In a real browser: no accessibility violation, nothing from elsewhere, nothing cut off, in light and in dark."""

import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Route

from tests.pages.conftest import IDP, Render
from tests.pages.samples import CASES, NOW, SAMPLES

pytestmark = pytest.mark.e2e
ORIGIN = "https://idp.test"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What colours and widths can change; the other rules read the same document again.
RULES_OF_A_LOOK = {"type": "rule", "values": ["color-contrast", "target-size", "link-in-text-block"]}
HEAVIEST = 60_000
LOOKS = (("light", 320), ("dark", 320), ("light", 1280), ("dark", 1280))
LANGUAGES = ("fr", "en")
# WCAG 1.4.12, in a style sheet that the policy of the page lets through.
SPACED_OUT = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
        * { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
        p { margin-block-end: 2em !important }`);
    document.adoptedStyleSheets = [sheet];
}"""
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# What `idp/guard.py` sends, as far as a page can break it.
_POLICY = (
    "default-src 'none'; script-src 'nonce-Tm9uY2U'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# A page that is left behind starts nothing more: what it said would be heard as the next one's.
_STOP_TIMERS = "() => { for (let last = setTimeout(() => {}); last > 0; last--) clearTimeout(last) }"


@pytest.fixture(scope="session")
def still(chromium: Browser) -> Iterator[BrowserContext]:
    """Return one profile for all pages that are only looked at, with axe in each document before its own scripts."""
    context = chromium.new_context(reduced_motion="reduce")
    context.add_init_script(Axe().axe_script)
    context.new_page()
    yield context
    context.close()


class Visit:
    """One page shown to a browser that has no network, and what went by.

    In a profile of its own, or in the one page of a profile that is given.
    """

    def __init__(
        self, browser: Browser | BrowserContext, html: str, *, width: int = 320, script: bool = True,
        scheme: str = "light", clock: bool = False,
    ) -> None:  # fmt: skip
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.weight = len(html.encode())
        self.html = html
        if isinstance(browser, BrowserContext):
            self.context, self.page = None, browser.pages[0]
        else:
            # Reduced motion: colours half-way between two schemes are no page's colours.
            self.context = browser.new_context(java_script_enabled=script, reduced_motion="reduce")
            self.page = self.context.new_page()
        self.show(scheme, width)
        self.page.route("**/*", self._answer)
        self.page.on("console", self._hear)
        self.page.on("pageerror", self._note)
        if clock:
            self.page.clock.install()
        self.page.goto(f"{ORIGIN}/signin/x/page", wait_until="commit" if script and "data-send" in html else "load")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.context is not None:
            self.context.close()
            return
        # As a new one, but for what axe and the browser know already.
        self.page.remove_listener("console", self._hear)
        self.page.remove_listener("pageerror", self._note)
        self.page.evaluate(_STOP_TIMERS)
        self.page.unroute_all(behavior="wait")

    def show(self, scheme: str, width: int) -> None:
        """Show the page in a look."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]

    def fits(self) -> bool:
        """Tell whether nothing scrolls sideways (WCAG 1.4.10)."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(said.text)

    def _note(self, fault: Error) -> None:
        self.complaints.append(str(fault))

    def _answer(self, route: Route) -> None:
        url = route.request.url
        if not url.startswith(ORIGIN):
            self.foreign.append(url)
            route.abort()
        elif url.startswith(f"{ORIGIN}/static/"):
            file = IDP / "static" / Path(url).name
            self.weight += file.stat().st_size
            route.fulfill(body=file.read_bytes(), content_type=_TYPES[file.suffix])
        elif url.startswith(f"{ORIGIN}/admin/messages/"):
            # What stands in the frame is a document of its own (`console/messages.py`).
            route.fulfill(body="<!doctype html><html lang=fr><title>x</title><p>Bonjour", content_type="text/html")
        elif url.endswith("/callback"):
            route.fulfill(body="received", content_type="text/plain")
        else:
            # As `guard.allow_frames` has it, where the view of the page asks for it.
            policy = f"{_POLICY}; frame-src 'self'" if 'class="letter" sandbox' in self.html else _POLICY
            headers = {"Content-Security-Policy": policy, "Content-Type": "text/html; charset=utf-8"}
            route.fulfill(body=self.html, headers=headers)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Show each case once, in one look and one language in turn, or with ``--all-inputs`` in all of them.

    The turn hangs on the page's own name, so that a new page changes it for no other; the cases of one page differ.
    """
    if metafunc.function is not test_a_page_is_accessible_light_and_our_own:
        return
    seen: list[tuple[str, str, str, tuple[tuple[str, int], ...]]] = []
    for template, case in (one for one in CASES if one[0] != "form_post.html"):
        if metafunc.config.getoption("--all-inputs"):
            seen += [(template, case, locale, LOOKS) for locale in LANGUAGES]
        else:
            turn = zlib.crc32(template.encode()) + [*SAMPLES[template]].index(case)
            look, locale = LOOKS[turn % len(LOOKS)], LANGUAGES[(turn + turn // len(LOOKS)) % len(LANGUAGES)]
            seen.append((template, case, locale, (look,)))
    ids = [f"{template}-{case}-{locale}" for template, case, locale, _ in seen]
    metafunc.parametrize(("template", "case", "locale", "looks"), seen, ids=ids)


def test_a_page_is_accessible_light_and_our_own(
    request: pytest.FixtureRequest, still: BrowserContext, render: Render, template: str, case: str, locale: str,
    looks: tuple[tuple[str, int], ...],
) -> None:  # fmt: skip
    """AC-219: a page asks for nothing that is not our own. Its first case is measured for how it bends, too."""
    is_bent = case == next(iter(SAMPLES[template])) or request.config.getoption("--all-inputs")

    with Visit(still, render(template, case, locale), width=looks[0][1], scheme=looks[0][0]) as visit:
        for number, (scheme, width) in enumerate(looks):
            if number:
                visit.show(scheme, width)
            where = f"{template} [{case}] {locale} {scheme} {width}"
            assert visit.fits(), where
            options = {"resultTypes": ["violations"], "runOnly": RULES_OF_A_LOOK if number else RULES}
            found = visit.page.evaluate("async (options) => (await axe.run(options)).violations", options)
            assert not found, f"{where}\n{[(one['id'], [node['html'] for node in one['nodes']]) for one in found]}"
        if is_bent:
            check_nothing_is_small_or_cut_off(visit)

    assert not visit.foreign
    assert not visit.complaints
    assert visit.weight < HEAVIEST


def test_the_page_that_sends_itself_bends_too(chromium: Browser, render: Render) -> None:
    """It can only be measured where scripts do not run."""
    with Visit(chromium, render("form_post.html", ""), script=False) as visit:
        check_nothing_is_small_or_cut_off(visit)


def check_nothing_is_small_or_cut_off(visit: Visit) -> None:
    """WCAG 2.5.8 asks for 24 pixels; ours are 44, links in running text apart. 1.4.4, 1.4.12; and right to left."""
    visit.show("light", 320)
    small = visit.page.evaluate(
        """() => [...document.querySelectorAll("button, .button, summary, input:not([type=hidden]), .languages a")]
            // A choice is pressed on its label, which is as large as the rest.
            .filter(e => !e.closest(".choice") && e.offsetParent && e.getBoundingClientRect().height < 43.5)
            .map(e => e.outerHTML)"""
    )
    assert not small
    visit.page.evaluate("() => { document.documentElement.dir = 'rtl' }")
    assert visit.fits(), "from right to left"
    visit.page.evaluate(SPACED_OUT)
    assert visit.fits(), "text spaced out"
    visit.page.set_viewport_size({"width": 640, "height": 900})
    visit.page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
    assert visit.fits(), "text twice as large"


@pytest.mark.parametrize("script", [True, False])
def test_the_first_error_has_the_focus(chromium: Browser, render: Render, script: bool) -> None:
    with Visit(chromium, render("signin/identify.html", "two errors"), width=1280, script=script) as visit:
        assert visit.page.locator("#error-summary:focus").count() == 1


def test_the_password_can_be_shown_and_hidden(chromium: Browser, render: Render) -> None:
    with Visit(chromium, render("signin/identify.html", "first")) as visit:
        page = visit.page
        page.fill("#password", "secret")

        page.click("#password-show")

        assert page.get_attribute("#password", "type") == "text"
        assert page.inner_text("#password-show") == "Masquer"
        assert page.get_attribute("#password-show", "aria-label") == "Masquer le mot de passe"
        assert page.text_content("#password-status") == "Votre mot de passe est affiché."
        page.click("#password-show")
        assert page.get_attribute("#password", "type") == "password"


def test_the_number_is_read_back_in_groups_and_letters_can_be_had(chromium: Browser, render: Render) -> None:
    with Visit(chromium, render("signin/identify.html", "first")) as visit:
        page = visit.page

        page.fill("#nir", "1991399999001")

        assert page.inner_text("#nir-echo").replace("\u00a0", " ") == "1 99 13 99 999 001"
        assert page.get_attribute("#nir", "inputmode") == "numeric"
        page.click("#nir-letters")
        assert page.get_attribute("#nir", "inputmode") == "text"
        assert page.evaluate("document.activeElement.id") == "nir"


def test_asking_again_waits_and_says_so(chromium: Browser, render: Render) -> None:
    with Visit(chromium, render("signin/code.html", "sent", resend_in=20), clock=True) as visit:
        page = visit.page
        page.click("summary")

        assert page.get_attribute("#resend-code", "aria-disabled") == "true"
        assert "secondes" in page.inner_text("#resend-wait")
        page.clock.run_for(21_000)
        assert page.get_attribute("#resend-code", "aria-disabled") is None
        assert page.text_content("#resend-status") == "Vous pouvez redemander le code."


def test_the_end_of_a_code_is_said_three_times(chromium: Browser, render: Render) -> None:
    """WCAG 2.2.1: told politely five minutes and one minute before, and when it is over; never each second."""
    said = {11 * 60: "Il reste 5 minutes", 14 * 60 + 1: "Il reste 1 minute", 15 * 60 + 1: "n’est plus valable"}

    with Visit(chromium, render("signin/code.html", "sent", expires_in=900), clock=True) as visit:
        assert visit.page.text_content("#code-timer") == ""
        passed = 0
        for second, words in said.items():
            visit.page.clock.fast_forward((second - passed) * 1000)
            passed = second
            assert words in str(visit.page.text_content("#code-timer"))
        assert visit.page.get_attribute("#code-timer", "role") == "status"


def test_the_page_learns_that_the_mailbox_accepted_the_code(chromium: Browser, render: Render) -> None:
    with Visit(chromium, render("signin/code.html", "queued"), clock=True) as visit:
        assert "Nous envoyons un code" in visit.page.inner_text("#delivery")
        visit.page.fill("#code", "48")
        visit.html = render("signin/code.html", "sent")

        visit.page.clock.run_for(2_100)
        visit.page.wait_for_selector("#delivery[data-state=accepted]")

        assert "La messagerie l’a accepté" in visit.page.inner_text("#delivery")
        assert visit.page.input_value("#code") == "48"
        assert not visit.complaints


def test_the_page_learns_that_the_mailbox_refused_the_code(chromium: Browser, render: Render) -> None:
    with Visit(chromium, render("signin/code.html", "queued"), clock=True) as visit:
        visit.html = render("signin/send_failed.html", "email")

        visit.page.clock.run_for(2_100)
        visit.page.wait_for_selector("h1:has-text('n’est pas arrivé')")

        assert visit.page.is_visible("button:has-text('Recevoir le code par SMS')")


def test_a_pause_that_ends_another_day_says_which(chromium: Browser, render: Render) -> None:
    context = {"until": NOW + timedelta(hours=20), "minutes": 1200}

    with Visit(chromium, render("signin/code_pause.html", "many", **context)) as visit:
        assert visit.page.inner_text("h1") == "Attendez 20 heures avant un nouvel essai"
        assert "le 3\u00a0mars 2026 à" in visit.page.inner_text("main")
        assert visit.page.inner_text(".timer") == "Encore 20 heures de pause."


def test_without_script_nothing_waits_for_it(chromium: Browser, render: Render) -> None:
    with Visit(chromium, render("signin/identify.html", "first"), script=False) as visit:
        assert visit.page.is_visible("#signin-submit")
        assert not visit.page.is_visible("#password-show")
        assert not visit.page.is_visible("#nir-letters")
        assert visit.page.get_attribute("#nir", "inputmode") is None


def test_a_tab_looked_at_again_follows_the_sign_in(chromium: Browser, render: Render) -> None:
    with Visit(chromium, render("signin/code.html", "sent")) as visit:
        asked: list[str] = []

        def moved(route: Route) -> None:
            asked.append(route.request.resource_type)
            route.fulfill(status=303, headers={"Location": f"{ORIGIN}/callback"})

        visit.page.route("**/signin/x/page", moved)

        with visit.page.expect_request(lambda request: request.is_navigation_request()):
            visit.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

        assert asked[0] == "fetch"


def test_a_finished_tab_goes_on_when_it_is_come_back_to(chromium: Browser, render: Render) -> None:
    with Visit(chromium, render("signin/already.html", "", continue_url="/callback")) as visit:
        assert visit.page.url.endswith("/page")

        visit.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

        visit.page.wait_for_url(f"{ORIGIN}/callback")


def test_the_answer_is_posted_by_itself(chromium: Browser, render: Render) -> None:
    html = render("form_post.html", redirect_uri=f"{ORIGIN}/callback", fields={"code": "abc", "state": "d e"})

    with Visit(chromium, html) as visit:
        visit.page.wait_for_url(f"{ORIGIN}/callback")
