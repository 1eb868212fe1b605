"""Where the demonstration lives: its three addresses, and the folder with its configuration, keys and data."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from idp import entropy

SMSC_SYSTEM_ID: Final = "demo"
SMSC_PASSWORD: Final = "demo"  # noqa: S105 - the two ends of one loopback connection
_SECRETS: Final = ("pepper", "index", "subject", "code", "token")


@dataclass(frozen=True)
class Addresses:
    """The ports people see; frozen in design.md §3, others only for tests."""

    provider_port: int = 8000
    rp_port: int = 8001
    mailbox_port: int = 8002

    @property
    def provider(self) -> str:
        return f"http://localhost:{self.provider_port}"

    @property
    def rp(self) -> str:
        return f"http://localhost:{self.rp_port}"

    @property
    def mailbox(self) -> str:
        return f"http://localhost:{self.mailbox_port}"

    @property
    def ports(self) -> dict[str, int]:
        return {"provider": self.provider_port, "relying party": self.rp_port, "mailbox": self.mailbox_port}


def write_configuration(folder: Path, addresses: Addresses, *, smtp_port: int, smpp_port: int) -> Path:
    """Write what the provider reads in IDP_CONFIG, and return its path; keys stay those of the first start."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "demo.toml"
    lines = [
        "# Written by `idp demo` at each start. IDP_… variables override it, as everywhere.",
        f'issuer = "{addresses.provider}"',
        f"database_url = {_quoted(f'sqlite:///{folder.resolve()}/sesame.db')}",
        f"state_file = {_quoted(str(folder.resolve() / 'state.db'))}",
        f'smtp_url = "smtp://127.0.0.1:{smtp_port}"',
        "[sms]",
        'transport = "smpp"',
        f'smpp_url = "smpp://{SMSC_SYSTEM_ID}:{SMSC_PASSWORD}@127.0.0.1:{smpp_port}"',
        _read_or_make_secrets(folder / "secrets.toml"),
    ]
    _write_private(path, "\n".join(lines))
    return path


def _read_or_make_secrets(path: Path) -> str:
    if path.exists():
        text = path.read_text(encoding="utf-8")
        tomllib.loads(text)
        return text
    lines = ["[secrets]", *(f'{name} = "{entropy.token()}"' for name in _SECRETS)]
    lines += ['field_key_id = "demo"', "[secrets.field_keys]", f'demo = "{entropy.token()}"', ""]
    _write_private(path, "\n".join(lines))
    return "\n".join(lines)


def _write_private(path: Path, text: str) -> None:
    # Created as 0600, never narrowed afterwards: between the two, others could open it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
