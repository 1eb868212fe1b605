"""Signing out at the provider signs out of the relying party, whose server hears it by the back channel."""

import time

from tests.e2e.demonstration import Demonstration
from tests.e2e.visitor import Visitor


def test_a_sign_out_at_the_provider_ends_the_session_at_the_service(
    visitor: Visitor, demonstration: Demonstration
) -> None:
    visitor.sign_in("email")
    profile = f"{demonstration.addresses.rp}/profile"

    visitor.page.goto(f"{demonstration.addresses.provider}/logout")
    visitor.look("logout-confirm")
    visitor.press("logout-confirm")
    visitor.look("logout-done")

    assert "Vous êtes aussi déconnecté de" in visitor.page.locator("main").inner_text()
    deadline = time.monotonic() + 10
    while True:
        visitor.page.goto(profile)
        if visitor.page.url != profile:
            break
        assert time.monotonic() < deadline, "the service was not told"
        time.sleep(0.1)
