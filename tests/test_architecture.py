"""Imports go down the list of `design.md` §1, never up; dangerous things have one owner."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

IDP = Path(__file__).parent.parent / "idp"
# Higher imports lower. Files at the root of idp/ are the floor.
LAYERS = ["root", "messages", "accounts", "mfa", "signin", "oidc", "developers", "selfservice", "admin", "top"]
TOP = {
    "idp",
    "idp.audit_commands",
    "idp.command_line",
    "idp.commands",
    "idp.worker",
    "idp.assembly",
    "idp.server",
    "idp.demo",
}
OWNERS = {
    "jose": "oidc/jose",
    # The conformance suite's keys are not ours.
    "joserfc": ("oidc/jose", "conformance/keys"),
    "argon2": "accounts/passwords",
    # One place writes dates, for « 1er avril » is easily forgotten.
    "babel.dates": "i18n",
    "bcrypt": "accounts/legacy_hashes",
    "secrets": "entropy",
    "random": "entropy",
    "aiosmtplib": "messages/smtp",
    "dkim": "messages/dkim_signature",
    "smpplib": "messages/smpp",
    "webauthn": "mfa/webauthn",
    "fido2": "mfa/fido_metadata",
    "cbor2": "mfa/webauthn",
    "pyotp": "mfa/totp",
    "segno": "selfservice/authenticator",
    "httpx": "messages/http_client",
    "http.client": "fetch",
    "urllib.request": "fetch",
    "requests": "fetch",
    "urllib3": "fetch",
    "pkcs11": "oidc/key_pkcs11",
    "ldap3": "accounts/ldap",
    "cryptography": (
        "crypto",
        "oidc/jose",
        "oidc/keys",
        "oidc/certificates",
        "messages/dkim_signature",
        "mfa/fido_metadata",
        "mfa/webauthn_attestation",
        "conformance/keys",
        "audit/checkpoints",
    ),
}
SOURCES = sorted(path for path in IDP.rglob("*.py") if "migrations" not in path.parts)


def layer_of(module: str) -> str:
    parts = module.split(".")
    if module in TOP or (len(parts) > 1 and parts[1] in {"demo", "conformance", "commands", "plugins"}):
        return "top"
    folder = parts[1] if len(parts) > 1 else ""
    return folder if folder in LAYERS else "root"


def module_name(path: Path) -> str:
    parts = ("idp", *path.relative_to(IDP).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            folder = IDP.parent / node.module.replace(".", "/")
            for alias in node.names:
                is_module = (folder / f"{alias.name}.py").exists() or (folder / alias.name).is_dir()
                yield f"{node.module}.{alias.name}" if is_module else node.module


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_go_down(path: Path) -> None:
    here = LAYERS.index(layer_of(module_name(path)))

    upward = [
        name
        for name in imports_of(path)
        if name.split(".")[0] == "idp" and name != "idp" and LAYERS.index(layer_of(name)) > here
    ]

    assert not upward, f"{path.relative_to(IDP)} imports {upward} from above"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_dangerous_libraries_have_one_owner(path: Path) -> None:
    here = path.relative_to(IDP).with_suffix("").as_posix()
    if here.startswith("demo/"):
        return

    for name in imports_of(path):
        owners = OWNERS.get(name) or OWNERS.get(name.split(".")[0])
        allowed = (owners,) if isinstance(owners, str) else owners
        assert allowed is None or here.startswith(allowed), f"{here} imports {name}, which belongs to {owners}"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_only_the_clock_reads_the_time(path: Path) -> None:
    here = path.relative_to(IDP).as_posix()
    if here == "clock.py" or here.startswith("demo/"):
        return

    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today", "time"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date", "time"}
    ]

    assert not calls, f"{here} reads the time itself"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_every_file_says_what_it_decides(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))

    assert not tree.body or ast.get_docstring(tree), f"{path.relative_to(IDP)} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_an_audit_event_is_recorded_by_a_function_of_its_own(path: Path) -> None:
    here = path.relative_to(IDP).as_posix()
    # The administration's events are named by its table of acts.
    if here.endswith("events.py") or here.startswith(("audit/", "admin/")):
        return

    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"audit.record", "record_event"}
    ]

    assert not calls, f"{here} records an event without a typed function: add one to the events.py of its folder"
