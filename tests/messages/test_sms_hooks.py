"""What operators tell us of an SMS: believed only with the proof that each of them has."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp.db import db
from idp.messages import outbox
from idp.messages.models import Message, Outbox
from idp.messages.transport import Answer
from tests.conftest import ALICE_MOBILE, ISSUER, Browser, Clock
from tests.messages.test_http_sms import HOOK_SECRET, OWN, SECRET

Row = Callable[[int], Outbox]
Call = Callable[[str, str, str], Any]
ENDS = {
    "ovhcloud": {"delivered": "4", "failed": "5", "open": "3"},
    "orange": {"delivered": "DeliveredToTerminal", "failed": "DeliveryImpossible", "open": "DeliveredToNetwork"},
    "brevo": {"delivered": "delivered", "failed": "hard_bounce", "open": "sent"},
    "twilio": {"delivered": "delivered", "failed": "undelivered", "open": "sent"},
    "http": {"delivered": "DELIVRD", "failed": "UNDELIV", "open": "ENROUTE"},
}
RECEIPTS_OF_HTTP = {
    "receipt_id_path": "dlr.id",
    "receipt_status_path": "dlr.status",
    "receipt_delivered": ("DELIVRD",),
    "receipt_failed": ("UNDELIV",),
}
WITH_SECRET = [name for name in OWN if name != "twilio"]


@pytest.fixture
def accepted(app: Flask, write: Any, clock: Clock, configure: Any) -> Callable[[str], int]:
    """Return a maker of an SMS that the operator accepted as ``m-1``, its settings in force."""

    def make(name: str) -> int:
        own = {**OWN[name], **({"url": "https://sms.example", **RECEIPTS_OF_HTTP} if name == "http" else {})}
        configure(sms={"transport": name, name: own, "hook_secret": HOOK_SECRET})
        row_id = int(write(channel="sms", to=ALICE_MOBILE, message=Message("", "Code : 482915")))
        with app.app_context():
            (claimed,) = outbox.claim(channel="sms", worker="w", limit=1, lease=timedelta(minutes=1), now=clock())
            outbox.record_answer(claimed, Answer("accepted", "accepted", name, "m-1"), clock())
            db.session.commit()
        return row_id

    return make


def tell(http: Browser, name: str, end: str, secret: str = HOOK_SECRET, message_id: str = "m-1") -> Any:
    """Call as the operator does."""
    status = ENDS[name][end]
    path = f"/hooks/sms/{name}/{secret}"
    if name == "ovhcloud":
        return http.get(path, query_string={"id": message_id, "ptt": status, "date": "2026-11-23", "description": "x"})
    if name == "orange":
        info = {"deliveryInfo": {"address": f"tel:{ALICE_MOBILE}", "deliveryStatus": status}}
        return http.post(path, json={"deliveryInfoNotification": {"callbackData": message_id, **info}})
    if name == "brevo":
        return http.post(
            path, json={"id": 26570, "to": ALICE_MOBILE[1:], "messageId": message_id, "msg_status": status}
        )
    if name == "http":
        return http.post(path, json={"dlr": {"id": message_id, "status": status}})
    form = {"MessageSid": message_id, "MessageStatus": status, "To": ALICE_MOBILE}
    return http.post("/hooks/sms/twilio", data=form, headers={"X-Twilio-Signature": sign(form)})


def sign(form: dict[str, str], *, key: str = SECRET, url: str = f"{ISSUER}/hooks/sms/twilio") -> str:
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(key.encode(), signed.encode(), hashlib.sha1).digest()).decode()


@pytest.mark.parametrize("name", list(OWN))
@pytest.mark.parametrize(("end", "state"), [("delivered", "delivered"), ("failed", "refused"), ("open", "accepted")])
def test_receipt_is_written_down(http: Browser, accepted: Any, row_of: Row, name: str, end: str, state: str) -> None:
    row_id = accepted(name)

    answer = tell(http, name, end)

    assert answer.status_code == 204
    assert row_of(row_id).state == state


@pytest.mark.parametrize("name", WITH_SECRET)
@pytest.mark.parametrize("secret", ["", HOOK_SECRET[:-1], HOOK_SECRET + "x", HOOK_SECRET.upper(), "%ff"])
def test_call_without_the_secret_is_refused(http: Browser, accepted: Any, row_of: Row, name: str, secret: str) -> None:
    row_id = accepted(name)

    answer = tell(http, name, "failed", secret)

    assert answer.status_code in {403, 404, 400, 308}
    assert row_of(row_id).state == "accepted"


@pytest.mark.parametrize("name", WITH_SECRET)
def test_without_a_secret_of_ours_nobody_is_believed(
    http: Browser, accepted: Any, configure: Any, row_of: Row, name: str
) -> None:
    row_id = accepted(name)
    configure(sms={"hook_secret": ""})

    assert http.post(f"/hooks/sms/{name}", json={}).status_code == 403
    assert row_of(row_id).state == "accepted"


FORM = {"MessageSid": "m-1", "MessageStatus": "undelivered", "To": ALICE_MOBILE}


@pytest.mark.parametrize(
    "signature",
    [
        "",
        sign(FORM, key="another"),
        sign({**FORM, "MessageStatus": "delivered"}),
        sign(FORM, url="https://elsewhere.test/hooks/sms/twilio"),
        sign(FORM)[:-1],
        "é",
    ],
    ids=["none", "other key", "other status", "other address", "shortened", "not ascii"],
)
def test_call_with_a_wrong_signature_of_twilio_is_refused(
    http: Browser, accepted: Any, row_of: Row, signature: str
) -> None:
    row_id = accepted("twilio")

    answer = http.post(
        "/hooks/sms/twilio", data=FORM, headers={"X-Twilio-Signature": signature.encode().decode("latin-1")}
    )

    assert answer.status_code == 403
    assert row_of(row_id).state == "accepted"


@pytest.mark.parametrize("path", ["/hooks/sms/smpp", "/hooks/sms/orange", "/hooks/sms/unknown", "/hooks/sms/"])
def test_operator_that_is_not_ours_is_not_found(http: Browser, accepted: Any, path: str) -> None:
    accepted("twilio")

    assert http.post(path).status_code == 404


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"messageId": []}', b'{"messageId": true, "msg_status": "x"}', b'"x"']
)
def test_call_that_says_nothing_to_us_is_taken_and_forgotten(
    http: Browser, accepted: Any, row_of: Row, body: bytes
) -> None:
    row_id = accepted("brevo")

    answer = http.post(f"/hooks/sms/brevo/{HOOK_SECRET}", data=body, content_type="application/json")

    assert answer.status_code == 204
    assert row_of(row_id).state == "accepted"


def test_secret_of_an_address_is_not_logged(http: Browser, accepted: Any, told: list[dict[str, Any]]) -> None:
    accepted("brevo")

    tell(http, "brevo", "delivered")
    tell(http, "brevo", "delivered", HOOK_SECRET[:-1])

    assert "sms-hook-refused" in {line["event"] for line in told}
    assert HOOK_SECRET[:-1] not in str(told)
