"""What a benchmark counts: an answer that is not the one expected is an error, however fast it came."""

from collections.abc import Callable

import pytest

from bench import flows
from bench.load import Result, run
from tests.bench.conftest import Provider, http, target_at

Make = Callable[[Callable[[bytes], bytes]], Provider]
BACK = "Location: http://localhost:9/callback?code=abc&state=a-state"
TOKENS = b'{"access_token": "a", "refresh_token": "r", "id_token": "i"}'


def measured(made: Provider, operate: object, prepared: list[bytes], most: int = 3, **changes: object) -> Result:
    """Run an operation three times, or as often as said, at one connection."""

    def prepare(_target: object, _user: int, found: list[bytes]) -> flows.Flow:
        found += prepared
        yield from ()

    target = target_at(made.port, **changes)
    return run(made.port, prepare, operate, target, users=1, seconds=60, most=most)[0]  # type: ignore[arg-type]


GOOD = {
    "discovery": (flows.discovery, http("200 OK", b'{"authorization_endpoint": "", "jwks_uri": ""}')),
    "jwks": (flows.jwks, http("200 OK", b'{"keys": [{"kid": "1"}]}')),
    "client credentials": (flows.client_credentials, http("200 OK", TOKENS)),
    "authorize": (flows.authorize, http("303 See Other", b"", BACK)),
    "exchange": (flows.exchange, http("200 OK", TOKENS)),
    "refresh": (flows.refresh, http("200 OK", TOKENS)),
    "userinfo": (flows.userinfo, http("200 OK", b'{"sub": "1", "email": "e"}')),
    "introspection": (flows.introspection, http("200 OK", b'{"active":true}')),
}
WRONG = {
    "another status": lambda good: good.replace(b"200 OK", b"400 No").replace(b"303 See Other", b"400 No"),
    "an empty object": lambda _good: http("200 OK", b"{}"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", GOOD)
def test_the_expected_answer_counts_and_any_other_is_an_error(provider: Make, name: str, wrong: str) -> None:
    operate, good = GOOD[name]
    answers = [good, WRONG[wrong](good)]

    result = measured(provider(lambda _request: answers.pop(0)), operate, [b"1", b"2"], most=2)

    assert (result.requests, result.errors, result.asked) == (2, 1, 2)
    assert result.first_error.startswith(WRONG[wrong](good)[:15])


def test_a_token_that_is_dead_is_an_error_of_introspection(provider: Make) -> None:
    made = provider(lambda _request: http("200 OK", b'{"active": false}'))

    assert measured(made, flows.introspection, [b"a"]).errors == 3


def test_a_refresh_without_the_id_token_that_was_promised_is_an_error(provider: Make) -> None:
    made = provider(lambda _request: http("200 OK", b'{"access_token": "a", "refresh_token": "r"}'))

    assert measured(made, flows.refresh, [b"a", b"r"]).errors == 3
    assert measured(made, flows.refresh, [b"a", b"r"], id_token_at_refresh=False).errors == 0


def test_a_connection_that_is_closed_without_an_answer_is_an_error(provider: Make) -> None:
    result = measured(provider(lambda _request: b""), flows.discovery, [])

    assert result.errors == result.requests == 3


def test_answers_in_pieces_and_chunks_are_read_whole(provider: Make) -> None:
    body = b'{"keys": [{"kid": "1"}]}'
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    result = measured(
        provider(lambda _request: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks), flows.jwks, []
    )

    assert (result.requests, result.errors) == (3, 0)
