"""The provider as certified libraries by other hands see it, npm openid-client and oauth4webapi, scenario by scenario.

The scenarios are in `node/`: they assert, and the libraries verify; the person signs in once and stays signed in.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from tests.e2e.clients import Register, RelyingParty
from tests.e2e.demonstration import Demonstration, running
from tests.e2e.person import Person
from tests.e2e.test_openid_client import NODE

_OTHERS = pytest.mark.look
# Each scenario by one library, and with ``--all-inputs`` by the other one too, where it has it.
SCENARIOS = [
    pytest.param("openid-client", "code", "website", marks=_OTHERS),
    ("openid-client", "par", "website"),
    ("openid-client", "dpop", "website"),
    pytest.param("openid-client", "signed", "signing", marks=_OTHERS),
    ("openid-client", "encrypted", "sealing"),
    ("openid-client", "fapi", "fapi-PS256"),
    pytest.param("openid-client", "machine", "machine", marks=_OTHERS),
    ("oauth4webapi", "code", "website"),
    pytest.param("oauth4webapi", "dpop", "website", marks=_OTHERS),
    ("oauth4webapi", "signed", "signing"),
    pytest.param("oauth4webapi", "fapi", "fapi-ES256", marks=_OTHERS),
    ("oauth4webapi", "machine", "machine"),
    ("oauth4webapi", "device", "device"),
]


@pytest.fixture(scope="module")
def person(demonstration: Demonstration) -> Person:
    return Person(demonstration)


@pytest.fixture(scope="module")
def register(demonstration: Demonstration) -> Register:
    return Register(demonstration)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """A provider that demands its nonce in every DPoP proof; its stores do not matter."""
    with running(tmp_path_factory.mktemp("strict") / "var", {"IDP_DPOP__REQUIRE_NONCE": "true"}) as demonstration:
        yield demonstration


def run(library: str, scenario: str, client: RelyingParty, person: Person) -> Any:
    """Play the browser to a scenario until it says what it found."""
    if shutil.which("node") is None or not (NODE / "node_modules" / library).exists():
        pytest.skip("needs node and its packages: make test installs both")
    asked = {"issuer": person.demonstration.addresses.provider, **asdict(client)}
    process = subprocess.Popen(
        ["node", NODE / "scenario.mjs", library, scenario],
        cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    try:
        said: dict[str, Any] = {}
        answer: dict[str, Any] = asked
        while "found" not in said:
            process.stdin.write(json.dumps(answer) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            said = json.loads(line)
            answer = {}
            if "open" in said:
                answer = asdict(person.visit(said["open"]))
            elif "shown" in said:
                person.connect(said["shown"])
        return said["found"]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("library", "scenario", "kind"), SCENARIOS)
def test_scenario(person: Person, register: Register, library: str, scenario: str, kind: str) -> None:
    client = register.get(kind)

    found = run(library, scenario, client, person)

    if scenario == "machine":
        assert found["active"]
    else:
        assert found["claims"]["aud"] == client.metadata["client_id"]
        assert found["claims"]["acr"] == "urn:sesame:acr:2sv"


@pytest.mark.parametrize("library", [pytest.param("openid-client", marks=_OTHERS), "oauth4webapi"])
def test_fapi_where_every_proof_needs_a_nonce(strict: Demonstration, library: str) -> None:
    client = Register(strict).get("fapi-Ed25519")

    found = run(library, "fapi", client, Person(strict))

    assert found["claims"]["aud"] == client.metadata["client_id"]
    assert found["nonces"] > 0
