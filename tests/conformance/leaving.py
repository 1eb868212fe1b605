"""A person who is signed in and leaves, as every module of the logout plans has it."""

from dataclasses import dataclass
from typing import Any

from tests.conformance.relying_party import Flow, RelyingParty

GOODBYE = "https://rp.test/a/sesame/post_logout_redirect"
STATE = "s" * 128


@dataclass
class Leaving:
    """A person who is signed in, at a relying party that will sign them out."""

    rp: RelyingParty
    flow: Flow

    @property
    def hint(self) -> str:
        return str(self.flow.tokens["id_token"])

    def leave(self, **changes: str | None) -> Any:
        """Send the browser to the end-session endpoint; a parameter set to ``None`` is left out."""
        fields = {"id_token_hint": self.hint, "post_logout_redirect_uri": GOODBYE, "state": STATE, **changes}
        query = {name: value for name, value in fields.items() if value is not None}
        visitor = self.rp.visitor
        return visitor.follow(visitor.browser.get(self.rp.at("end_session_endpoint"), query_string=query))

    def confirm(self, page: Any) -> Any:
        """Press the button of the question whether to sign out."""
        assert 'id="logout-confirm"' in page.text
        return self.rp.visitor.follow(self.rp.visitor.browser.submit(page.text, "/logout"))


def sign_in(rp: RelyingParty) -> Leaving:
    """Sign the person in at a relying party, and see that they are."""
    flow = rp.flow()
    assert rp.is_signed_in()
    return Leaving(rp, flow)
