"""A service exchanges a person's token for one for the next service: never more, never longer, and it says who acts."""

from typing import Any

import pytest
from flask import Flask

from idp.accounts import directory
from idp.db import db
from idp.oidc.clients import suspend_client
from tests.conftest import Clock
from tests.oidc.conftest import Client, Maker
from tests.oidc.proofs import new_key, proof_for, thumbprint, verified

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
FIRST, SECOND = "https://first.test/", "https://second.test/"


@pytest.fixture
def service(make_client: Maker) -> Client:
    """Return a service that may exchange tokens of `web` for tokens for the second API."""
    client: Client = make_client(
        "service", kind="machine", redirect_uris=[], scope="openid profile", grant_types=[GRANT],
        resources=[SECOND], serves_resources=[FIRST], exchanges_tokens_of=["web"], access_token_format="jwt",
    )  # fmt: skip
    return client


@pytest.fixture
def web(make_client: Maker) -> Client:
    client: Client = make_client("web", resources=[FIRST])
    return client


@pytest.fixture
def subject(web: Client, make_code: Maker) -> str:
    """Return Alice's token for the first API."""
    scopes = ("openid", "profile", "email", "offline_access")
    return str(web.exchange(make_code(resources=(FIRST,), scopes=scopes)).json["access_token"])


def exchange(client: Client, token: str, *, headers: Any = None, **changes: Any) -> Any:
    form = {
        "grant_type": GRANT, "subject_token": token, "subject_token_type": ACCESS_TOKEN, "resource": SECOND, **changes,
    }  # fmt: skip
    return client.post("/token", headers=headers, **{name: value for name, value in form.items() if value is not None})


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]


def test_the_new_token_says_whose_it_is_and_who_acts(service: Client, web: Client, subject: str) -> None:
    """RFC 8693 §2.2.1, §4.1."""
    answer = exchange(service, subject).json
    claims = verified(service.http, answer["access_token"])

    assert answer["issued_token_type"] == ACCESS_TOKEN
    assert answer["scope"] == "openid profile"
    assert (claims["aud"], claims["client_id"], claims["act"]) == (SECOND, "service", {"sub": "service"})
    assert claims["sub"] != web.post("/introspect", token=subject).json["sub"], "pairwise, so another name"
    assert not {"refresh_token", "id_token"} & answer.keys()


def test_it_never_does_more_p_25(service: Client, subject: str) -> None:
    assert exchange(service, subject, scope="profile").json["scope"] == "profile"
    for scope in ("email", "openid email", "offline_access", "admin"):
        assert error_of(exchange(service, subject, scope=scope)) == (400, "invalid_scope")


def test_it_never_goes_further(service: Client, subject: str) -> None:
    refused = [
        exchange(service, subject, resource=None),
        exchange(service, subject, resource=FIRST),
        exchange(service, subject, resource=[SECOND, FIRST]),
        exchange(service, subject, resource=None, audience="second"),
        exchange(service, subject, audience="https://other.test/"),
    ]

    assert [error_of(answer) for answer in refused] == [(400, "invalid_target")] * 5
    assert exchange(service, subject, resource=None, audience=SECOND).status_code == 200


def test_it_never_lives_longer(service: Client, subject: str, clock: Clock) -> None:
    clock.step(minutes=9)
    answer = exchange(service, subject).json

    assert answer["expires_in"] == 60
    clock.step(seconds=60)
    assert service.post("/introspect", token=answer["access_token"]).json == {"active": False}
    assert error_of(exchange(service, subject)) == (400, "invalid_request")


def test_it_dies_with_the_grant_that_it_comes_from(service: Client, web: Client, make_code: Maker) -> None:
    tokens = web.exchange(make_code(resources=(FIRST,))).json
    exchanged = exchange(service, tokens["access_token"]).json["access_token"]
    before = service.post("/introspect", token=exchanged).json["active"]

    web.post("/revoke", token=tokens["refresh_token"])

    assert before is True
    assert service.post("/introspect", token=exchanged).json == {"active": False}


def test_only_registered_pairs_exchange(service: Client, make_client: Maker, make_code: Maker, subject: str) -> None:
    stranger = make_client("stranger", resources=[FIRST])
    theirs = stranger.exchange(make_code("stranger", resources=(FIRST,))).json["access_token"]
    other = make_client(
        "other", kind="machine", redirect_uris=[], grant_types=[GRANT], resources=[SECOND], serves_resources=[FIRST]
    )
    public = make_client(
        "public", kind="mobile", grant_types=["authorization_code", GRANT], resources=[SECOND],
        exchanges_tokens_of=["web"], serves_resources=[FIRST],
    )  # fmt: skip

    assert error_of(exchange(service, theirs)) == (400, "invalid_request")
    assert error_of(exchange(other, subject)) == (400, "invalid_request")
    assert error_of(exchange(public, subject)) == (400, "unauthorized_client")
    assert error_of(exchange(stranger, subject)) == (400, "unauthorized_client")


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_token": "x"}, {"subject_token": "A" * 65}, {"subject_token": None}, {"subject_token_type": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, {"actor_token_type": ACCESS_TOKEN},
    ],
    ids=str,
)  # fmt: skip
def test_a_request_that_is_not_ours_is_refused(service: Client, subject: str, changes: dict[str, Any]) -> None:
    assert error_of(exchange(service, subject, **changes)) == (400, "invalid_request")


def test_other_tokens_of_ours_cannot_be_exchanged_ac_160(service: Client, web: Client, make_code: Maker) -> None:
    tokens = web.exchange(make_code(resources=(FIRST,))).json

    for kind in ("id_token", "refresh_token"):
        assert error_of(exchange(service, tokens[kind])) == (400, "invalid_request")


def test_a_machines_token_is_its_own(make_client: Maker, service: Client) -> None:
    """Exchanged, it would carry the name of the service that exchanges it instead of the machine's (P-27)."""
    robot = make_client("robot", kind="machine", redirect_uris=[], machine_scopes=["read"], resources=[FIRST])
    broker = make_client(
        "broker", kind="machine", redirect_uris=[], grant_types=[GRANT], resources=[SECOND], machine_scopes=["read"],
        exchanges_tokens_of=["robot"], serves_resources=[FIRST],
    )  # fmt: skip
    token = robot.post("/token", grant_type="client_credentials", resource=FIRST).json["access_token"]

    assert error_of(exchange(broker, token)) == (400, "invalid_request")


def test_who_may_not_act_any_more_is_not_acted_for_ac_138(
    app: Flask, service: Client, web: Client, make_code: Maker, alice: str, clock: Clock
) -> None:
    of_client, of_account = (web.exchange(make_code(resources=(FIRST,))).json["access_token"] for _ in range(2))
    with app.app_context():
        suspend_client("web", clock())
        db.session.commit()
    by_client = exchange(service, of_client)
    with app.app_context():
        from idp.oidc.clients import ClientRow, forget_cached_clients

        row = db.session.get(ClientRow, "web")
        assert row is not None
        row.suspended_at = None
        directory.set_status(alice, "disabled", now=clock())
        db.session.commit()
        forget_cached_clients()

    assert error_of(by_client) == (400, "invalid_request")
    assert error_of(exchange(service, of_account))[0] == 400


def test_a_chain_of_services_is_told_and_ends(make_client: Maker, web: Client, subject: str) -> None:
    """RFC 8693 §4.1: the present actor first, those before it nested; a loop of services ends."""
    token, told = subject, []
    before = "web"
    for n in range(7):
        link = make_client(
            f"link-{n}", kind="machine", redirect_uris=[], scope="openid", grant_types=[GRANT], resources=[FIRST],
            serves_resources=[FIRST], exchanges_tokens_of=[before], access_token_format="jwt",
        )  # fmt: skip
        answer = exchange(link, token, resource=FIRST)
        if answer.status_code != 200:
            told.append(error_of(answer))
            break
        token, before = answer.json["access_token"], f"link-{n}"

    act = verified(web.http, token)["act"]
    assert act["sub"] == "link-4"
    assert act["act"]["act"]["act"]["act"] == {"sub": "link-0"}
    assert told == [(400, "invalid_request")]


def test_the_new_token_is_bound_to_the_key_of_the_service(service: Client, subject: str) -> None:
    key = new_key()
    answer = exchange(service, subject, headers=proof_for(key)).json

    assert answer["token_type"] == "DPoP"
    assert verified(service.http, answer["access_token"])["cnf"] == {"jkt": thumbprint(key)}


def test_a_service_exchanges_only_what_was_sent_to_it(
    make_client: Maker, web: Client, make_code: Maker, service: Client
) -> None:
    """A token that was made for UserInfo or another API was never meant for this service: it leaked (P-12)."""
    for_userinfo = web.exchange(make_code()).json["access_token"]

    assert error_of(exchange(service, for_userinfo)) == (400, "invalid_request")
