"""How tokens are forged: headers, claims, signatures, encodings and sizes that nobody should believe, drawn at random.

What a forgery is worth is known when it is made: whether it is the genuine token after all, or one that the holder of
the genuine key could have signed with nothing wrong in it.
"""

import base64
import hmac
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from joserfc.jws import JWSRegistry

from tests.conformance.keys import ec_key, rsa_key

# Where no key may ever be fetched from.
NOWHERE = "http://127.0.0.1:9/keys"
REMOVED = object()
_FOREIGN, _FOREIGN_RSA = ec_key("foreign"), rsa_key("foreign")
_ODD: list[Any] = [
    None,
    "",
    0,
    -1,
    7,
    1e300,
    10**40,
    True,
    False,
    [],
    {},
    [[]],
    {"a": {}},
    "\ud800",
    "a\0b",
    "é",
    "x" * 9_000,
]
_HEADERS: dict[str, list[Any]] = {
    "alg": [
        "none", "None", "nOnE", "HS256", "HS512", "RS256", "PS256", "ES256", "ES384", "ES256K", "EdDSA",
        "dir", "PBES2-HS256+A128KW",
    ],
    "kid": ["../../dev/null", "' or 1=1 --", "foreign", "\0", "k" * 7_000],
    "typ": ["JWT", "at+jwt", "dpop+jwt", "logout+jwt", "oauth-authz-req+jwt", "client-authentication+jwt"],
    "jwk": [
        _FOREIGN.as_dict(private=False), _FOREIGN.as_dict(private=True), {"kty": "oct", "k": ""},
        {"kty": "RSA", "n": "AQ", "e": "AQ"},
    ],
    "jku": [NOWHERE, "file:///etc/passwd"],
    "x5u": [NOWHERE],
    "x5c": [["AAAA"], "AAAA"],
    "crit": [["exp"], ["b64"], [], "exp"],
    "b64": [False, True],
    "zip": ["DEF", "none"],
    "cty": ["JWT"],
    "p2c": [10**9],
    "enc": ["A128GCM"],
    "epk": [_FOREIGN.as_dict(private=False)],
}  # fmt: skip
# Wrong for every claim that counts, whatever it is: of the wrong type, long ago, for ever, or no text.
_SIGNERS = ["kept", "none", "foreign", "foreign-rsa", "hmac", "random"]
_WAYS = ["right"] * 12 + ["twice", "bom", "utf-16", "padded", "deep", "array", "latin-1"]
WORTHLESS: list[Any] = [REMOVED, None, "", 0, -1, 1e300, 10**40, True, [], {}, [[]], "\ud800", "a\0b"]


@dataclass(frozen=True)
class Genuine:
    """A good token, and what is known of the place that takes it."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    text: str
    # The key that signed it, if whoever forges could have it: a client its own.
    key: Any = None
    # The public half of the key that verifies it, for those who take it for a secret.
    public_pem: str = ""
    # Claims without which, or with a worthless value of which, it must be refused.
    essential: Collection[str] = ()
    # What its header may be called; "" where it need not say.
    types: Collection[str] = ()
    is_kid_ignored: bool = False


@dataclass(frozen=True)
class Forgery:
    """A token as it is sent; ``may_pass`` only if nothing that counts is wrong with it."""

    text: str
    may_pass: bool
    how: str


@st.composite
def forgeries(draw: st.DrawFn, genuine: Genuine) -> Forgery:
    """Draw one way to forge ``genuine``."""
    return draw(st.one_of(_damaged(genuine), _signed_anew(genuine)))


@st.composite
def _damaged(draw: st.DrawFn, genuine: Genuine) -> Forgery:
    """Change the text of a token: cut, double, insert, exchange, pad, in one place or in several."""
    text = genuine.text
    for _ in range(draw(st.integers(0, 3))):
        at, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        text = draw(
            st.sampled_from(
                [
                    text[:at] + text[end:], text[:at] + text[at : at + 1] + text[at:], text[:at] + "=" + text[at:],
                    text[:at] + draw(st.sampled_from("A_-.+/= \té\\\"{}")) + text[at + 1 :], text + "=" * (at % 4),
                    text[:end] + text[at:], text.swapcase(), ".".join(reversed(text.split("."))), text + ".",
                    "." + text,
                    text.replace("-", "+").replace("_", "/"), text.rpartition(".")[0] + ".", text + "." + text,
                    text.split(".")[0] + "." + text.partition(".")[2], text + "A" * 30_000,
                ]
            )
        )  # fmt: skip
    return Forgery(text, text == genuine.text, "damaged")


@st.composite
def _signed_anew(draw: st.DrawFn, genuine: Genuine) -> Forgery:
    """Change header and claims, and sign with whatever an attacker has: nothing, another key, or its own."""
    heads = draw(st.dictionaries(st.sampled_from(sorted(_HEADERS)), st.none(), max_size=3))
    header_edits = {name: draw(st.sampled_from([REMOVED, *_HEADERS[name], *_ODD])) for name in heads}
    names = sorted({*genuine.claims, "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce"})
    claim_edits = draw(st.dictionaries(st.sampled_from(names), st.sampled_from(WORTHLESS), max_size=3))
    header, claims = _edited(genuine.header, header_edits), _edited(genuine.claims, claim_edits)
    how = draw(
        st.sampled_from(
            ["kept", "none", "foreign", "foreign-rsa", "hmac", "random", *(["own"] * 3 * bool(genuine.key))]
        )
    )
    ways = [draw(st.sampled_from(_WAYS)) for _ in range(2)]
    told = f"{_encoded(ways[0], header)}.{_encoded(ways[1], claims)}"
    text = f"{told}.{_signature(draw, how, told, genuine)}"
    is_sound = how == "own" and set(ways) == {"right"} and not _must_be_refused(genuine, header_edits, claim_edits)
    return Forgery(text, is_sound or text == genuine.text, f"{how} {sorted(header_edits)} {sorted(claim_edits)}")


def _must_be_refused(genuine: Genuine, header_edits: Mapping[str, Any], claim_edits: Mapping[str, Any]) -> bool:
    """Tell whether a token that its own holder signed is wrong all the same."""
    header, was = _edited(genuine.header, header_edits), genuine.header
    wrong = (
        not claim_edits.keys().isdisjoint(genuine.essential),
        not header.keys().isdisjoint({"crit", "b64", "zip"}),
        header.get("alg") != was["alg"],
        "jwk" in was and header.get("jwk") != was["jwk"],
        not genuine.is_kid_ignored and header.get("kid") not in (None, was.get("kid")),
        str(header.get("typ", "")).lower().removeprefix("application/") not in genuine.types,
    )
    return any(wrong)


def _edited(of: Mapping[str, Any], edits: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**of, **edits}.items() if value is not REMOVED}


def _encoded(way: str, part: Mapping[str, Any]) -> str:
    """Write a part as JSON in base64url."""
    text = json.dumps(part)
    if way == "twice":
        text = text[:-1] + ("," if part else "") + '"exp":9999999999,"exp":1}'
    elif way == "deep":
        text = '{"a":' + "[" * 3_000 + "]" * 3_000 + "}"
    elif way == "array":
        text = f"[{text}]"
    raw = {
        "bom": b"\xef\xbb\xbf" + text.encode(), "utf-16": text.encode("utf-16"), "latin-1": b'{"a":"\xe9"}',
    }.get(way, text.encode())  # fmt: skip
    encoded = base64.urlsafe_b64encode(raw).decode()
    return encoded.rstrip("=") + "=" * (way == "padded")


def _signature(draw: st.DrawFn, how: str, told: str, genuine: Genuine) -> str:
    if how == "kept":
        return genuine.text.rpartition(".")[2]
    if how == "random":
        return _base64(draw(st.binary(max_size=300)))
    if how == "hmac":
        return _base64(hmac.digest(_secret(draw, genuine), told.encode(), "sha256"))
    keys = {"foreign": ("ES256", _FOREIGN), "foreign-rsa": ("PS256", _FOREIGN_RSA), "own": _own(genuine)}
    alg, key = keys.get(how, ("", None))
    return "" if key is None else _base64(JWSRegistry.algorithms[alg].sign(told.encode(), key))


def _own(genuine: Genuine) -> tuple[str, Any]:
    return str(genuine.header["alg"]), genuine.key


def _secret(draw: st.DrawFn, genuine: Genuine) -> bytes:
    """Take what everybody can know for a secret: the public key in its forms, its name, nothing at all (AC-147)."""
    pem = genuine.public_pem
    body = "".join(line for line in pem.splitlines() if "-----" not in line)
    known = [pem.encode(), pem.strip().encode(), body.encode(), base64.b64decode(body), b"", b"\0", b"secret"]
    return draw(st.sampled_from([*known, str(genuine.header.get("kid")).encode()]))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
