"""A person in front of a real browser: what they do, what they see, and what we check of every page they meet."""

import re
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Response

from tests.e2e.demonstration import Demonstration, code_in

NIR = "1 99 13 99 999 001"
PASSWORD = "demo-motdepasse-1"
# Name and title of a page, its language, and where that tells pages apart the window: its width and its colours.
Look = tuple[object, ...]
_LANGUAGE = "[document.documentElement.lang]"
_WINDOW = "[document.documentElement.lang, innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]"
ARTEFACTS = Path(__file__).parents[2] / "test-artefacts"


class Visitor:
    """Drives one page; `look` is called on every page met."""

    def __init__(
        self,
        page: Page,
        demonstration: Demonstration,
        *,
        test: str,
        with_javascript: bool = True,
        looked_at: set[Look] | None = None,
    ) -> None:
        # What others have looked at closely already; None when every page is looked at, and pictured.
        self._looked_at = looked_at
        self.page, self.context, self.demonstration = page, page.context, demonstration
        self.seen: list[str] = []
        self._test, self._with_javascript = re.sub(r"\W+", "-", test).strip("-"), with_javascript
        self._complaints: list[str] = []
        page.on("console", self._hear)
        page.on("response", self._note)

    def look(self, name: str) -> None:
        """Check that everybody can use the page; the first time that it is met, search it for what hinders people.

        Only then: that takes longer than the walk to the page. With ``--all-inputs`` every time, and a picture is kept.
        """
        self.seen.append(name)
        if self._looked_at is None:
            self.keep_picture(name)
        if self._with_javascript:
            if self._is_new(name):
                found = Axe().run(self.page)
                assert found.violations_count == 0, f"{name}: {found.generate_report()}"
            width = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert width[0] <= width[1], f"{name} is {width[0]} px wide in a window of {width[1]} px"
        assert not self._complaints, f"{name}: the browser complains: {self._complaints}"

    def keep_picture(self, name: str) -> None:
        ARTEFACTS.mkdir(exist_ok=True)
        path = ARTEFACTS / f"{self._test}-{len(self.seen):02d}-{name}.png"
        self.page.screenshot(path=path, full_page=True)

    def _is_new(self, name: str) -> bool:
        if self._looked_at is None:
            return True
        # Templates of the provider are measured in every window by `tests/pages/test_axe.py`, the others only here.
        has_samples = re.match(rf"{self.demonstration.addresses.provider}/(?!docs)", self.page.url) is not None
        look = (name, self.page.title(), *self.page.evaluate(_LANGUAGE if has_samples else _WINDOW))
        is_new = look not in self._looked_at
        self._looked_at.add(look)
        return is_new

    def press(self, element_id: str) -> None:
        self.page.locator(f"#{element_id}").click()
        self.page.wait_for_load_state()

    def go_to_sign_in(self, **wishes: str) -> None:
        """Start at the relying party."""
        query = "&".join(f"{name}={value}" for name, value in wishes.items())
        if query:
            self.page.goto(f"{self.demonstration.addresses.rp}/login?{query}")
        else:
            self.page.goto(f"{self.demonstration.addresses.rp}/")
            self.look("relying-party")
            self.press("login")
        self.page.locator("#nir").wait_for()

    def identify(self, nir: str = NIR, password: str = PASSWORD) -> None:
        self.page.locator("#nir").fill(nir)
        self.page.locator("#password").fill(password)
        self.press("signin-submit")

    def choose_and_send(self, channel: str) -> dict[str, Any]:
        """Press « Envoyer le code », and return the message when it is there."""
        before = self.demonstration.newest()
        choice = self.page.locator(f"#channel-{channel}")
        if choice.count() and choice.get_attribute("type") == "radio":
            choice.check()
        self.press("send-code")
        self.page.locator("#code").wait_for()
        return self.demonstration.wait_for_message(after=before, channel=channel)

    def type_code(self, code: str) -> None:
        self.page.locator("#code").fill(code)
        self.press("code-submit")

    def sign_in(self, channel: str = "email", **wishes: str) -> None:
        """Walk the whole way, looking at every page."""
        self.go_to_sign_in(**wishes)
        self.look("identify")
        self.identify()
        self.page.locator("#send-code").wait_for()
        self.look("send")
        message = self.choose_and_send(channel)
        self.look("code")
        self.type_code(code_in(message))
        self.page.wait_for_url(f"{self.demonstration.addresses.rp}/profile")
        self.look("profile")

    def claim(self, name: str, table: str = "id-token") -> str:
        """Return a claim as the relying party shows it."""
        return self.page.locator(f"#{table} td[data-claim={name}]").inner_text()

    def _hear(self, message: Any) -> None:
        # Chromium says so when a content security policy stops something.
        if message.type == "error" and "Content Security Policy" in message.text:
            self._complaints.append(message.text)

    def _note(self, response: Response) -> None:
        if response.status >= 500:
            self._complaints.append(f"{response.status} of {response.url.split('?')[0]}")
