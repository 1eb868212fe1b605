"""Forged, replayed and borrowed answers of authenticators are refused, each for its own reason (security.md D)."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask

from idp.accounts import directory
from idp.db import db
from idp.mfa import passkeys
from idp.mfa.passkeys import CannotAdd, Passkey
from idp.mfa.webauthn import Kind, WebauthnFault, ask_to_register, ask_to_sign_in, check_assertion, check_registration
from tests.conftest import Clock
from tests.mfa.authenticator import AT, BE, BS, SYNCED, UP, UV, Authenticator, b64, cose_of, unb64

HERE = "place-of-a-browser"


@pytest.fixture
def account(context: Flask, alice: str) -> str:
    return alice


@pytest.fixture
def bob(context: Flask) -> str:
    account = directory.add_account(nir="299132A999003", password="bobs-long-password-1", email="bob@example.fr")
    db.session.commit()
    return account.id


@pytest.fixture
def phone() -> Authenticator:
    return Authenticator()


def registration_options(account: str, place: str = HERE) -> dict[str, Any]:
    handle = passkeys.ensure_user_handle(account)
    db.session.commit()
    return ask_to_register(
        account_id=account, user_handle=handle, user_name="Alice", known=passkeys.list_passkeys(account), place=place
    )


def enrol(account: str, phone: Authenticator, clock: Clock, **lies: Any) -> Passkey:
    answer = phone.create(registration_options(account), **lies)
    new = check_registration(answer, account_id=account, place=HERE)
    added = passkeys.add_passkey(account, new, name="Téléphone", now=clock())
    db.session.commit()
    return added


def sign_in_options(kind: Kind = "sign-in", account: str | None = None, place: str = HERE) -> dict[str, Any]:
    known = passkeys.list_passkeys(account) if account else ()
    return ask_to_sign_in(kind, account_id=account, known=known, place=place)


def check(answer: str, clock: Clock, kind: Kind = "sign-in", account: str | None = None, place: str = HERE) -> Passkey:
    try:
        return check_assertion(answer, kind, account_id=account, place=place, now=clock())
    finally:
        db.session.commit()


def refused(act: Callable[[], object]) -> str:
    """Return the reason for which an answer is refused."""
    with pytest.raises(WebauthnFault) as caught:
        act()
    return caught.value.reason


# -- what is asked -------------------------------------------------------------------------------------------------


def test_registration_asks_for_a_discoverable_credential_and_a_verified_person(account: str) -> None:
    options = registration_options(account)

    assert options["rp"] == {"id": "idp.test", "name": "Mon Compte"}
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert [one["alg"] for one in options["pubKeyCredParams"]] == [-8, -7, -257]
    assert options["timeout"] == 300_000
    assert len(unb64(options["challenge"])) == 32


def test_the_user_handle_is_random_and_stays_ac_89(account: str, bob: str) -> None:
    first, again, other = (registration_options(who)["user"]["id"] for who in (account, account, bob))

    assert first == again != other
    assert len(unb64(first)) == 32
    assert account.encode() not in unb64(first)


def test_known_credentials_are_excluded_with_their_transports(account: str, phone: Authenticator, clock: Clock) -> None:
    added = enrol(account, phone, clock)

    excluded = registration_options(account)["excludeCredentials"]

    assert [unb64(one["id"]) for one in excluded] == [added.credential_id]
    assert excluded[0]["transports"] == ["hybrid", "internal"]


def test_no_credential_is_named_before_a_person_is_known_ac_56(
    account: str, phone: Authenticator, clock: Clock
) -> None:
    enrol(account, phone, clock)

    options = sign_in_options()

    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"


# -- what is right -------------------------------------------------------------------------------------------------


def test_a_passkey_says_who_it_is(account: str, phone: Authenticator, clock: Clock) -> None:
    enrolled = enrol(account, phone, clock)

    used = check(phone.get(sign_in_options()), clock)

    assert (used.id, used.account_id) == (enrolled.id, account)
    db.session.refresh(used)
    assert used.last_used_at == clock()


def test_what_is_kept_of_a_credential(account: str, phone: Authenticator, clock: Clock) -> None:
    kept = enrol(account, phone, clock)

    assert kept.credential_id == phone.credentials[0].id
    assert kept.aaguid == "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"
    assert (kept.backup_eligible, kept.backed_up) == (True, True)
    # What a stranger writes among the transports is not kept.
    assert kept.transports == ["hybrid", "internal"]


@pytest.mark.parametrize("flags", [UP | UV, UP | UV | BE, SYNCED])
def test_backup_flags_are_kept_and_followed(account: str, clock: Clock, flags: int) -> None:
    phone = Authenticator(flags=flags)
    kept = enrol(account, phone, clock)
    assert (kept.backup_eligible, kept.backed_up) == (bool(flags & BE), bool(flags & BS))

    if flags & BE:
        check(phone.get(sign_in_options(), flags=flags ^ BS), clock)
        db.session.refresh(kept)
        assert kept.backed_up is not bool(flags & BS)


def test_an_android_app_signs_with_its_certificate_as_origin(
    context: Flask, account: str, phone: Authenticator, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = context.extensions["sesame"]["settings"]
    fingerprint = ":".join(f"{byte:02X}" for byte in range(32))
    changed = known.passkeys.model_copy(update={"android_apps": {"fr.exemple.moncompte": (fingerprint,)}})
    monkeypatch.setitem(context.extensions["sesame"], "settings", known.model_copy(update={"passkeys": changed}))
    enrol(account, phone, clock)

    app_origin = "android:apk-key-hash:" + b64(bytes(range(32)))

    assert check(phone.get(sign_in_options(), origin=app_origin), clock).account_id == account
    assert refused(lambda: check(phone.get(sign_in_options(), origin=app_origin[:-1] + "A"), clock)) == "refused"


# -- challenges ----------------------------------------------------------------------------------------------------


def test_an_answer_counts_once_ac_73(account: str, phone: Authenticator, clock: Clock) -> None:
    enrol(account, phone, clock)
    answer = phone.get(sign_in_options())
    check(answer, clock)

    assert refused(lambda: check(answer, clock)) == "challenge"


def test_of_many_rivals_with_one_answer_one_gets_in_ac_73(
    context: Flask, account: str, phone: Authenticator, clock: Clock
) -> None:
    enrol(account, phone, clock)
    answer = phone.get(sign_in_options())

    def attempt(_: int) -> bool:
        with context.app_context():
            try:
                check_assertion(answer, "sign-in", account_id=None, place=HERE, now=clock())
            except WebauthnFault:
                return False
            finally:
                db.session.commit()
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_challenge_dies_after_five_minutes_ac_74(account: str, phone: Authenticator, clock: Clock) -> None:
    enrol(account, phone, clock)
    in_time, late = sign_in_options(), sign_in_options()

    clock.step(minutes=5, seconds=-1)
    assert check(phone.get(in_time), clock).account_id == account
    clock.step(seconds=1)

    assert refused(lambda: check(phone.get(late), clock)) == "challenge"


def test_a_challenge_belongs_to_its_browser_and_its_sign_in_ac_75(
    account: str, phone: Authenticator, clock: Clock
) -> None:
    enrol(account, phone, clock)
    answer = phone.get(sign_in_options(place="the browser of someone else"))

    assert refused(lambda: check(answer, clock)) == "challenge"
    # And was used up by the attempt.
    assert refused(lambda: check(answer, clock, place="the browser of someone else")) == "challenge"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("sign-in", "second-step"), ("second-step", "sign-in"), ("register", "sign-in"), ("register", "second-step")],
)
def test_ceremonies_are_never_swapped(
    account: str, phone: Authenticator, clock: Clock, asked: Kind, answered: Kind
) -> None:
    enrol(account, phone, clock)
    if asked == "register":
        options = {"challenge": registration_options(account)["challenge"], "rpId": "idp.test"}
    else:
        options = sign_in_options(asked, account if asked == "second-step" else None)

    answer = phone.get(options)

    whose = account if answered == "second-step" else None
    assert refused(lambda: check(answer, clock, answered, whose)) == "challenge"


def test_a_sign_in_challenge_registers_nothing(account: str, phone: Authenticator) -> None:
    options = {**registration_options(account), "challenge": sign_in_options("second-step", account)["challenge"]}

    answer = phone.create(options)

    assert refused(lambda: check_registration(answer, account_id=account, place=HERE)) == "challenge"


def test_a_second_step_challenge_belongs_to_its_account(
    account: str, bob: str, phone: Authenticator, clock: Clock
) -> None:
    enrol(account, phone, clock)

    answer = phone.get(sign_in_options("second-step", bob))

    assert refused(lambda: check(answer, clock, "second-step", account)) == "challenge"


# -- forgeries -----------------------------------------------------------------------------------------------------

ORIGINS = [
    "https://idp.test.example",
    "https://idp-test",
    "https://xn--dp-0ja.test",
    "http://idp.test",
    "https://idp.test:8443",
    "https://sub.idp.test",
    "https://idp.test/",
    "HTTPS://IDP.TEST",
    "null",
    "",
    None,
    ["https://idp.test"],
    "android:apk-key-hash:" + "A" * 43,
]
FORGERIES: list[tuple[str, dict[str, Any], str]] = [
    *[(f"AC-76 origin {origin}", {"origin": origin}, "refused") for origin in ORIGINS],
    ("AC-77 rpId of another domain", {"rp_id": "evil.test"}, "refused"),
    ("AC-77 rpId of the parent", {"rp_id": "test"}, "refused"),
    ("AC-78 nobody present", {"flags": UV | BE | BS}, "refused"),
    ("AC-78 nobody verified", {"flags": UP | BE | BS}, "refused"),
    ("AC-78 no flag", {"flags": 0}, "refused"),
    ("backed up without being eligible", {"flags": UP | UV | BS}, "refused"),
    ("type of the other ceremony", {"type": "webauthn.create"}, "refused"),
    ("type of a payment", {"type": "payment.get"}, "refused"),
    ("type missing", {"type": None}, "refused"),
    ("crossOrigin", {"cross_origin": True}, "frame"),
    ("crossOrigin that is no boolean", {"cross_origin": "false"}, "frame"),
    ("topOrigin", {"top_origin": "https://evil.test"}, "frame"),
    ("credential type", {"credential_type": "password"}, "refused"),
]
ASSERTION_FORGERIES: list[tuple[str, dict[str, Any], str]] = [
    *FORGERIES,
    ("a challenge of one's own", {"challenge": b64(b"c" * 32)}, "challenge"),
    ("an empty challenge", {"challenge": ""}, "challenge"),
    ("a padded challenge", {"challenge": b64(b"c" * 32) + "="}, "unreadable"),
    ("a challenge that is no text", {"challenge": 7}, "unreadable"),
    ("user handle of nobody", {"user_handle": b"x" * 32}, "user-handle"),
    ("user handle empty", {"user_handle": b""}, "user-handle"),
    ("user handle missing", {"user_handle": None}, "user-handle"),
    ("user handle that is a list", {"user_handle": ["x"]}, "user-handle"),
    ("signature of nobody", {"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"}, "refused"),
    ("signature empty", {"signature": b""}, "refused"),
    ("credential of nobody", {"told_id": b"n" * 32}, "unknown"),
    ("id and rawId differ", {"raw_id": b"n" * 32}, "refused"),
    ("not the flag that it was made with", {"flags": UP | UV}, "backup-flags"),
    ("attested data without the data", {"flags": SYNCED | AT}, "refused"),
]


@pytest.mark.parametrize(
    ("_name", "lies", "reason"), ASSERTION_FORGERIES, ids=[case[0] for case in ASSERTION_FORGERIES]
)
def test_a_forged_assertion_is_refused(
    account: str, phone: Authenticator, clock: Clock, _name: str, lies: dict[str, Any], reason: str
) -> None:
    enrol(account, phone, clock)

    assert refused(lambda: check(phone.get(sign_in_options(), **lies), clock)) == reason


@pytest.mark.parametrize(("_name", "lies", "reason"), FORGERIES, ids=[case[0] for case in FORGERIES])
def test_a_forged_registration_is_refused(
    account: str, phone: Authenticator, _name: str, lies: dict[str, Any], reason: str
) -> None:
    lies = {**lies, "type": "webauthn.get"} if lies.get("type") == "webauthn.create" else lies
    answer = phone.create(registration_options(account), **lies)

    assert refused(lambda: check_registration(answer, account_id=account, place=HERE)) == reason
    assert passkeys.count_passkeys(account) == 0


def test_a_key_of_someone_else_does_not_sign_for_a_credential(
    account: str, bob: str, phone: Authenticator, clock: Clock
) -> None:
    enrol(account, phone, clock)
    thief = Authenticator()
    enrol(bob, thief, clock)
    victim = phone.credentials[0]

    answer = thief.get(sign_in_options(), told_id=victim.id, user_handle=victim.user_handle)

    assert refused(lambda: check(answer, clock)) == "refused"


def test_a_passkey_of_ones_own_opens_no_other_account_ac_80(
    account: str, bob: str, phone: Authenticator, clock: Clock
) -> None:
    enrol(account, Authenticator(), clock)
    enrol(bob, phone, clock)

    answer = phone.get(sign_in_options("second-step", account))

    assert refused(lambda: check(answer, clock, "second-step", account)) == "owner"


def test_a_user_handle_of_another_account_is_refused_ac_80(
    account: str, bob: str, phone: Authenticator, clock: Clock
) -> None:
    enrol(account, phone, clock)
    enrol(bob, Authenticator(), clock)
    others = passkeys.user_handle_of(bob)

    assert refused(lambda: check(phone.get(sign_in_options(), user_handle=others), clock)) == "user-handle"


def test_the_second_step_needs_no_user_handle_but_believes_no_wrong_one(
    account: str, phone: Authenticator, clock: Clock
) -> None:
    enrol(account, phone, clock)
    without = phone.get(sign_in_options("second-step", account), user_handle=None)
    wrong = phone.get(sign_in_options("second-step", account), user_handle=b"x" * 32)

    assert check(without, clock, "second-step", account).account_id == account
    assert refused(lambda: check(wrong, clock, "second-step", account)) == "user-handle"


# -- counters ------------------------------------------------------------------------------------------------------


def test_a_counter_that_goes_back_is_refused_flagged_and_never_stored_ac_79(account: str, clock: Clock) -> None:
    key = Authenticator(flags=UP | UV, steps=1)
    kept = enrol(account, key, clock)
    for _ in range(3):
        check(key.get(sign_in_options()), clock)
    db.session.refresh(kept)
    assert (kept.sign_count, kept.suspect_at) == (4, None)

    for count in (4, 2, 0):
        assert refused(lambda count=count: check(key.get(sign_in_options(), count=count), clock)) == "counter"

    db.session.refresh(kept)
    assert (kept.sign_count, kept.suspect_at) == (4, clock())


def test_a_forged_counter_raises_no_suspicion(account: str, clock: Clock) -> None:
    key = Authenticator(flags=UP | UV, steps=1)
    kept = enrol(account, key, clock)

    assert refused(lambda: check(key.get(sign_in_options(), count=0, signature=b"x"), clock)) == "refused"

    db.session.refresh(kept)
    assert kept.suspect_at is None


def test_synced_passkeys_do_not_count(account: str, phone: Authenticator, clock: Clock) -> None:
    enrol(account, phone, clock)

    for _ in range(3):
        assert check(phone.get(sign_in_options()), clock).account_id == account


# -- registration --------------------------------------------------------------------------------------------------


def test_a_credential_is_registered_once_ac_81(account: str, bob: str, phone: Authenticator, clock: Clock) -> None:
    same = b"s" * 32
    enrol(account, phone, clock, credential_id=same)

    for who in (account, bob):
        with pytest.raises(CannotAdd):
            enrol(who, Authenticator(), clock, credential_id=same)


def test_a_removed_credential_is_not_taken_again_and_opens_nothing_ac_81_ac_86(
    account: str, phone: Authenticator, clock: Clock
) -> None:
    kept = enrol(account, phone, clock, credential_id=b"s" * 32)
    passkeys.revoke_passkey(kept, clock())
    db.session.commit()

    assert refused(lambda: check(phone.get(sign_in_options()), clock)) == "unknown"
    with pytest.raises(CannotAdd):
        enrol(account, Authenticator(), clock, credential_id=b"s" * 32)


def test_a_registration_challenge_belongs_to_its_account_ac_82(account: str, bob: str, phone: Authenticator) -> None:
    answer = phone.create(registration_options(bob))

    assert refused(lambda: check_registration(answer, account_id=account, place=HERE)) == "challenge"


def test_an_account_has_no_more_passkeys_than_allowed(
    context: Flask, account: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = context.extensions["sesame"]["settings"]
    few = known.model_copy(update={"passkeys": known.passkeys.model_copy(update={"per_account": 2})})
    monkeypatch.setitem(context.extensions["sesame"], "settings", few)
    for _ in range(2):
        enrol(account, Authenticator(), clock)

    with pytest.raises(CannotAdd):
        enrol(account, Authenticator(), clock)


def rsa_key(bits: int, e: int = 65537, alg: int = -257) -> bytes:
    numbers = rsa.generate_private_key(65537, max(bits, 1024)).public_key().public_numbers()
    return cbor2.dumps({1: 3, 3: alg, -1: numbers.n.to_bytes(max(bits, 1024) // 8), -2: e.to_bytes(3)})


POINT = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
BAD_KEYS: list[tuple[str, bytes, str]] = [
    ("RSA of 1024 bits", rsa_key(1024), "key"),
    ("RSA with zeros in front", cbor2.dumps({1: 3, 3: -257, -1: bytes(128) + b"\x91" * 128, -2: b"\1\0\1"}), "key"),
    ("RSA-PSS, not offered", rsa_key(2048, alg=-37), "refused"),
    ("RS1, not offered", rsa_key(2048, alg=-65535), "refused"),
    ("ES384, not offered", cbor2.dumps({1: 2, 3: -35, -1: 2, -2: b"x" * 48, -3: b"y" * 48}), "refused"),
    ("ES256 on P-384", cbor2.dumps({1: 2, 3: -7, -1: 2, -2: b"x" * 48, -3: b"y" * 48}), "key"),
    ("a point off the curve", cbor2.dumps({1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: b"y" * 32}), "refused"),
    ("no point", cbor2.dumps({1: 2, 3: -7, -1: 1}), "refused"),
    ("HMAC", cbor2.dumps({1: 4, 3: 5, -1: b"k" * 32}), "refused"),
    ("a number", cbor2.dumps(4), "refused"),
    ("a list", cbor2.dumps([1, 2]), "refused"),
    ("nothing", b"", "refused"),
    ("a name twice", b"\xa2\x01\x02\x01\x02", "refused"),
    ("a thousand lists in lists", b"\x81" * 1000 + b"\x00", "refused"),
    ("twenty thousand lists in lists", b"\x81" * 20_000 + b"\x00", "refused"),
    ("a length beyond the end", b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", "refused"),
    ("more behind the key", cose_of(ec.generate_private_key(ec.SECP256R1())) + b"\x00", "refused"),
]


@pytest.mark.parametrize(("_name", "key", "reason"), BAD_KEYS, ids=[case[0] for case in BAD_KEYS])
def test_a_bad_key_is_refused_at_once_ac_84(
    account: str, phone: Authenticator, _name: str, key: bytes, reason: str
) -> None:
    answer = phone.create(registration_options(account), public_key=key)

    began = time.thread_time()
    assert refused(lambda: check_registration(answer, account_id=account, place=HERE)) == reason
    assert time.thread_time() - began < 0.1


@pytest.mark.parametrize(
    "attestation",
    [b"", b"\x00", b"\xff", b"\x81" * 5000, cbor2.dumps({}), cbor2.dumps({"authData": 7}), cbor2.dumps("authData"),
     cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": b""}), b"\xc4" * 300, b"\xd8\x1d\x00"],
)  # fmt: skip
def test_a_malformed_attestation_object_is_refused_ac_84(
    account: str, phone: Authenticator, attestation: bytes
) -> None:
    answer = phone.create(registration_options(account), attestation_object=attestation)

    assert refused(lambda: check_registration(answer, account_id=account, place=HERE)) == "refused"


@pytest.mark.parametrize(
    "text",
    ["", "null", "7", "[]", "{}", '"x"', "{" * 50, '{"id":"AAAA","id":"AAAA"}', '{"id":1}', '{"id":"!!"}', "é" * 10,
     '{"id":"AAAA","response":[]}', '{"id":"AAAA","response":{"clientDataJSON":"AAAA"}}', "x" * 40_000, "NaN",
     json.dumps({"id": "AAAA", "response": {"clientDataJSON": b64(b'{"challenge":')}}),
     json.dumps({"id": "AAAA", "response": {"clientDataJSON": b64(b"\xff\xfe")}})],
)  # fmt: skip
def test_what_is_no_answer_is_unreadable_ac_84(account: str, clock: Clock, text: str) -> None:
    assert refused(lambda: check(text, clock)) == "unreadable"
    assert refused(lambda: check_registration(text, account_id=account, place=HERE)) == "unreadable"


def test_a_statement_with_a_chain_of_ones_own_gives_no_trust_ac_88(
    account: str, phone: Authenticator, clock: Clock
) -> None:
    """No attestation was asked for: whatever stands there, the credential is worth what one without it is."""
    claimed = {"alg": -7, "sig": b"forged", "x5c": [b"a self-made certificate of a certified model"]}
    kept = enrol(account, phone, clock, fmt="packed", att_stmt=claimed)
    plain = enrol(account, Authenticator(), clock)

    columns = set(Passkey.__table__.columns.keys()) - {"id", "credential_id", "public_key"}
    assert {name: getattr(kept, name) for name in columns} == {name: getattr(plain, name) for name in columns}


@pytest.mark.parametrize("length", [0, 15, 1024])
def test_a_credential_id_has_sixteen_to_1023_bytes(account: str, phone: Authenticator, length: int) -> None:
    answer = phone.create(registration_options(account), credential_id=b"c" * length)

    assert refused(lambda: check_registration(answer, account_id=account, place=HERE)) == "refused"


def test_the_id_that_is_told_is_the_one_that_was_attested(account: str, phone: Authenticator) -> None:
    answer = phone.create(registration_options(account), told_id=b"t" * 32)

    assert refused(lambda: check_registration(answer, account_id=account, place=HERE)) == "refused"
