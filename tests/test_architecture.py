"""Imports go down the list of `design.md` §1, never up; dangerous things have one owner."""

import ast
from collections.abc import Iterator
from functools import cache
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
FOLDERS: dict[str, list[Path]] = {}
for _path in sorted(path for path in IDP.rglob("*.py") if "migrations" not in path.parts):
    FOLDERS.setdefault(_path.parent.relative_to(IDP.parent).as_posix(), []).append(_path)


def layer_of(module: str) -> str:
    parts = module.split(".")
    if module in TOP or (len(parts) > 1 and parts[1] in {"demo", "conformance", "commands", "plugins"}):
        return "top"
    folder = parts[1] if len(parts) > 1 else ""
    return folder if folder in LAYERS else "root"


def module_name(path: Path) -> str:
    parts = ("idp", *path.relative_to(IDP).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            folder = IDP.parent / node.module.replace(".", "/")
            for alias in node.names:
                is_module = (folder / f"{alias.name}.py").exists() or (folder / alias.name).is_dir()
                yield f"{node.module}.{alias.name}" if is_module else node.module


@pytest.fixture(params=FOLDERS.values(), ids=FOLDERS)
def files(request: pytest.FixtureRequest) -> dict[str, Path]:
    """Return the files of a folder by their place under `idp/`."""
    return {path.relative_to(IDP).as_posix(): path for path in request.param}


def test_imports_go_down(files: dict[str, Path]) -> None:
    upward = [
        f"{here} imports {name} from above"
        for here, path in files.items()
        for name in imports_of(path)
        if name.split(".")[0] == "idp"
        and name != "idp"
        and LAYERS.index(layer_of(name)) > LAYERS.index(layer_of(module_name(path)))
    ]

    assert not upward


def test_dangerous_libraries_have_one_owner(files: dict[str, Path]) -> None:
    taken = []
    for here, path in files.items():
        for name in imports_of(path):
            owners = OWNERS.get(name) or OWNERS.get(name.split(".")[0])
            allowed = (owners,) if isinstance(owners, str) else owners
            if allowed is not None and not here.startswith((*allowed, "demo/")):
                taken.append(f"{here} imports {name}, which belongs to {owners}")

    assert not taken


def test_only_the_clock_reads_the_time(files: dict[str, Path]) -> None:
    reading = [
        f"{here}:{node.lineno} reads the time itself"
        for here, path in files.items()
        if here != "clock.py" and not here.startswith("demo/")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today", "time"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date", "time"}
    ]

    assert not reading


def test_every_file_says_what_it_decides(files: dict[str, Path]) -> None:
    silent = [here for here, path in files.items() if tree_of(path).body and not ast.get_docstring(tree_of(path))]

    assert not silent, "no docstring"


def test_an_audit_event_is_recorded_by_a_function_of_its_own(files: dict[str, Path]) -> None:
    """A typed function in the `events.py` of its folder; the administration's events are named by its table of acts."""
    recording = [
        f"{here}:{node.lineno} records an event"
        for here, path in files.items()
        if not here.endswith("events.py") and not here.startswith(("audit/", "admin/"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"audit.record", "record_event"}
    ]

    assert not recording
