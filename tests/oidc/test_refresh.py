"""A refresh token works once; its successor comes again for a moment; an older one ends the family (R13)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from idp.accounts import directory
from idp.db import db
from idp.oidc.refresh import RefreshFamily, revoke_families_of, revoke_families_of_session
from tests.conftest import Browser, Clock
from tests.oidc.conftest import Client, Maker
from tests.oidc.test_token import claims_of


@pytest.fixture
def tokens(mobile: Client, make_code: Maker) -> dict[str, Any]:
    answer: dict[str, Any] = mobile.exchange(make_code("app", scopes=("openid", "profile", "offline_access"))).json
    return answer


def test_a_refresh_gives_new_tokens_of_the_same_sign_in_p_48(
    mobile: Client, tokens: dict[str, Any], clock: Clock
) -> None:
    first = claims_of(mobile.http, tokens["id_token"])
    clock.step(hours=1)

    answer = mobile.refresh(tokens["refresh_token"]).json

    second = claims_of(mobile.http, answer["id_token"])
    assert answer["refresh_token"] != tokens["refresh_token"]
    assert mobile.userinfo(answer["access_token"]).status_code == 200
    assert [second[name] for name in ("iss", "sub", "aud", "auth_time", "acr")] == [
        first[name] for name in ("iss", "sub", "aud", "auth_time", "acr")
    ]
    assert second["iat"] == first["iat"] + 3600
    assert "nonce" not in second


def test_a_lost_reply_is_answered_with_the_same_successor_rc_39(
    mobile: Client, tokens: dict[str, Any], clock: Clock
) -> None:
    lost = mobile.refresh(tokens["refresh_token"]).json
    clock.step(seconds=30)

    again = mobile.refresh(tokens["refresh_token"]).json

    assert again["refresh_token"] == lost["refresh_token"]
    assert mobile.refresh(again["refresh_token"]).status_code == 200


def test_after_the_grace_a_used_token_ends_the_whole_family_ac_133(
    mobile: Client, tokens: dict[str, Any], clock: Clock
) -> None:
    successor = mobile.refresh(tokens["refresh_token"]).json
    clock.step(seconds=31)

    reused = mobile.refresh(tokens["refresh_token"])

    assert reused.json["error"] == "invalid_grant"
    assert mobile.refresh(successor["refresh_token"]).json["error"] == "invalid_grant"
    assert mobile.userinfo(successor["access_token"]).status_code == 401


def test_the_token_before_the_last_ends_the_family_even_within_the_grace(
    mobile: Client, tokens: dict[str, Any]
) -> None:
    second = mobile.refresh(tokens["refresh_token"]).json["refresh_token"]
    third = mobile.refresh(second).json["refresh_token"]

    mobile.refresh(tokens["refresh_token"])

    assert mobile.refresh(third).json["error"] == "invalid_grant"


def test_twenty_at_once_give_one_chain_ac_134(
    app: Flask, mobile: Client, tokens: dict[str, Any], new_browser: Maker
) -> None:
    def refresh(_n: int) -> Any:
        return Client("app", None, new_browser()).refresh(tokens["refresh_token"])

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(refresh, range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    with app.app_context():
        assert db.session.query(RefreshFamily.n).scalar() == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t[:-1],
        lambda t: t + "A",
        lambda t: t.replace(".1.", ".2."),
        lambda t: "",
        lambda t: "x",
        lambda t: t[:22] + ".1." + "A" * 43,
    ],
)
def test_a_damaged_or_made_up_token_is_refused_and_ends_nothing(
    mobile: Client, tokens: dict[str, Any], damage: Any
) -> None:
    assert mobile.refresh(damage(tokens["refresh_token"])).status_code == 400

    assert mobile.refresh(tokens["refresh_token"]).status_code == 200


def test_a_token_of_another_client_is_refused_and_ends_nothing_ac_135(
    mobile: Client, web: Client, tokens: dict[str, Any]
) -> None:
    assert web.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"

    assert mobile.refresh(tokens["refresh_token"]).status_code == 200


def test_a_refresh_may_narrow_the_scope_and_never_widen_it_ac_136(mobile: Client, tokens: dict[str, Any]) -> None:
    narrow = mobile.refresh(tokens["refresh_token"], scope="openid").json
    wide = mobile.refresh(narrow["refresh_token"], scope="openid email")

    assert narrow["scope"] == "openid"
    assert wide.json["error"] == "invalid_scope"


def test_asking_for_too_much_does_not_use_the_token_up(mobile: Client, tokens: dict[str, Any], clock: Clock) -> None:
    mobile.refresh(tokens["refresh_token"], scope="openid email")
    clock.step(minutes=5)

    assert mobile.refresh(tokens["refresh_token"]).status_code == 200


def test_a_token_that_idles_for_thirty_days_is_dead_ac_137(
    mobile: Client, tokens: dict[str, Any], clock: Clock
) -> None:
    clock.step(days=30)

    assert mobile.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_a_family_ends_after_ninety_days_however_busy_ac_137(
    mobile: Client, tokens: dict[str, Any], clock: Clock
) -> None:
    token = tokens["refresh_token"]
    for _ in range(4):
        clock.step(days=20)
        token = mobile.refresh(token).json["refresh_token"]
    clock.step(days=10)

    assert mobile.refresh(token).json["error"] == "invalid_grant"


def test_a_new_password_ends_what_was_granted_under_the_old_one_p_26(
    app: Flask, mobile: Client, tokens: dict[str, Any], alice: str, clock: Clock
) -> None:
    clock.step(minutes=1)
    with app.app_context():
        directory.set_password(alice, "another-long-password-7", now=clock())
        db.session.commit()

    assert mobile.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_signing_out_everywhere_ends_every_family_ac_171(
    app: Flask, mobile: Client, tokens: dict[str, Any], alice: str, clock: Clock
) -> None:
    with app.app_context():
        assert revoke_families_of(alice, clock(), reason="signed-out") == 1

    assert mobile.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert mobile.userinfo(tokens["access_token"]).status_code == 401


def test_signing_out_of_the_browser_ends_what_may_not_act_offline(
    app: Flask, mobile: Client, tokens: dict[str, Any], make_code: Maker, clock: Clock
) -> None:
    online = mobile.exchange(make_code("app", scopes=("openid",))).json
    with app.app_context():
        revoke_families_of_session("s" * 22, clock())

    assert mobile.refresh(online["refresh_token"]).json["error"] == "invalid_grant"
    assert mobile.refresh(tokens["refresh_token"]).status_code == 200


def test_the_database_holds_no_refresh_token(app: Flask, http: Browser, tokens: dict[str, Any]) -> None:
    with app.app_context():
        row = db.session.query(RefreshFamily).one()

        assert tokens["refresh_token"].split(".")[2] not in str(row.__dict__)
