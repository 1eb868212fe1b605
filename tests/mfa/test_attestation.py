"""FIDO metadata: a forged edition is not believed, a bad model is not enrolled, a required model proves itself."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask

from idp import assembly
from idp.db import db
from idp.mfa import fido_metadata, passkeys
from idp.mfa.fido_metadata import BAD, BadMetadata, load_metadata, read_metadata
from idp.mfa.passkeys import NewPasskey
from idp.mfa.webauthn import WebauthnFault, ask_to_register, check_registration
from idp.settings import AttestationSettings, Settings, SettingsFault
from tests.conftest import Clock, changed_settings
from tests.mfa.authenticator import GOOGLE, Authenticator
from tests.mfa.metadata_service import SIGNER, Holder, MetadataService, attested, issue, new_root

HERE = "place-of-a-browser"
KEY, OTHER = bytes(range(16)), bytes(range(16, 32))
KEY_NAME = "00010203-0405-0607-0809-0a0b0c0d0e0f"
UNITS = ("Authenticator Attestation",)
Change = Callable[..., Settings]


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> MetadataService:
    fido_metadata._kept.clear()
    return MetadataService(tmp_path, clock())


@pytest.fixture
def vendor(service: MetadataService, clock: Clock) -> Holder:
    """Return the root of a maker whose model is certified."""
    root = new_root("Vendor Root", clock())
    service.list_model(KEY, root, "FIDO_CERTIFIED", "FIDO_CERTIFIED_L1")
    return root


@pytest.fixture
def maker(vendor: Holder, clock: Clock) -> Holder:
    """Return what signs for keys of that model."""
    return issue("Batch 1", vendor, clock(), units=UNITS, model=KEY)


@pytest.fixture
def account(context: Flask, alice: str) -> str:
    return alice


def believe(blob: bytes, service: MetadataService, clock: Clock) -> fido_metadata.Metadata:
    return read_metadata(blob, service.root.pem, clock())


def options(account: str) -> dict[str, Any]:
    handle = passkeys.ensure_user_handle(account)
    db.session.commit()
    return ask_to_register(account_id=account, user_handle=handle, user_name="Alice", known=(), place=HERE)


def enrol(account: str, answer: str) -> NewPasskey:
    return check_registration(answer, account_id=account, place=HERE)


def refused(account: str, answer: str) -> str:
    with pytest.raises(WebauthnFault) as caught:
        enrol(account, answer)
    return caught.value.reason


# -- the BLOB ------------------------------------------------------------------------------------------------------


def test_a_genuine_edition_is_read(service: MetadataService, vendor: Holder, clock: Clock) -> None:
    found = believe(service.sign(), service, clock)

    assert found.number == 7
    assert found.models[KEY_NAME].statuses == {"FIDO_CERTIFIED", "FIDO_CERTIFIED_L1"}
    assert found.models[KEY_NAME].roots == (vendor.pem,)
    assert not found.models[KEY_NAME].is_bad


def test_a_signer_below_an_intermediate_is_believed(service: MetadataService, clock: Clock) -> None:
    between = issue("Intermediate", service.root, clock(), ca=True)
    signer = issue(SIGNER, between, clock(), host=SIGNER)

    assert believe(service.sign(signer=signer, chain=[signer, between]), service, clock).number == 7
    assert believe(service.sign(signer=signer, chain=[signer, between, service.root]), service, clock).number == 7


def test_the_algorithm_of_the_real_one_is_believed_too(service: MetadataService, clock: Clock) -> None:
    signer = issue(SIGNER, service.root, clock(), host=SIGNER, kind="RSA")

    assert believe(service.sign(signer=signer), service, clock).number == 7
    with pytest.raises(BadMetadata):
        believe(_turned(service.sign(signer=signer)), service, clock)


FORGERIES: dict[str, Callable[[MetadataService, Clock], bytes]] = {
    "of another key": lambda s, c: s.sign(signer=Holder(s.signer.certificate, ec.generate_private_key(ec.SECP256R1()))),
    "of another root": lambda s, c: s.sign(signer=issue(SIGNER, new_root("Evil", c()), c(), host=SIGNER)),
    "self-signed": lambda s, c: s.sign(signer=issue(SIGNER, None, c(), host=SIGNER)),
    "of another server under the root": lambda s, c: s.sign(
        signer=issue("evil.example", s.root, c(), host="evil.example")
    ),
    "below a certificate that may not issue": lambda s, c: _below(s, c),
    "over by time": lambda s, c: s.sign(
        signer=issue(SIGNER, s.root, c(), host=SIGNER, begins=timedelta(days=-9), ends=timedelta(days=-1))
    ),
    "not valid yet": lambda s, c: s.sign(signer=issue(SIGNER, s.root, c(), host=SIGNER, begins=timedelta(days=1))),
    "without certificates": lambda s, c: s.sign(chain=[]),
    "no header field x5c": lambda s, c: s.sign(header={"x5c": None}),
    "alg none": lambda s, c: s.sign(header={"alg": "none"}),
    "alg none, unsigned": lambda s, c: s.sign(header={"alg": "none"}).rsplit(b".", 1)[0] + b".",
    "alg HS256": lambda s, c: s.sign(header={"alg": "HS256"}),
    "something critical": lambda s, c: s.sign(header={"crit": ["exp"]}),
    "changed by one bit": lambda s, c: _turned(s.sign()),
    "the payload of another edition": lambda s, c: _mixed(s.sign(number=8), s.sign(number=7)),
    "cut short": lambda s, c: s.sign()[:200],
    "empty": lambda s, c: b"",
    "no JWS": lambda s, c: b"<html>Not found</html>",
}


def _below(service: MetadataService, clock: Clock) -> bytes:
    """Any server's certificate under the same root, used as if it were an authority's: the library would not ask."""
    leaf = issue("shop.example", service.root, clock(), host="shop.example")
    signer = issue(SIGNER, leaf, clock(), host=SIGNER)
    return service.sign(signer=signer, chain=[signer, leaf])


def _turned(blob: bytes) -> bytes:
    head, payload, signature = blob.split(b".")
    middle = len(payload) // 2
    turned = bytes([payload[middle] ^ 1])
    return b".".join((head, payload[:middle] + turned + payload[middle + 1 :], signature))


def _mixed(one: bytes, other: bytes) -> bytes:
    return b".".join((one.split(b".")[0], one.split(b".")[1], other.split(b".")[2]))


@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_edition_is_not_believed(service: MetadataService, vendor: Holder, clock: Clock, how: str) -> None:
    blob = FORGERIES[how](service, clock)

    with pytest.raises(BadMetadata):
        believe(blob, service, clock)


def test_the_library_alone_would_believe_any_server_under_the_root(service: MetadataService, clock: Clock) -> None:
    """Why `_check_chain` is there; when this fails, the library has learned to ask."""
    from fido2.mds3 import parse_blob

    blob = fido_metadata._as_library_reads(_below(service, clock), {"alg": "ES256"})
    assert parse_blob(blob, service.root.der).no == 7


def test_a_forged_file_stops_the_start(app: Flask, idp_settings: Settings, service: MetadataService) -> None:
    service.publish()
    good = changed_settings(idp_settings, {"passkeys": {"attestation": service.settings}})
    assembly.check_models(good)
    fido_metadata._kept.clear()
    service.publish(signer=Holder(service.signer.certificate, ec.generate_private_key(ec.SECP256R1())))

    with pytest.raises(SettingsFault, match=r"passkeys\.attestation\.metadata: signed by somebody else"):
        assembly.check_models(good)


def test_a_missing_file_stops_the_start(idp_settings: Settings, service: MetadataService) -> None:
    with pytest.raises(SettingsFault):
        assembly.check_models(changed_settings(idp_settings, {"passkeys": {"attestation": service.settings}}))


def publish_later(service: MetadataService, number: int, **lies: Any) -> None:
    """Write another edition, at a moment that differs."""
    service.publish(number=number, **lies)
    os.utime(service.folder / "blob.jwt", (number, number))


def test_a_newer_edition_is_read_and_an_older_or_forged_one_left(
    service: MetadataService, clock: Clock, told: list[dict[str, Any]]
) -> None:
    where = AttestationSettings(**service.settings)
    publish_later(service, 7)
    assert load_metadata(where, clock()).number == 7
    publish_later(service, 9)
    assert load_metadata(where, clock()).number == 9

    publish_later(service, 8)
    assert load_metadata(where, clock()).number == 9
    evil = issue(SIGNER, new_root("Evil", clock()), clock(), host=SIGNER)
    publish_later(service, 10, signer=evil)
    assert load_metadata(where, clock()).number == 9

    assert [line["event"] for line in told].count("fido-metadata-unusable") == 2


# -- the settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"require": (KEY_NAME,)},
        {"metadata": Path("blob.jwt")},
        {"root": Path("root.pem")},
        {"metadata": Path("b"), "root": Path("r"), "require": ("REVOKED",)},
        {"metadata": Path("b"), "root": Path("r"), "require": (KEY_NAME.upper(),)},
    ],
)
def test_half_a_policy_stops_the_start(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"metadata|AAGUID"):
        AttestationSettings(**values)


# -- enrolment -----------------------------------------------------------------------------------------------------


def test_nothing_is_asked_for_unless_the_operator_wants_it(account: str) -> None:
    assert options(account)["attestation"] == "none"


def test_a_model_whose_keys_may_be_in_other_hands_is_refused(
    account: str, service: MetadataService, vendor: Holder, with_settings: Change
) -> None:
    service.list_model(OTHER, vendor, "FIDO_CERTIFIED_L1", "REVOKED")
    service.publish()
    with_settings(passkeys={"attestation": service.settings})
    asked = options(account)
    assert asked["attestation"] == "direct"

    assert refused(account, Authenticator().create(asked, aaguid=OTHER)) == "model"
    # Any other is welcome, with or without a statement.
    assert enrol(account, Authenticator().create(options(account), aaguid=GOOGLE)).aaguid


@pytest.mark.parametrize("status", sorted(BAD))
def test_every_bad_status_refuses_also_a_required_model(
    account: str, service: MetadataService, clock: Clock, with_settings: Change, status: str
) -> None:
    root = new_root("Vendor Root", clock())
    service.list_model(KEY, root, "FIDO_CERTIFIED_L1", status, "UPDATE_AVAILABLE")
    service.publish()
    with_settings(passkeys={"attestation": {**service.settings, "require": (KEY_NAME, "FIDO_CERTIFIED_L1")}})
    maker = issue("Batch 1", root, clock(), units=UNITS, model=KEY)

    assert refused(account, attested(options(account), Authenticator(), maker, aaguid=KEY)) == "model"


@pytest.fixture
def strict(service: MetadataService, vendor: Holder, with_settings: Change) -> None:
    """Demand certified models."""
    service.list_model(OTHER, vendor, "NOT_FIDO_CERTIFIED")
    service.publish()
    with_settings(passkeys={"attestation": {**service.settings, "require": ("FIDO_CERTIFIED_L1",)}})


def test_a_required_model_that_proves_itself_is_enrolled(account: str, strict: None, maker: Holder) -> None:
    new = enrol(account, attested(options(account), Authenticator(), maker, aaguid=KEY))

    assert new.aaguid == KEY_NAME


def test_a_model_is_required_by_its_aaguid_too(
    account: str, service: MetadataService, maker: Holder, with_settings: Change
) -> None:
    service.publish()
    with_settings(passkeys={"attestation": {**service.settings, "require": (KEY_NAME,)}})

    assert enrol(account, attested(options(account), Authenticator(), maker, aaguid=KEY)).aaguid == KEY_NAME


def test_a_claim_without_a_statement_is_refused(account: str, strict: None) -> None:
    assert refused(account, Authenticator().create(options(account), aaguid=KEY)) == "model"


def test_an_unknown_or_uncertified_model_is_refused(account: str, strict: None, vendor: Holder, clock: Clock) -> None:
    assert refused(account, Authenticator().create(options(account))) == "model"
    maker = issue("Batch 2", vendor, clock(), units=UNITS, model=OTHER)
    assert refused(account, attested(options(account), Authenticator(), maker, aaguid=OTHER)) == "model"


def test_a_chain_of_ones_own_that_claims_a_certified_model_is_refused_ac_88(
    account: str, strict: None, clock: Clock
) -> None:
    root = new_root("Vendor Root", clock())
    maker = issue("Batch 1", root, clock(), units=UNITS, model=KEY)

    forged = attested(options(account), Authenticator(), maker, aaguid=KEY, chain=[maker, root])

    assert refused(account, forged) == "refused"


def test_a_statement_of_another_key_is_refused(account: str, strict: None, maker: Holder) -> None:
    thief = Holder(maker.certificate, ec.generate_private_key(ec.SECP256R1()))

    assert refused(account, attested(options(account), Authenticator(), thief, aaguid=KEY)) == "refused"


def test_a_certificate_of_another_model_under_the_same_root_is_refused(
    account: str, strict: None, vendor: Holder, clock: Clock
) -> None:
    """WebAuthn §8.2.1: the extension's value "matches the aaguid"; the library does not look."""
    other = issue("Batch 2", vendor, clock(), units=UNITS, model=OTHER)

    assert refused(account, attested(options(account), Authenticator(), other, aaguid=KEY)) == "model"


@pytest.mark.parametrize("more", [{"units": ("Sales",)}, {"ca": True, "units": UNITS}], ids=["unit", "authority"])
def test_a_certificate_that_is_not_for_attestation_is_refused(
    account: str, strict: None, vendor: Holder, clock: Clock, more: dict[str, Any]
) -> None:
    odd = issue("Odd", vendor, clock(), model=KEY, **more)

    assert refused(account, attested(options(account), Authenticator(), odd, aaguid=KEY)) == "model"


def test_a_key_that_vouches_for_itself_is_refused(account: str, strict: None, maker: Holder) -> None:
    assert refused(account, attested(options(account), Authenticator(), maker, aaguid=KEY, chain=[])) == "model"


@pytest.mark.parametrize("fmt", ["none", "android-key", "fido-u2f", "tpm", "apple", "compound"])
def test_other_formats_prove_no_model(account: str, strict: None, maker: Holder, fmt: str) -> None:
    answer = attested(options(account), Authenticator(), maker, aaguid=KEY, told_fmt=fmt)

    assert refused(account, answer) == "model"


def test_a_model_without_roots_is_refused(
    account: str, service: MetadataService, maker: Holder, with_settings: Change
) -> None:
    """The library takes every chain where it is given no root."""
    service.entries[0]["metadataStatement"]["attestationRootCertificates"] = []
    service.publish()
    with_settings(passkeys={"attestation": {**service.settings, "require": (KEY_NAME,)}})

    assert refused(account, attested(options(account), Authenticator(), maker, aaguid=KEY)) == "model"


@pytest.mark.parametrize("lies", [{"origin": "https://evil.test"}, {"flags": 0x41}, {"rp_id": "evil.test"}])
def test_a_good_statement_excuses_nothing_else(account: str, strict: None, maker: Holder, lies: dict[str, Any]) -> None:
    answer = attested(options(account), Authenticator(), maker, aaguid=KEY, **lies)

    assert refused(account, answer) == "refused"


@pytest.mark.parametrize("junk", [b"", b"\x81" * 5000, b"\xa0", b"\xa3cfmtfpackedgattStmt\x01hauthDataA\x00"])
def test_a_malformed_attestation_object_is_refused_ac_84(account: str, strict: None, junk: bytes) -> None:
    answer = Authenticator().create(options(account), attestation_object=junk)

    assert refused(account, answer) in {"refused", "model"}
