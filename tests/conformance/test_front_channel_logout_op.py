"""Front-Channel OP: `oidcc-frontchannel-rp-initiated-logout-certification-test-plan`."""

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

from tests.conformance.checks import DISCOVERY, check_metadata
from tests.conformance.conftest import Maker
from tests.conformance.leaving import GOODBYE, STATE, sign_in
from tests.conftest import ISSUER, Browser

LOGOUT_URI = "https://rp.test/a/sesame/frontchannel_logout"


class Page(HTMLParser):
    """The frames of a page, and every address in its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.frames: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.frames += [found["src"]] if tag == "iframe" else []
        self.addresses += found.values()


def test_oidcc_frontchannel_logout_discovery_endpoint_verification(http: Browser) -> None:
    metadata = http.get(DISCOVERY).json

    check_metadata(metadata, ISSUER + DISCOVERY)
    assert metadata["frontchannel_logout_supported"] is True
    # Compulsory for certification.
    assert metadata["frontchannel_logout_session_supported"] is True
    assert metadata["end_session_endpoint"].startswith("https://")


def test_oidcc_frontchannel_rp_initiated_logout(make_client: Maker) -> None:
    leaving = sign_in(
        make_client(
            post_logout_redirect_uris=[GOODBYE], frontchannel_logout_uri=LOGOUT_URI,
            frontchannel_logout_session_required=True,
        )
    )  # fmt: skip

    answer = leaving.leave()

    # The frames first, then on to the relying party: a page, not a redirect.
    assert answer.status_code == 200
    page = Page(answer.text)
    (frame,) = page.frames
    address, _, query = frame.partition("?")
    assert address == LOGOUT_URI
    assert dict(parse_qsl(query, strict_parsing=True)) == {"iss": ISSUER, "sid": leaving.flow.id_token["sid"]}
    assert any(f"{GOODBYE}?state={STATE}" in one for one in page.addresses)
    assert 'http-equiv="refresh"' in answer.text or "Refresh" in answer.headers or "<script" in answer.text
    # The policy of the page lets the frame load, and nothing more.
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(LOGOUT_URI))
    assert {one.removesuffix("/") for one in policy["frame-src"].split()} & {origin, LOGOUT_URI, "https:"}
    assert not leaving.rp.is_signed_in()
