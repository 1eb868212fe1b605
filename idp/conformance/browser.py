"""What the suite's own browser types and presses on our pages, in its vocabulary (`BrowserControl` of the suite)."""

import re
from typing import Any

from idp.conformance.account import PASSWORD

Task = dict[str, Any]
# `.` matches any text: what is shown goes to a person at the certification office as a page.
_SHOW = ".", "update-image-placeholder"
_SHOW_IF_ASKED = ".", "update-image-placeholder-optional"

# Modules that want the page after /authorize shown to a person, and end there.
_ERROR_PAGES = (
    "oidcc-ensure-registered-redirect-uri",
    "oidcc-ensure-request-object-with-redirect-uri",
    "oidcc-ensure-redirect-uri-in-authorization-request",
    "oidcc-redirect-uri-query-added",
    "oidcc-redirect-uri-query-mismatch",
    "fapi2-security-profile-final-ensure-unsigned-authorization-request-without-using-par-fails",
    "fapi2-security-profile-final-ensure-redirect-uri-in-authorization-request",
    "fapi2-security-profile-final-par-attempt-reuse-request_uri",
    "fapi2-security-profile-final-par-attempt-to-use-expired-request_uri",
    "fapi2-security-profile-final-par-attempt-to-use-request_uri-for-different-client",
)
_ASKED_AGAIN = ("oidcc-prompt-login", "oidcc-max-age-1")
_FIRST_PAGES = ("oidcc-registration-logo-uri", "oidcc-registration-policy-uri", "oidcc-registration-tos-uri")
_LOOKED_AT_FIRST = ("fapi2-security-profile-final-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds",)
_REFUSALS = ("fapi2-security-profile-final-user-rejects-authentication",)
# Signing out is not done, or asked about: what is shown is the end.
_LOGOUT_QUESTIONS = tuple(
    f"oidcc-rp-initiated-logout-{what}"
    for what in (
        "bad-post-logout-redirect-uri", "query-added-to-post-logout-redirect-uri", "bad-id-token-hint",
        "modified-id-token-hint", "no-id-token-hint",
    )
)  # fmt: skip
# Signing out is done, and said.
_LOGOUT_PAGES = tuple(
    f"oidcc-rp-initiated-logout-{what}" for what in ("no-params", "no-post-logout-redirect-uri", "only-state")
)


def browser_steps(*, issuer: str, base: str, nir: str, code: str) -> dict[str, Any]:
    """Return `browser`, the way through a sign-in and a sign-out, and `override` where a module wants another."""
    at = f"{issuer}/signin/*/"
    identify = _on(
        "NIR and password", f"{at}identify*",
        ["text", "id", "nir", nir], ["text", "id", "password", PASSWORD], ["click", "id", "signin-submit"],
    )  # fmt: skip
    rest = [
        _on("Channel", f"{at}send*", ["click", "id", "channel-email", "optional"], ["click", "id", "send-code"]),
        _on("Code", f"{at}code*", ["text", "id", "code", code], ["click", "id", "code-submit"]),
        _on("Consent", f"{at}consent*", ["click", "id", "consent-allow"]),
    ]
    back: Task = {
        # Not by what the address holds: ours holds the suite's, in a query. A form_post page takes a moment.
        "task": "Back at the suite", "match": "*",
        "commands": [["wait", "match", f"^{re.escape(base)}/callback", 15], ["wait", "id", "submission_complete", 15]],
    }  # fmt: skip
    walk = [identify, *rest]
    error = _on("Error page", f"{issuer}/authorize*", ["wait", "xpath", "//h1", 10, *_SHOW_IF_ASKED])
    # The second time only is a page asked for, and the first may be no sign-in at all.
    asked_again = {**identify, "commands": [["wait", "xpath", "//h1", 10, *_SHOW_IF_ASKED], *identify["commands"]]}
    first = {**identify, "commands": [["wait", "xpath", "//h1", 10, *_SHOW]]}
    cancel = {**identify, "commands": [["click", "id", "signin-cancel"]]}
    confirm = _on("Sign out?", f"{issuer}/logout*", ["click", "id", "logout-confirm", "optional"])
    # The page that tells others by frames goes on by itself, but not in a browser as old as the suite's.
    told = _on("Others are told", f"{issuer}/logout*", ["click", "css", "a[data-when-told]", "optional"])
    signing_in = _from(issuer, "authorize", [*walk, back])

    # The link is opened, nothing is typed; then it is opened again.
    look = {**_from(issuer, "authorize", [{"task": "Look", "match": f"{at}*"}]), "match-limit": 1}

    def _signing_out(*tasks: Task) -> dict[str, Any]:
        return {"browser": [signing_in, _from(issuer, "logout", list(tasks))]}

    shown = _on("What is said", f"{issuer}/logout*", ["wait", "xpath", "//h1", 10, *_SHOW])
    gone = {
        "task": "Back at the suite", "match": "*",
        "commands": [["wait", "match", f"^{re.escape(base)}/post_logout_redirect", 15]],
    }  # fmt: skip
    override = {
        **{
            name: {
                "browser": [
                    _from(issuer, "authorize", [*walk, error, {**back, "match": f"{base}/callback*", "optional": True}])
                ]
            }
            for name in _ERROR_PAGES
        },
        **{name: {"browser": [_from(issuer, "authorize", [asked_again, *rest, back])]} for name in _ASKED_AGAIN},
        **{name: {"browser": [_from(issuer, "authorize", [first])]} for name in _FIRST_PAGES},
        **{name: {"browser": [look, signing_in]} for name in _LOOKED_AT_FIRST},
        **{name: {"browser": [_from(issuer, "authorize", [cancel, back])]} for name in _REFUSALS},
        **{name: _signing_out(shown) for name in _LOGOUT_QUESTIONS},
        **{name: _signing_out(confirm, shown) for name in _LOGOUT_PAGES},
    }
    return {"browser": [signing_in, _from(issuer, "logout", [confirm, told, gone])], "override": override}


def _on(task: str, match: str, *commands: list[Any]) -> Task:
    """Return a task that is done if its page comes."""
    return {"task": task, "match": match, "optional": True, "commands": list(commands)}


def _from(issuer: str, path: str, tasks: list[Task]) -> dict[str, Any]:
    return {"match": f"{issuer}/{path}*", "tasks": tasks}
