"""Every address of the REST interface, as one table: its function, what it takes, what it may answer."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from idp import entropy
from idp.admin import (
    actions,
    client_acts,
    dashboard,
    effective,
    key_acts,
    limit_acts,
    listing,
    message_acts,
    message_samples,
    operation_acts,
    tokens,
)
from idp.admin.administrators import describe_administrator, list_administrators
from idp.admin.api import answers, desk, trail
from idp.admin.api.shape import Call, Paged, Query, Reply, Route
from idp.admin.changes import STATES, AdminChange, describe_change, list_changes
from idp.admin.faults import NotFound
from idp.admin.looks import KeysAsked, UrisAsked, look
from idp.admin.people_acts import RolesGiven, get_administrator
from idp.admin.schema import ClientDocument, ClientId, Line, Strict, Url, document_of
from idp.admin.secret_warnings import describe_secret
from idp.admin.transfer import TransferAsked
from idp.db import db
from idp.oidc.registration import KINDS
from idp.settings import current_settings, settings


class ClientsAsked(Paged):
    """Which clients."""

    q: str = Field(default="", max_length=200, description="words of id, name, team and redirect URIs")
    state: Literal[listing.STATES] | None = None  # type: ignore[valid-type]
    kind: Literal[tuple(KINDS)] | None = None  # type: ignore[valid-type]


class ChangesAsked(Paged):
    """Which changes."""

    state: Literal[STATES] | None = None  # type: ignore[valid-type]
    target: str | None = Field(default=None, max_length=80, pattern=r"^[A-Za-z0-9._~-]+$")


class DashboardAsked(Query):
    """Which time."""

    span: Literal["day", "week"] = Field(default="day", description="24 hours by the hour, or 7 days by the day")


class How(Strict):
    """Why, and whether alone."""

    reason: Line = Field(default="", description="for the history")
    emergency: bool = Field(default=False, description="break-glass: apply it alone, with a reason")


class ClientGiven(How):
    """A client to be registered or changed."""

    client_id: ClientId | None = Field(default=None, description="of a new client; drawn when absent")
    document: ClientDocument


class DocumentGiven(How):
    """What a client shall be."""

    document: ClientDocument


class LogoGiven(How):
    """A logo, or none."""

    content: str | None = Field(default=None, max_length=140_000, pattern=r"^[A-Za-z0-9+/=]*$")


class SecretGiven(How, client_acts.SecretAsked):
    """A secret to be made."""


class TransferGiven(How, TransferAsked):
    """Whose a client shall be."""


class RolesAsked(How, RolesGiven):
    """Roles to be given."""


class AdministratorGiven(RolesAsked):
    """Somebody new."""

    name: str = Field(pattern=r"^[a-z][a-z0-9.-]{0,38}[a-z0-9]$")


class RotationGiven(How, key_acts.RotationAsked):
    """The next step of a rotation."""


class RevocationGiven(How, key_acts.RevocationAsked):
    """What leaked is to be revoked."""


class LimitAsked(How, limit_acts.LimitGiven):
    """A limit's new value."""


class TextAsked(How, message_acts.TextGiven):
    """Other words."""


class BannerAsked(How, operation_acts.BannerGiven):
    """A banner to be put up."""


class UrisGiven(UrisAsked):
    """Redirect URIs to be judged, of characters that JSON can say back."""

    uris: list[Url] = Field(max_length=100)


def _done(done: actions.Done, *, status: int = 200) -> Reply:
    change = None if done.change is None else describe_change(done.change)
    return Reply({"change": change, "shown_once": dict(done.shown_once)}, 202 if done.is_waiting else status)


def _act(name: str, target: str, *, status: int = 200, given: tuple[str, ...] = ()) -> Callable[[Call], Reply]:
    """Return a function that does one act on what the address names."""

    def act(call: Call) -> Reply:
        values = {one: getattr(call.body, one) for one in given}
        return _done(actions.perform(call.actor, name, call.path[target], values, **call.how), status=status)

    return act


def _clients(call: Call) -> Reply:
    asked = call.query
    found, after = listing.list_clients(
        words=asked.q, state=asked.state, kind=asked.kind, limit=asked.limit, after=asked.after
    )
    return Reply({"items": [vars(one) for one in found], "next": after})


def _client(call: Call) -> Reply:
    row, client = client_acts.get_row(call.path["client_id"]), client_acts.get_client(call.path["client_id"])
    body = {
        "client_id": row.client_id, "state": client_acts.state_of(row), "version": row.version,
        "created_at": row.created_at, "updated_at": row.updated_at, "document": document_of(client),
    }  # fmt: skip
    return Reply(body, version=row.version)


def _create(call: Call) -> Reply:
    client_id = call.body.client_id or entropy.identifier()
    given = call.body.document.model_dump(mode="json")
    return _done(actions.perform(call.actor, "client.create", client_id, given, **call.how), status=201)


def _update(call: Call) -> Reply:
    given = call.body.document.model_dump(mode="json")
    return _done(actions.perform(call.actor, "client.update", call.path["client_id"], given, **call.how))


def _secrets(call: Call) -> Reply:
    client_acts.get_row(call.path["client_id"])
    found = client_acts.list_secrets(call.path["client_id"])
    return Reply({"items": [describe_secret(one, call.now) for one in found]})


def _revoke_secret(call: Call) -> Reply:
    number = call.path["secret_id"]
    if not number.isascii() or not number.isdecimal() or len(number) > 9 or int(number) < 1:
        raise NotFound("no such secret of this client")
    given = {"secret_id": int(number)}
    return _done(
        actions.perform(call.actor, "client.revoke-secret", call.path["client_id"], given, version=None, now=call.now)
    )


def _history(call: Call) -> Reply:
    client_acts.get_row(call.path["client_id"])
    return _some_changes(call, target=call.path["client_id"], acts="client")


def _changes(call: Call) -> Reply:
    return _some_changes(call, target=call.query.target, state=call.query.state)


def _some_changes(call: Call, **which: Any) -> Reply:
    limit = call.query.limit
    found = list_changes(limit=limit + 1, after=call.query.after, **which)
    after = found[limit - 1].id if len(found) > limit else None
    return Reply({"items": [describe_change(one) for one in found[:limit]], "next": after})


def _change(call: Call) -> Reply:
    found = db.session.get(AdminChange, call.path["change_id"]) if len(call.path["change_id"]) <= 22 else None
    if found is None:
        raise NotFound("no such change")
    return Reply(describe_change(found))


def _decide(decision: Callable[..., actions.Done]) -> Callable[[Call], Reply]:
    return lambda call: _done(decision(call.actor, call.path["change_id"], now=call.now))


def _check_uris(call: Call) -> Reply:
    items = [
        {
            "uri": one["uri"],
            "usable": one["fault"] is None,
            "faults": [one["fault"]] if one["fault"] else [],
            "notes": [_word(note) for note in one["notes"]],
        }
        for one in look(call.actor, "client.judge-redirects", given=call.body.model_dump())
    ]
    return Reply({"items": items})


def _check_keys(call: Call) -> Reply:
    found = look(call.actor, "client.try-keys", given=call.body.model_dump())
    fault = found["fault"]
    return Reply({"usable": fault is None, "kids": found["kids"], "fault": None if fault is None else _word(fault)})


def _preview(call: Call) -> Reply:
    return Reply(look(call.actor, "client.preview", call.path["client_id"]))


def _activity(call: Call) -> Reply:
    return Reply(look(call.actor, "client.activity", call.path["client_id"]))


def _word(text_id: str) -> str:
    """Return what machines are told of a text of the console: its last word."""
    return text_id.rpartition(".")[2]


def _administrators(_call: Call) -> Reply:
    return Reply({"items": [describe_administrator(one) for one in list_administrators()]})


def _administrator(call: Call) -> Reply:
    one = get_administrator(call.path["name"])
    return Reply(describe_administrator(one), version=one.version)


def _add_administrator(call: Call) -> Reply:
    given = {"roles": list(call.body.roles)}
    return _done(actions.perform(call.actor, "administrator.add", call.body.name, given, **call.how), status=201)


def _operations(call: Call) -> Reply:
    return Reply(operation_acts.describe_operations(call.now))


def _dashboard(call: Call) -> Reply:
    board = dashboard.read_dashboard(call.query.span, call.now, ZoneInfo(settings.time_zone))
    return Reply(dashboard.describe_dashboard(board))


def _keys(_call: Call) -> Reply:
    return Reply({"items": key_acts.describe_calendar()})


def _limits(_call: Call) -> Reply:
    return Reply({"items": limit_acts.describe_limits()})


def _settings(_call: Call) -> Reply:
    return Reply({"items": effective.describe_settings(current_settings(), os.environ)})


def _texts(_call: Call) -> Reply:
    return Reply({"items": message_acts.list_texts()})


def _text(call: Call) -> Reply:
    return Reply(message_acts.describe_text(call.path["text"]))


def _message(call: Call) -> Reply:
    if call.path["message"] not in message_samples.sample_names():
        raise NotFound("no such message")
    samples = message_samples.make_samples(call.path["message"], call.now)
    return Reply({"items": [message_samples.describe_sample(one) for one in samples]})


def _put_banner(call: Call) -> Reply:
    given = {name: getattr(call.body, name) for name in operation_acts.BannerGiven.model_fields}
    return _done(actions.perform(call.actor, "banner.set", operation_acts.BANNER, given, **call.how))


def _remove_banner(call: Call) -> Reply:
    return _done(actions.perform(call.actor, "banner.remove", operation_acts.BANNER, {}, **call.how))


def _tokens(call: Call) -> Reply:
    # Whoever sees administrators sees their tokens; everybody sees their own.
    owner = None if call.actor.may("administrators.read") else call.actor.name
    return Reply({"items": [tokens.describe_token(one) for one in tokens.list_tokens(owner)]})


def _make_token(call: Call) -> Reply:
    token, value = tokens.issue_token(call.actor, call.body, call.now)
    shown = tokens.describe_token(token)
    db.session.commit()
    return Reply({"token": shown, "value": value}, 201)


def _revoke_token(call: Call) -> Reply:
    token = tokens.describe_token(tokens.revoke_token(call.actor, call.path["token_id"], call.now))
    db.session.commit()
    return Reply(token)


def _me(call: Call) -> Reply:
    who = call.actor
    return Reply(
        {"name": who.name, "token": who.token, "permissions": sorted(who.permissions), "four_eyes": settings.four_eyes}
    )


_DONE: Mapping[int, type[answers.Answer]] = {200: answers.Done, 202: answers.Done}
_MADE: Mapping[int, type[answers.Answer]] = {201: answers.Done, 202: answers.Done}
_CHANGES: Mapping[int, type[answers.Answer]] = {200: answers.Page[answers.Change]}


def _one(model: type[answers.Answer]) -> Mapping[int, type[answers.Answer]]:
    return {200: model}


def _state(word: str, summary: str) -> Route:
    act = _act(f"client.{word}", "client_id")
    return Route("POST", f"/clients/<client_id>/{word}", summary, "clients.suspend", act, _DONE, body=How)


def _person(word: str, summary: str) -> Route:
    act = _act(f"administrator.{word}", "name")
    return Route("POST", f"/administrators/<name>/{word}", summary, "administrators.write", act, _DONE, body=How)


def _switch(word: str, summary: str) -> Route:
    act = _act(f"channel.{word}", "channel")
    return Route("POST", f"/channels/<channel>/{word}", summary, "operations.write", act, _DONE, body=How)


_CLIENT, _SECRETS = "/clients/<client_id>", "/clients/<client_id>/secrets"
ROUTES: tuple[Route, ...] = (
    Route("GET", "/me", "Say who asks, and what they may do.", "", _me, _one(answers.Me)),
    Route("GET", "/clients", "List clients.", "clients.read", _clients, _one(answers.Page[answers.ClientLine]),
          query=ClientsAsked),
    Route("POST", "/clients", "Register a client.", "clients.write", _create, _MADE, body=ClientGiven),
    Route("GET", _CLIENT, "Show a client.", "clients.read", _client, _one(answers.ClientAnswer), tells_version=True),
    Route("PUT", _CLIENT, "Replace what is registered of a client.", "clients.write", _update, _DONE,
          body=DocumentGiven, needs_version=True),
    _state("suspend", "Refuse a client everywhere, at once."),
    _state("resume", "Let a suspended client back in."),
    _state("archive", "Put a client away."),
    _state("restore", "Take an archived client back, suspended."),
    Route("POST", f"{_CLIENT}/transfer", "Hand a client over to other people, who are told.", "clients.write",
          _act("client.transfer", "client_id", given=("team", "contacts")), _DONE, body=TransferGiven),
    Route("PUT", f"{_CLIENT}/logo", "Give a client a logo, drawn anew, or none.", "clients.write",
          _act("client.logo", "client_id", given=("content",)), _DONE, body=LogoGiven, needs_version=True),
    Route("GET", _SECRETS, "List a client's secrets, never their values.", "clients.read", _secrets,
          _one(answers.Secrets)),
    Route("POST", _SECRETS, "Make a secret, shown this once.", "clients.secrets",
          _act("client.add-secret", "client_id", status=201, given=("label", "overlap_days", "expires_days")), _MADE,
          body=SecretGiven),
    Route("DELETE", f"{_SECRETS}/<secret_id>", "Revoke a secret now.", "clients.secrets", _revoke_secret, _DONE),
    Route("GET", f"{_CLIENT}/history", "List what was changed, by whom and how.", "clients.read", _history, _CHANGES,
          query=Paged),
    Route("POST", "/redirect-uris/check", "Judge redirect URIs, each by itself.", "clients.read", _check_uris,
          _one(answers.Lines), body=UrisGiven),
    Route("POST", "/jwks-uri/check", "Fetch public keys once, and say which are usable.", "clients.write", _check_keys,
          _one(answers.FoundKeys), body=KeysAsked),
    Route("GET", f"{_CLIENT}/activity", "Count a client's grants and errors, day by day.", "clients.read", _activity,
          _one(answers.Activity)),
    Route("GET", f"{_CLIENT}/preview", "Show what tokens a test persona would give the client.", "clients.read",
          _preview, _one(answers.Preview)),
    Route("GET", "/changes", "List changes, the latest first.", "clients.read", _changes, _CHANGES, query=ChangesAsked),
    Route("GET", "/changes/<change_id>", "Show a change.", "clients.read", _change, _one(answers.Change)),
    Route("POST", "/changes/<change_id>/approve", "Apply what somebody else asked for.", "", _decide(actions.approve),
          _DONE, body=Strict),
    Route("POST", "/changes/<change_id>/refuse", "Turn down what somebody else asked for.", "",
          _decide(actions.refuse), _DONE, body=Strict),
    Route("POST", "/changes/<change_id>/withdraw", "Take back what one asked for oneself.", "",
          _decide(actions.withdraw), _DONE, body=Strict),
    Route("POST", "/changes/<change_id>/review", "Note that one has looked at an emergency.", "",
          _decide(actions.review), _DONE, body=Strict),
    Route("GET", "/administrators", "List administrators.", "administrators.read", _administrators,
          _one(answers.Administrators)),
    Route("POST", "/administrators", "Add an administrator.", "administrators.write", _add_administrator, _MADE,
          body=AdministratorGiven),
    Route("GET", "/administrators/<name>", "Show an administrator.", "administrators.read", _administrator,
          _one(answers.Administrator), tells_version=True),
    Route("PUT", "/administrators/<name>/roles", "Give an administrator other roles.", "administrators.write",
          _act("administrator.roles", "name", given=("roles",)), _DONE, body=RolesAsked, needs_version=True),
    _person("disable", "Shut an administrator out, at once."),
    _person("enable", "Let a disabled administrator back in."),
    _person("enrol", "Let an administrator enrol a passkey anew."),
    Route("GET", "/keys", "Show signing keys, what they wait for, and who has fetched them.", "keys.read", _keys,
          _one(answers.Keys)),
    Route("POST", "/keys/<alg>/rotate", "Publish the next key, or let the published one sign.", "keys.rotate",
          _act("key.rotate", "alg", given=("anyway",)), _DONE, body=RotationGiven),
    Route("POST", "/keys/<alg>/revoke", "Revoke what leaked, at once; needs a reason.", "keys.rotate",
          _act("key.revoke", "alg", given=("keep_next",)), _DONE, body=RevocationGiven),
    Route("GET", "/settings", "Show every setting as it is in force; nothing secret.", "operations.read", _settings,
          _one(answers.EffectiveSettings)),
    Route("GET", "/limits", "List the limits that may be changed at run time.", "operations.read", _limits,
          _one(answers.Limits)),
    Route("PUT", "/limits/<limit>", "Change a limit within its bounds.", "operations.write",
          _act("limit.set", "limit", given=("value",)), _DONE, body=LimitAsked),
    Route("POST", "/limits/<limit>/reset", "Let the setting's own value hold again.", "operations.write",
          _act("limit.reset", "limit"), _DONE, body=How),
    Route("GET", "/messages/<message>", "Show a message as it goes out, with nobody's values.", "operations.read",
          _message, _one(answers.MessageSamples)),
    Route("GET", "/texts", "List the texts that messages are made of.", "operations.read", _texts,
          _one(answers.Texts)),
    Route("GET", "/texts/<text>", "Show a text in every language.", "operations.read", _text,
          _one(answers.MessageText)),
    Route("PUT", "/texts/<text>", "Ask for other words.", "operations.write",
          _act("text.set", "text", given=("texts",)), _DONE, body=TextAsked),
    Route("POST", "/texts/<text>/reset", "Say it again as the settings have it.", "operations.write",
          _act("text.reset", "text"), _DONE, body=How),
    Route("GET", "/dashboard", "Say how signing in goes.", "operations.read", _dashboard, _one(answers.Dashboard),
          query=DashboardAsked),
    Route("GET", "/operations", "Show which channels are off, and the banner.", "operations.read", _operations,
          _one(answers.Operations)),
    _switch("off", "Let no proof come over a channel any more, on every node."),
    _switch("on", "Let proofs come over a channel again."),
    Route("PUT", "/banner", "Put up a banner on every page.", "operations.write", _put_banner, _DONE, body=BannerAsked),
    Route("POST", "/banner/remove", "Take the banner down.", "operations.write", _remove_banner, _DONE, body=How),
    Route("GET", "/tokens", "List tokens, never their values.", "", _tokens, _one(answers.Tokens)),
    Route("POST", "/tokens", "Make a token of one's own, shown this once.", "tokens.write", _make_token,
          {201: answers.NewToken}, body=tokens.TokenAsked),
    Route("DELETE", "/tokens/<token_id>", "Revoke a token.", "", _revoke_token, _one(answers.Token)),
    *desk.ROUTES,
    *trail.ROUTES,
)  # fmt: skip
