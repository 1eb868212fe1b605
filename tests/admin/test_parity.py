"""Parity: whatever can be done or looked at by one surface can be done by each of them, and is really done here."""

import base64
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from PIL import Image
from sqlalchemy import select

from idp import clock
from idp.admin.actions import ACTS
from idp.admin.changes import list_changes
from idp.admin.looks import LOOKS
from idp.audit import AuditEvent
from idp.db import db
from tests.admin.conftest import BACK, new_document
from tests.admin.test_api import call as call
from tests.admin.test_api import token_of as token_of
from tests.admin.test_cli import Run, add
from tests.admin.test_console import METHOD, Admin, Coming, register
from tests.admin.test_console import admin as admin
from tests.admin.test_keys import app as app
from tests.conftest import ALICE_NIR
from tests.root.test_commands import add_alice, told
from tests.root.test_commands import environ as environ
from tests.root.test_commands import run as run

Doing = dict[str, Callable[[], Any]]
NOWHERE = "https://127.0.0.1/keys"
# What the desk does leaves these in the trail; it is in no history of changes.
DESK = {"support-viewed", "support-unlocked", "support-change-advised"}
WHY = "fraud reported by the bank"
LIMIT, TEXT = "code.sends_per_hour", "mail.alert.subject.stopped"


def banner() -> dict[str, str]:
    ends_at = (clock.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    return {"fr": "Les SMS tardent.", "en": "Text messages are late.", "begins_at": "", "ends_at": ends_at}


def picture() -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(drawn, "PNG")
    return drawn.getvalue()


def do_all(doing: Doing, done: Callable[[], set[str]], looked: dict[str, Callable[[], str]]) -> None:
    """Do every act of the table, in the order in which each finds what it needs, and look at everything.

    An act counts when the history has it; a look when its answer holds what only that look finds.
    """
    acts = {name for name in ACTS if name.startswith(("client.", "administrator.", "account."))}
    missing = [name for name in acts if name not in doing] + [name for name in LOOKS if name not in looked]
    assert not missing, f"this surface lacks {missing}"
    for act in doing.values():
        act()
    assert done() >= acts, acts - done()
    expected = {
        "client.activity": "grants",
        "client.preview": "auth_time",
        "client.try-keys": "unreachable",
        "client.judge-redirects": "*.x.fr",
        "trail.person": "it is alice",
        "trail.search": "it is alice",
        "trail.chain": "lag_seconds",
    }
    for name, find in looked.items():
        assert expected[name] in find(), name


def desk_traces(app: Flask, surface: str) -> set[str]:
    with app.app_context():
        events = db.session.scalars(select(AuditEvent).where(AuditEvent.event.in_(DESK)))
        return {one.event for one in events if one.facts["surface"] == surface and one.account_id}


def who_is_it(text: str, account: str) -> str:
    return "it is alice" if account in text else text


def test_every_act_is_on_the_console(admin: Coming, app: Flask, alice: str, with_settings: Any) -> None:
    with_settings(admin={"four_eyes": False})
    eve, rose, kim, olga = admin("eve"), admin("rose"), admin("kim"), admin("olga")
    otto, sam = admin("otto"), admin("sam")
    sam.open("/admin/support").submit("admin/support", who=ALICE_NIR, reason="fraud")

    def at(path: str) -> Admin:
        return eve.open(f"/admin/clients/fresh{path}")

    def logo() -> None:
        page = at("")
        page.post("/admin/clients/fresh/logo", logo=(io.BytesIO(picture()), "a.png"))
        assert "/logos/" in at("").text
        page.post("/admin/clients/fresh/logo", remove="yes")
        assert "/logos/" not in at("").text

    def secret_number() -> str:
        return at("").text.split('name="secret" value="')[1].split('"')[0]

    def person(act: str, **fields: Any) -> Callable[[], Any]:
        return lambda: rose.post(f"/admin/administrators/new.one/{act}", **fields)

    doing: Doing = {
        "client.create": lambda: register(eve).submit("review"),
        "client.update": lambda: at("/edit/identity").submit("identity", name="Autre nom"),
        "client.logo": logo,
        "client.transfer": lambda: at("").submit("transfer", team="Web", contacts="Web <web@example.fr>"),
        "client.add-secret": lambda: at("").submit("secrets", label="x", expires_days="30"),
        "client.revoke-secret": lambda: eve.post(
            "/admin/clients/fresh/secrets/revoke", secret=secret_number(), confirm="Autre nom"
        ),
        **{f"client.{act}": lambda act=act: eve.post(f"/admin/clients/fresh/{act}")  # type: ignore[misc]
           for act in ("suspend", "resume", "archive", "restore")},
        "administrator.add": lambda: rose.post("/admin/administrators", name="new.one", roles=["reader"]),
        "administrator.roles": person("roles", roles=["reader", "editor"]),
        "administrator.disable": person("disable"),
        "administrator.enable": person("enable"),
        "administrator.enrol": person("enrol"),
        "account.disable": lambda: sam.submit("disable", why=WHY),
        "account.enable": lambda: sam.submit("enable", why=WHY),
        "key.rotate": lambda: kim.post("/admin/keys/ES256/rotate"),
        "key.revoke": lambda: kim.post("/admin/keys/ES256/revoke", reason="found on a share"),
        "channel.off": lambda: olga.post("/admin/operations/channels/sms/off"),
        "channel.on": lambda: olga.post("/admin/operations/channels/sms/on"),
        "banner.set": lambda: olga.post("/admin/operations/banner", **banner()),
        "banner.remove": lambda: olga.post("/admin/operations/banner/remove"),
        "limit.set": lambda: olga.post(f"/admin/limits/{LIMIT}", value="2"),
        "limit.reset": lambda: olga.post(f"/admin/limits/{LIMIT}/reset"),
        "text.set": lambda: olga.post(f"/admin/texts/{TEXT}", **{"text-fr": "Changé", "text-en": "Changed"}),
        "text.reset": lambda: olga.post(f"/admin/texts/{TEXT}/reset"),
    }  # fmt: skip

    def keys() -> str:
        at("/edit/proof").submit("proof", jwks_uri=NOWHERE, test="yes", **METHOD)
        return "unreachable" if "ne répond pas" in eve.text else eve.text

    looked = {
        "client.preview": lambda: at("/preview").text,
        "client.activity": lambda: at("/activity").text,
        "client.try-keys": keys,
        "client.judge-redirects": lambda: eve.post("/admin/redirect-uris", uris="https://*.x.fr/", kind="website").text,
        "trail.person": lambda: who_is_it(otto.post("/admin/trail", who=ALICE_NIR).page.request.url, alice),
        "trail.search": lambda: who_is_it(otto.open("/admin/trail/events?event=audit-person").text, alice),
        "trail.chain": lambda: "lag_seconds" if "Dernier point signé" in otto.open("/admin/trail").text else otto.text,
    }
    do_all(doing, lambda: history(app, "console"), looked)

    sam = admin("sam")
    case = sam.post("/admin/support", who=ALICE_NIR, reason="call").page.request.path
    sam.post(f"{case}/lift")
    sam.post(f"{case}/advise", kind="email")
    assert desk_traces(app, "console") == DESK


def history(app: Flask, surface: str) -> set[str]:
    with app.app_context():
        return {one.act for one in list_changes(limit=200) if one.surface == surface}


def test_every_act_is_in_the_rest_interface(call: Any, app: Flask, alice: str, with_settings: Any) -> None:
    with_settings(admin={"four_eyes": False})
    fresh = "/clients/fresh"

    def seen(path: str) -> dict[str, str]:
        return {"If_Match": call("rose" if path.startswith("/admin") else "both", "GET", path).headers["ETag"]}

    def do(who: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = call(who, method, path, body, **headers)
        assert answer.status_code in {200, 201}, (path, answer.json)
        return answer.json

    def update() -> None:
        document = do("both", "GET", fresh)["document"] | {"name": "Autre nom"}
        do("both", "PUT", fresh, {"document": document}, **seen(fresh))

    def person(act: str) -> Callable[[], Any]:
        return lambda: do("rose", "POST", f"/administrators/new.one/{act}", {})

    def case() -> str:
        return f"/support/cases/{do('sam', 'POST', '/support/cases', {'who': ALICE_NIR, 'reason': 'call'})['id']}"

    def roles() -> None:
        path = "/administrators/new.one"
        do("rose", "PUT", f"{path}/roles", {"roles": ["reader", "editor"]}, **seen(path))

    doing: Doing = {
        "client.create": lambda: do("both", "POST", "/clients", {"client_id": "fresh", "document": new_document()}),
        "client.update": update,
        "client.logo": lambda: do(
            "both", "PUT", f"{fresh}/logo", {"content": base64.b64encode(picture()).decode()}, **seen(fresh)
        ),
        "client.transfer": lambda: do("both", "POST", f"{fresh}/transfer", {"team": "x", "contacts": ["w@example.fr"]}),
        "client.add-secret": lambda: do("both", "POST", f"{fresh}/secrets", {"label": "x", "expires_days": 30}),
        "client.revoke-secret": lambda: do(
            "both", "DELETE", f"{fresh}/secrets/{do('both', 'GET', f'{fresh}/secrets')['items'][0]['id']}"
        ),
        **{f"client.{act}": lambda act=act: do("both", "POST", f"{fresh}/{act}", {})  # type: ignore[misc]
           for act in ("suspend", "resume", "archive", "restore")},
        "administrator.add": lambda: do("rose", "POST", "/administrators", {"name": "new.one", "roles": ["reader"]}),
        "administrator.roles": roles,
        "administrator.disable": person("disable"),
        "administrator.enable": person("enable"),
        "administrator.enrol": person("enrol"),
        "account.disable": lambda: do("sam", "POST", f"{case()}/disable", {"reason": WHY}),
        "account.enable": lambda: do("sam", "POST", f"{case()}/enable", {"reason": WHY}),
        "key.rotate": lambda: do("kim", "POST", "/keys/ES256/rotate", {}),
        "key.revoke": lambda: do("kim", "POST", "/keys/ES256/revoke", {"reason": "found on a share"}),
        "channel.off": lambda: do("olga", "POST", "/channels/sms/off", {}),
        "channel.on": lambda: do("olga", "POST", "/channels/sms/on", {}),
        "banner.set": lambda: do("olga", "PUT", "/banner", banner()),
        "banner.remove": lambda: do("olga", "POST", "/banner/remove", {}),
        "limit.set": lambda: do("olga", "PUT", f"/limits/{LIMIT}", {"value": 2}),
        "limit.reset": lambda: do("olga", "POST", f"/limits/{LIMIT}/reset", {}),
        "text.set": lambda: do("olga", "PUT", f"/texts/{TEXT}", {"texts": {"fr": "Changé", "en": "Changed"}}),
        "text.reset": lambda: do("olga", "POST", f"/texts/{TEXT}/reset", {}),
    }  # fmt: skip
    looked = {
        "client.activity": lambda: str(do("rita", "GET", f"{fresh}/activity")),
        "client.preview": lambda: str(do("rita", "GET", f"{fresh}/preview")),
        "client.try-keys": lambda: str(do("both", "POST", "/jwks-uri/check", {"jwks_uri": NOWHERE})),
        "client.judge-redirects": lambda: str(
            do("rita", "POST", "/redirect-uris/check", {"uris": ["https://*.x.fr/"]})
        ),
        "trail.person": lambda: who_is_it(str(do("otto", "POST", "/audit/person", {"who": ALICE_NIR})), alice),
        "trail.search": lambda: who_is_it(str(do("otto", "GET", "/audit/events?event=audit-person")), alice),
        "trail.chain": lambda: str(do("otto", "GET", "/audit/chain")),
    }
    do_all(doing, lambda: history(app, "api"), looked)

    opened = do("sam", "POST", "/support/cases", {"who": ALICE_NIR, "reason": "call"})["id"]
    do("sam", "POST", f"/support/cases/{opened}/lift", {})
    do("sam", "POST", f"/support/cases/{opened}/advise", {"kind": "email"})
    assert desk_traces(app, "api") == DESK


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "clients"
    made.mkdir()
    return made


def test_every_act_is_at_the_command_line(run: Run, folder: Path, tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(picture())

    add_alice(run)
    alice = str(told(run("accounts", "show", ALICE_NIR, "--json"))["id"])

    def do(*words: str) -> Any:
        return told(run(*words, "--json"))

    def update() -> None:
        do("clients", "export", str(folder))
        file = folder / "shop.yaml"
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"name": "Autre nom"}))
        do("clients", "apply", str(folder), "--adopt")

    def revoke() -> None:
        do("clients", "revoke-secret", "shop", str(do("clients", "secrets", "shop")[0]["id"]))

    def keys(command: str, state: str, *words: str) -> None:
        run("keys", command, "--alg", "ES256", *words, "--json")
        assert state in {one["state"] for one in do("keys", "list")}

    def with_logo() -> None:
        assert do("clients", "logo", "shop", "--file", str(logo))["logo"]
        assert do("clients", "logo", "shop")["logo"] is None

    doing: Doing = {
        "client.create": lambda: add(run),
        "client.update": update,
        "client.logo": with_logo,
        "client.transfer": lambda: do("clients", "transfer", "shop", "--team", "Web", "--contact", "w@example.fr"),
        "client.add-secret": lambda: do("clients", "rotate-secret", "shop", "--expires-days", "30"),
        "client.revoke-secret": revoke,
        "client.suspend": lambda: do("clients", "disable", "shop"),
        "client.resume": lambda: do("clients", "enable", "shop"),
        "client.archive": lambda: do("clients", "archive", "shop"),
        "client.restore": lambda: do("clients", "restore", "shop"),
        "administrator.add": lambda: do("admin", "add", "new.one", "--role", "reader"),
        "administrator.roles": lambda: do("admin", "roles", "new.one", "--role", "editor"),
        "administrator.disable": lambda: do("admin", "disable", "new.one"),
        "administrator.enable": lambda: do("admin", "enable", "new.one"),
        "administrator.enrol": lambda: do("admin", "enrol", "new.one"),
        "account.disable": lambda: do("accounts", "disable", ALICE_NIR, "--why", WHY, "--reason", "fraud"),
        "account.enable": lambda: do("accounts", "enable", ALICE_NIR, "--why", WHY, "--reason", "fraud"),
        "key.rotate": lambda: keys("rotate", "next"),
        "key.revoke": lambda: keys("rotate", "revoked", "--emergency", "--reason", "found on a share"),
        "channel.off": lambda: do("operations", "off", "sms"),
        "channel.on": lambda: do("operations", "on", "sms"),
        "banner.set": lambda: do(
            "operations", "banner", "--fr", "Les SMS tardent.", "--en", "Late.", "--until", banner()["ends_at"]
        ),
        "banner.remove": lambda: do("operations", "banner", "--remove"),
        "limit.set": lambda: do("operations", "limit", LIMIT, "2"),
        "limit.reset": lambda: do("operations", "limit", LIMIT, "--reset"),
        "text.set": lambda: do("operations", "text", TEXT, "--say", "fr=Changé", "--say", "en=Changed"),
        "text.reset": lambda: do("operations", "text", TEXT, "--reset"),
    }

    def refused(*words: str) -> str:
        result = run(*words, "--json")
        assert result.exit_code == 1
        return json.dumps(json.loads(result.stdout))

    looked = {
        "client.activity": lambda: json.dumps(do("clients", "activity", "shop")),
        "client.preview": lambda: json.dumps(do("clients", "preview", "shop")),
        "client.try-keys": lambda: refused("clients", "check-keys", NOWHERE),
        "client.judge-redirects": lambda: refused("clients", "check-redirects", "https://*.x.fr/", BACK),
        "trail.person": lambda: who_is_it(
            run("audit", "search", "--account", "-", text=f"{ALICE_NIR}\n").stdout, alice
        ),
        "trail.search": lambda: who_is_it(json.dumps(do("audit", "search", "--event", "audit-person")), alice),
        "trail.chain": lambda: json.dumps(do("audit", "chain")),
    }
    do_all(doing, lambda: {one["act"] for one in do("admin", "changes", "--limit", "200")}, looked)

    for words in (("case",), ("unlock",), ("advise", "--kind", "email")):
        do("accounts", words[0], ALICE_NIR, *words[1:], "--reason", "call")
    assert {one["event"] for one in do("audit", "search", "--account", alice)} >= DESK
