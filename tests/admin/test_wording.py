"""No administrator reads a refusal in a language that is not the page's, whatever they sent."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idp.admin.console.wording import find_wording, word
from idp.i18n import force_locale
from tests.admin.conftest import BACK, Acting
from tests.admin.test_console import Coming
from tests.admin.test_console import admin as admin
from tests.admin.test_fresh_proof import ask
from tests.conftest import ALICE_NIR

IDP = Path(__file__).parents[2] / "idp"
# Refusals that the console has words of its own for (`support.e.…`, `trail.e.…`), or never shows: files, REST.
ELSEWHERE = {"as_code.py", "support.py", "trail_looks.py"}
OF_CLIENTS = ("registration.py", "redirect_uris.py", "logout_uris.py", "client_networks.py", "rotation.py")
SOURCES = [
    *(one for one in sorted((IDP / "admin").rglob("*.py")) if one.name not in ELSEWHERE and one.parent.name != "api"),
    *(IDP / "oidc" / name for name in OF_CLIENTS),
]
# Classes whose first words reach a page; `Invalid` tells its faults instead.
SAYING = {"Conflict", "Forbidden", "OwnChange", "RotationFault"}
# Nobody writes them on a French page, and a French page is full of words that are not these.
ENGLISH = re.compile(r"\b(?:the|should|must|is|are|not|with|field|characters|required|somebody|needs?|at least)\b")


def spoken(node: ast.expr) -> Iterator[str]:
    """Return a text of the code as it could be said; `9` stands for what is only known later."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value)
            if isinstance(part, ast.Constant)
            else "'https://x.example'" if getattr(part, "conversion", -1) == ord("r") else "9"
            for part in node.values
        )  # fmt: skip


def sentences() -> set[str]:
    """Return what refusals say in our code."""
    found: set[str] = set()
    for path in SOURCES:
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            if name in SAYING:
                found |= {text for one in call.args[:1] for text in spoken(one)}
            pairs = [pair for one in call.args for pair in ast.walk(one) if isinstance(pair, ast.Tuple)]
            if name == "Invalid" or (name == "append" and ast.unparse(call.func) == "faults.append"):
                found |= {text for pair in pairs if len(pair.elts) == 2 for text in spoken(pair.elts[1])}
            if ast.unparse(call.func) == "faults.append":
                told = {text for one in call.args for text in spoken(one)}
                found |= {text.partition(": ")[2] for text in told if ": " in text}
    # Said by somebody else, in the words of the table of `redirect_lines.py` or of the key library.
    return {text for text in found if text != "9" and not text.endswith("' 9")}


def test_every_sentence_of_a_refusal_has_words_in_the_catalogues(context: Flask) -> None:
    known = sentences()

    assert len(known) > 50
    with force_locale("fr"):
        assert [text for text in sorted(known) if find_wording(text) is None] == []
        assert [text for text in known if ENGLISH.search(re.sub(r"\b9\b|'https.*'", "", word(text)))] == []


def test_what_nobody_foresaw_is_never_shown_in_another_language(context: Flask) -> None:
    with force_locale("fr"):
        assert word("a new library says something") == "Cette valeur ne convient pas."
    with force_locale("en"):
        assert word("a new library says something") == "a new library says something"


REASON = "because of a test"
# Who sends what where, and what is wrong with it.
FORMS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("eve", "clients/new/website", {"client_id": "é", "name": "", "redirect_uris": "http://"}),
    ("eve", "clients/new/server", {"client_id": "shop", "name": "x" * 99}),
    ("eve", "clients/shop/edit/identity", {"name": "", "contacts": "x" * 300, "client_uri": "javascript:1"}),
    ("eve", "clients/shop/edit/addresses", {"redirect_uris": BACK, "backchannel_logout_uri": "http://x y"}),
    ("eve", "clients/shop/edit/proof", {"token_endpoint_auth_method": "none of these", "allowed_networks": "x"}),
    ("eve", "clients/shop/edit/proof", {"token_endpoint_auth_method": "private_key_jwt", "jwks": "{}"}),
    ("eve", "clients/shop/edit/data", {"scopes": "everything", "subject_type": "x"}),
    ("eve", "clients/shop/edit/security", {"default_max_age": "abc", "security_profile": "fapi2"}),
    ("eve", "clients/shop/edit/security", {"access_token_lifetime": "999999999", "security_profile": "oidc"}),
    ("eve", "clients/shop/edit/mobile", {"android_apps": '{"x": ["y"]}'}),
    ("eve", "clients/shop/edit/advanced", {"access_token_format": "x", "security_events_uri": "https://x.example.fr"}),
    ("eve", "clients/shop/secrets", {"expires_days": "zero"}),
    ("eve", "clients/shop/secrets", {"label": "x" * 500}),
    ("eve", "clients/shop/secrets/revoke", {"confirm": "another name"}),
    ("eve", "clients/shop/logo", {}),
    ("eve", "clients/shop/transfer", {"team": "", "contacts": "nobody"}),
    ("eve", "clients/shop/suspend", {"reason": f"called by {ALICE_NIR}"}),
    ("eve", "clients/shop/resume", {}),
    ("eve", "clients/gone/suspend", {}),
    ("eve", "administrators", {"name": "new.one", "roles": "reader"}),
    ("rose", "administrators", {"name": "É", "roles": "reader"}),
    ("rose", "administrators", {"name": "eve", "roles": "reader"}),
    ("rose", "administrators/rita/roles", {"roles": "king"}),
    ("rose", "administrators/rita/enable", {}),
    ("rose", "tokens", {"days": "0", "networks": "x", "scopes": "everything"}),
    ("olga", "limits/code.sends_per_hour", {"value": "999"}),
    ("olga", "limits/code.sends_per_hour", {"value": "abc"}),
    ("olga", "operations/banner", {"fr": "", "en": "", "ends_at": "soon"}),
    (
        "olga",
        "operations/banner",
        {"fr": "x" * 999, "en": "x", "begins_at": "", "ends_at": "2020-01-02T10:00"},
    ),
    ("olga", "operations/channels/sms/off", {"emergency": "yes"}),
    ("olga", "texts/sms.code.signin", {"text-fr": "", "text-en": "日本"}),
    ("kim", "keys/ES256/revoke", {"reason": "x"}),
    ("kim", "keys/ES256/revoke", {"reason": REASON, "keep_next": "yes"}),
    ("sam", "support", {"who": "?", "reason": "curiosity", "ticket": "?"}),
    ("otto", "trail", {"who": "?"}),
)


def visible(html: str) -> str:
    """Return what a person reads of a page in its own language: no code, and nothing that says it is English."""
    body = html[html.index("<main") : html.index("</main>")]
    for tag in ("code", "textarea", "pre", "option"):
        body = re.sub(rf"<{tag}\b.*?</", " ", body, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", body)


@pytest.mark.parametrize("who", sorted({who for who, _path, _fields in FORMS}))
def test_wrong_input_is_refused_in_french_on_every_form(admin: Coming, shop: str, with_settings: Any, who: str) -> None:
    with_settings(admin={"four_eyes": True})
    visitor = admin(who)
    for _who, path, fields in (form for form in FORMS if form[0] == who):
        visitor.post(f"/admin/{path}", **fields)

        read = visible(visitor.text)
        assert visitor.page.status_code in {403, 404, 409, 412, 422, 429}, (path, visitor.page.status_code)
        assert not ENGLISH.findall(read), (path, fields, ENGLISH.findall(read), read)
        assert not re.search(r"\b(?:admin|fault|support|trail)\.[a-z]+\.[a-z_.]+", read), path


def test_a_decision_that_comes_too_late_is_told_in_french(admin: Coming, acting: Acting, shop: str) -> None:
    url = f"/admin/changes/{ask(acting)}"
    ada = admin("ada", url)

    assert ada.post(f"{url}/approve").page.status_code == 200
    late = ada.post(f"{url}/refuse").page

    assert late.status_code == 409
    assert "déjà décidé" in visible(late.text)
    assert not ENGLISH.findall(visible(late.text))
