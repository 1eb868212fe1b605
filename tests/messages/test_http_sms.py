"""How SMS leave by operators' HTTP interfaces: the requests as each of them documents them, and what answers mean."""

import base64
import hashlib
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from idp.messages.http_client import BadGatewayUrl
from idp.messages.http_sms import HttpSmsSender
from idp.messages.transport import Answer
from idp.settings import Settings
from tests.conftest import ALICE_MOBILE, Clock
from tests.messages.conftest import SMS_TEXT
from tests.messages.gateway_server import GatewayServer, Reply
from tests.messages.relay import free_port

Open = Callable[..., GatewayServer]
SECRET = "the-secret-of-this-operator"
HOOK_SECRET = "hook-secret-of-at-least-32-letters"
OWN: dict[str, dict[str, Any]] = {
    "ovhcloud": {
        "service": "sms-ab1-1",
        "application_key": "app",
        "application_secret": SECRET,
        "consumer_key": "consumer",
    },
    "orange": {"client_id": "client", "client_secret": SECRET, "sender_number": "+33600000000"},
    "brevo": {"api_key": SECRET},
    "twilio": {"account_sid": "AC123", "auth_token": SECRET},
    "http": {"fields": {"to": "{to}", "text": "{text}"}, "headers": {"X-Key": SECRET}, "id_path": "id"},
}
TAKEN: dict[str, Reply] = {
    "ovhcloud": Reply(200, {"ids": [26929925], "invalidReceivers": [], "validReceivers": [ALICE_MOBILE]}),
    "orange": Reply(201, {"outboundSMSMessageRequest": {"resourceURL": "https://api.orange.com/x/requests/42-a"}}),
    "brevo": Reply(201, {"reference": "ab1", "messageId": 1511882900176220}),
    "twilio": Reply(201, {"sid": "SM900", "status": "queued"}),
    "http": Reply(200, {"id": "m-1"}),
}
IDS = {"ovhcloud": "26929925", "orange": "42-a", "brevo": "1511882900176220", "twilio": "SM900", "http": "m-1"}
# What comes before the message itself: the time, a token.
BEFORE = {
    "ovhcloud": [Reply(200, 1_790_000_000)],
    "orange": [Reply(200, {"access_token": "t-1", "expires_in": "3600"})],
}
NAMES = list(OWN)


def own_of(name: str, server: GatewayServer) -> dict[str, Any]:
    return {**OWN[name], "url": server.url}


@pytest.mark.parametrize("name", NAMES)
def test_text_that_is_taken_is_accepted_under_the_operators_name_of_it(
    send_http: Any, open_gateway: Open, name: str
) -> None:
    server = open_gateway(*BEFORE.get(name, []), TAKEN[name])

    answers = send_http(name, own_of(name, server))

    assert answers == [Answer("accepted", "accepted", name, IDS[name])]


def test_ovhcloud_signs_the_very_bytes_with_the_servers_time(send_http: Any, open_gateway: Open) -> None:
    server = open_gateway(Reply(200, 1_790_000_000), TAKEN["ovhcloud"])

    send_http("ovhcloud", own_of("ovhcloud", server), times=2)

    time, job, again = server.asked
    assert (time.method, time.path) == ("GET", "/auth/time")
    assert (job.method, job.path, again.path) == ("POST", "/sms/sms-ab1-1/jobs", "/sms/sms-ab1-1/jobs")
    assert (job.headers["x-ovh-application"], job.headers["x-ovh-consumer"]) == ("app", "consumer")
    at = job.headers["x-ovh-timestamp"]
    assert at == "1790000000"
    signed = "+".join((SECRET, "consumer", "POST", f"{server.url}{job.path}", job.body.decode(), at))
    assert job.headers["x-ovh-signature"] == "$1$" + hashlib.sha1(signed.encode()).hexdigest()
    assert job.json == {
        "charset": "UTF-8",
        "class": "phoneDisplay",
        "coding": "7bit",
        "message": SMS_TEXT,
        "noStopClause": True,
        "priority": "high",
        "receivers": [ALICE_MOBILE],
        "sender": "CAF",
        "senderForResponse": False,
        "tag": "ref-1",
        "validityPeriod": 15,
    }


def test_ovhcloud_asks_for_the_time_again_when_its_signature_is_refused(send_http: Any, open_gateway: Open) -> None:
    server = open_gateway(
        Reply(200, 1_790_000_000),
        Reply(403, {"errorCode": "INVALID_SIGNATURE", "message": "Invalid signature"}),
        Reply(200, 1_790_000_500),
        TAKEN["ovhcloud"],
    )

    first, second = send_http("ovhcloud", own_of("ovhcloud", server), times=2)

    assert (first.outcome, first.answer_class, second.outcome) == ("later", "auth", "accepted")
    assert server.asked[3].headers["x-ovh-timestamp"] == "1790000500"


def test_ovhcloud_number_that_it_does_not_take_is_refused(send_http: Any, open_gateway: Open) -> None:
    server = open_gateway(Reply(200, 1_790_000_000), Reply(200, {"ids": [], "invalidReceivers": [ALICE_MOBILE]}))

    assert send_http("ovhcloud", own_of("ovhcloud", server)) == [Answer("refused", "address", "ovhcloud")]


def test_orange_asks_for_a_token_once_and_sends_with_it(send_http: Any, open_gateway: Open) -> None:
    server = open_gateway(*BEFORE["orange"], TAKEN["orange"])

    send_http("orange", own_of("orange", server), times=2)

    token, text, again = server.asked
    assert (token.method, token.path, token.body) == ("POST", "/oauth/v3/token", b"grant_type=client_credentials")
    assert token.headers["authorization"] == basic("client", SECRET)
    assert text.path == again.path == "/smsmessaging/v1/outbound/tel%3A%2B33600000000/requests"
    assert text.headers["authorization"] == "Bearer t-1"
    assert text.json == {
        "outboundSMSMessageRequest": {
            "address": f"tel:{ALICE_MOBILE}",
            "senderAddress": "tel:+33600000000",
            "senderName": "CAF",
            "outboundSMSTextMessage": {"message": SMS_TEXT},
        }
    }


def test_orange_token_that_ran_out_is_replaced(send_http: Any, open_gateway: Open) -> None:
    second_token = Reply(200, {"access_token": "t-2", "expires_in": 3600})
    server = open_gateway(*BEFORE["orange"], Reply(401, {"code": 42}), second_token, TAKEN["orange"])

    assert send_http("orange", own_of("orange", server))[0].outcome == "accepted"
    assert server.asked[-1].headers["authorization"] == "Bearer t-2"


def test_brevo_is_asked_as_it_documents(send_http: Any, open_gateway: Open) -> None:
    server = open_gateway(TAKEN["brevo"])

    send_http("brevo", own_of("brevo", server), hook_secret=HOOK_SECRET)

    asked = server.asked[0]
    assert (asked.method, asked.path, asked.headers["api-key"]) == ("POST", "/transactionalSMS/send", SECRET)
    assert asked.json == {
        "sender": "CAF",
        "recipient": ALICE_MOBILE[1:],
        "content": SMS_TEXT,
        "type": "transactional",
        "tag": "ref-1",
        "unicodeEnabled": False,
        "webUrl": f"https://idp.test/hooks/sms/brevo/{HOOK_SECRET}",
    }


def test_text_beyond_seven_bits_is_announced(send_http: Any, open_gateway: Open) -> None:
    server = open_gateway(TAKEN["brevo"])

    send_http("brevo", own_of("brevo", server), text="код")

    assert server.asked[0].json["unicodeEnabled"] is True


@pytest.mark.parametrize(
    ("service", "field"), [("", ("From", "CAF")), ("MG77", ("MessagingServiceSid", "MG77"))], ids=["name", "service"]
)
def test_twilio_is_asked_as_it_documents(
    send_http: Any, open_gateway: Open, service: str, field: tuple[str, str]
) -> None:
    server = open_gateway(TAKEN["twilio"])

    send_http("twilio", {**own_of("twilio", server), "messaging_service": service})

    asked = server.asked[0]
    assert (asked.method, asked.path) == ("POST", "/2010-04-01/Accounts/AC123/Messages.json")
    assert asked.headers["authorization"] == basic("AC123", SECRET)
    assert {name: value for name, (value,) in parse_qs(asked.body.decode()).items()} == {
        "To": ALICE_MOBILE,
        "Body": SMS_TEXT,
        "ValidityPeriod": "900",
        "StatusCallback": "https://idp.test/hooks/sms/twilio",
        field[0]: field[1],
    }


def test_described_gateway_gets_json_with_its_own_shape(send_http: Any, open_gateway: Open) -> None:
    server = open_gateway(Reply(202, {"messages": [{"uuid": 7}], "state": "OK"}))
    own = {
        "url": f"{server.url}/v2/sms?account=7",
        "method": "PUT",
        "fields": {"message.to[]": "{to_digits}", "message.body": "{text}", "from": "{sender}", "ref": "r-{reference}"},
        "username": "user",
        "password": SECRET,
        "id_path": "messages.0.uuid",
        "ok_path": "state",
        "ok_values": ("OK",),
    }

    answers = send_http("http", own)

    asked = server.asked[0]
    assert (asked.method, asked.path) == ("PUT", "/v2/sms?account=7")
    assert asked.headers["authorization"] == basic("user", SECRET)
    assert asked.json == {
        "message": {"to": [ALICE_MOBILE[1:]], "body": SMS_TEXT},
        "from": "CAF",
        "ref": "r-ref-1",
    }
    assert answers[0].relay_ref == "7"


@pytest.mark.parametrize("encoding", ["form", "query"])
def test_described_gateway_gets_fields_in_body_or_address(send_http: Any, open_gateway: Open, encoding: str) -> None:
    server = open_gateway(Reply(200, raw=b"id-77\n"))
    own = {"url": server.url, "encoding": encoding, "fields": {"to": "{to}", "msg": "{text} & {unknown}"}}

    answers = send_http("http", own)

    asked = server.asked[0]
    fields = parse_qs(asked.body.decode() if encoding == "form" else urlsplit(asked.path).query)
    assert fields == {"to": [ALICE_MOBILE], "msg": [f"{SMS_TEXT} & {{unknown}}"]}
    assert answers[0].relay_ref == "id-77"


def test_a_text_that_looks_like_a_placeholder_is_not_filled_in(send_http: Any, open_gateway: Open) -> None:
    server = open_gateway(TAKEN["http"])

    send_http("http", own_of("http", server), text="{hook} {to}")

    assert server.asked[0].json["text"] == "{hook} {to}"


def test_success_that_says_otherwise_inside_is_refused(send_http: Any, open_gateway: Open) -> None:
    server = open_gateway(Reply(200, {"id": "1", "state": "KO"}))
    own = {**own_of("http", server), "ok_path": "state", "ok_values": ("OK",)}

    assert send_http("http", own) == [Answer("refused", "refused", "http")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("reply", "outcome", "answer_class", "retry_after"),
    [
        (Reply(429, {}, (("Retry-After", "7"),)), "later", "later", timedelta(seconds=7)),
        (Reply(429, {}, (("Retry-After", "99999"),)), "later", "later", timedelta(minutes=5)),
        (Reply(503, {}, (("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"),)), "later", "later", None),
        (Reply(500, raw=b"<html>oops"), "later", "later", None),
        (Reply(401, {}), "later", "auth", None),
        (Reply(403, {}), "later", "auth", None),
        (Reply(402, {}), "later", "credit", None),
        (Reply(400, {}), "refused", "refused", None),
        (Reply(302, {}, (("Location", "http://127.0.0.1:1/"),)), "later", "unreachable", None),
        (Reply(200, {}), "later", "unreachable", None),
        (Reply(200, raw=b"x" * 70_000), "later", "unreachable", None),
    ],
    ids=["429", "429-long", "503-date", "500", "401", "403", "402", "400", "302", "200-empty", "200-huge"],
)
def test_answers_mean_the_same_for_every_operator(
    send_http: Any, open_gateway: Open, name: str, reply: Reply, outcome: str, answer_class: str, retry_after: Any
) -> None:
    server = open_gateway(*BEFORE.get(name, []), *([reply] if name != "orange" or reply.status != 401 else [reply] * 3))

    answer = send_http(name, own_of(name, server))[0]

    assert (answer.outcome, answer.answer_class, answer.retry_after) == (outcome, answer_class, retry_after)


@pytest.mark.parametrize(
    ("name", "reply", "expected"),
    [
        ("twilio", Reply(400, {"code": 21211, "message": "not a number"}), ("refused", "address")),
        ("twilio", Reply(400, {"code": 21610, "message": "unsubscribed"}), ("refused", "address")),
        ("twilio", Reply(400, {"code": 20003, "message": "Authenticate"}), ("later", "auth")),
        ("brevo", Reply(402, {"code": "not_enough_credits"}), ("later", "credit")),
        ("brevo", Reply(400, {"code": "invalid_parameter"}), ("refused", "refused")),
        ("ovhcloud", Reply(403, {"message": "You have not enough credits"}), ("later", "credit")),
    ],
)
def test_operators_own_codes_are_understood(
    send_http: Any, open_gateway: Open, name: str, reply: Reply, expected: tuple[str, str]
) -> None:
    server = open_gateway(*BEFORE.get(name, []), reply)

    answer = send_http(name, own_of(name, server))[0]

    assert (answer.outcome, answer.answer_class) == expected


@pytest.mark.parametrize("name", NAMES)
def test_silent_operator_is_left_after_the_timeout(send_http: Any, open_gateway: Open, name: str) -> None:
    server = open_gateway(Reply(200, {}, delay=1))

    assert send_http(name, own_of(name, server), timeout=0.2)[0].answer_class == "timeout"


@pytest.mark.parametrize("name", NAMES)
def test_operator_that_is_down_is_tried_later(send_http: Any, name: str) -> None:
    own = {**OWN[name], "url": f"http://127.0.0.1:{free_port()}"}

    assert send_http(name, own)[0] == Answer("later", "unreachable", name)


def test_certificate_is_verified(send_http: Any, open_gateway: Open, certificates: Any) -> None:
    authority, context = certificates
    server = open_gateway(TAKEN["brevo"], tls=context)

    strange = send_http("brevo", own_of("brevo", server))[0]
    trusted = send_http("brevo", own_of("brevo", server), ca_file=authority)[0]

    assert (strange.answer_class, trusted.answer_class) == ("tls", "accepted")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reply", [Reply(401, {"message": f"key {SECRET} of {ALICE_MOBILE}"}), Reply(500)])
def test_neither_secret_nor_number_nor_text_is_logged(
    send_http: Any, open_gateway: Open, name: str, reply: Reply, told: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    for noisy in ("httpx", "httpcore"):
        assert logging.getLogger(noisy).level == logging.WARNING
    server = open_gateway(*BEFORE.get(name, []), reply)
    own = own_of(name, server)
    if name == "http":
        own = {**own, "url": f"{server.url}?token={SECRET}", "encoding": "query"}

    send_http(name, own, hook_secret=HOOK_SECRET)

    trail = json.dumps(told, default=str) + caplog.text
    assert "sms-not-taken" in trail or "relay-trouble" in trail
    for word in (SECRET, HOOK_SECRET, ALICE_MOBILE[1:], "482915", base64.b64encode(SECRET.encode()).decode()[:12]):
        assert word not in unquote(trail)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("url", ["http://operator.example", "ftp://127.0.0.1", "https://user:pw@operator.example", "x"])
def test_unusable_address_stops_the_start(configure: Any, name: str, url: str) -> None:
    settings: Settings = configure(sms={"transport": name, name: {**OWN[name], "url": url}})

    with pytest.raises(BadGatewayUrl):
        HttpSmsSender(name, settings)


@pytest.mark.parametrize("name", NAMES)
def test_operator_without_its_keys_stops_the_start(configure: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"transport {name} needs"):
        configure(sms={"transport": name})


def test_orange_token_is_used_until_a_minute_before_its_end(
    configure: Any, open_gateway: Open, send_http: Any, clock: Clock
) -> None:
    short = Reply(200, {"access_token": "t-1", "expires_in": 60})
    server = open_gateway(short, TAKEN["orange"], short, TAKEN["orange"])

    send_http("orange", own_of("orange", server), times=2)

    assert [asked.path.split("/")[1] for asked in server.asked] == ["oauth", "smsmessaging"] * 2


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
