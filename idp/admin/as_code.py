"""Clients described by files: `clients/<client_id>.yaml`, in the schema of form and REST.

What was applied last is remembered as a fingerprint. A client that somebody changed elsewhere since, or that no file
made, is drift: nothing is overwritten until somebody says that the file shall win (`--adopt`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.admin import actions
from idp.admin.actors import Actor
from idp.admin.changes import diff
from idp.admin.faults import Invalid
from idp.admin.schema import ClientDocument, brief, check_document, document_of, plain, read_document, starting_document
from idp.db import Base, Moment, db
from idp.oidc.clients import list_clients, read_client

Verdict = Literal["create", "update", "same", "drift", "unmanaged", "no-file"]
_LARGEST = 256 * 1024


class ClientFile(Base):
    """A client that a file describes, and what of it was applied last."""

    __tablename__ = "client_files"

    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    applied_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True)
class Planned:
    """What applying would do to one client."""

    client_id: str
    verdict: Verdict
    differences: tuple[tuple[str, Any, Any], ...] = ()
    document: ClientDocument | None = None

    @property
    def is_held_back(self) -> bool:
        """Whether only `--adopt` applies it."""
        return self.verdict in {"drift", "unmanaged"}


def read_folder(folder: Path) -> dict[str, ClientDocument]:
    """Return the clients that the files of a folder describe, or raise `Invalid` with every fault of all of them."""
    found: dict[str, ClientDocument] = {}
    faults: list[tuple[str, str]] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            client_id, document = read_file(path)
            if client_id in found:
                raise Invalid("", (("client_id", f"{client_id} is in two files"),))
            check_document(client_id, document)
            found[client_id] = document
        except Invalid as fault:
            faults += [(f"{path.name}: {name}", why) for name, why in fault.faults]
    if faults:
        raise Invalid("files cannot stand", tuple(faults))
    return found


def read_file(path: Path) -> tuple[str, ClientDocument]:
    """Return the client of one file; `client_id` is the file's name unless it says so itself."""
    if path.stat().st_size > _LARGEST:
        raise Invalid("", (("file", "is too large"),))
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Strict)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as fault:
        told = getattr(fault, "problem", None) or "is not YAML"
        raise Invalid("", (("file", str(told)),)) from None
    if not isinstance(tree, dict) or not all(isinstance(name, str) for name in tree):
        raise Invalid("", (("file", "is not a mapping of names"),))
    client_id = tree.pop("client_id", path.stem)
    if not isinstance(client_id, str):
        raise Invalid("", (("client_id", "must be a text"),))
    kind = tree.get("kind", "website")
    return client_id, read_document(starting_document(kind, tree) if isinstance(kind, str) else tree)


def write_folder(folder: Path, client_ids: Iterable[str] | None = None) -> list[Path]:
    """Write a file for each client; secrets are in none, for nobody has them."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = None if client_ids is None else set(client_ids)
    written = []
    for client in list_clients():
        if wanted is None or client.client_id in wanted:
            path = folder / f"{client.client_id}.yaml"
            path.write_text(to_yaml(client.client_id, document_of(client)), encoding="utf-8")
            written.append(path)
    return written


def to_yaml(client_id: str, document: ClientDocument) -> str:
    """Return a client as a file has it: what it says beyond the defaults of its kind."""
    whole, usual = plain(document), starting_document(document.kind, {"scopes": document.scopes})
    # What the kind brings along and this client has otherwise must be said, also where it is the schema's default.
    said = brief(document) | {name: whole[name] for name, one in usual.items() if whole[name] != one}
    kept = {name: value for name, value in said.items() if value is not None}
    return yaml.safe_dump({"client_id": client_id, **kept}, allow_unicode=True, sort_keys=False)


def plan(wanted: Mapping[str, ClientDocument]) -> list[Planned]:
    """Return what applying would do, client by client; clients that no file describes any more are only named."""
    planned = [_plan_one(client_id, document) for client_id, document in sorted(wanted.items())]
    managed = db.session.query(ClientFile.client_id).order_by(ClientFile.client_id)
    gone = [Planned(client_id, "no-file") for (client_id,) in managed if client_id not in wanted]
    return planned + gone


def apply(planned: Iterable[Planned], actor: Actor, *, now: datetime, adopt: bool, propose: bool) -> list[Any]:
    """Carry out a plan; returns the acts that were done, with secrets shown once."""
    done = []
    for one in planned:
        if one.document is None or (one.is_held_back and not adopt):
            continue
        act = "client.create" if one.verdict == "create" else "client.update"
        result = actions.perform(
            actor, act, one.client_id, plain(one.document), now=now, reason="idp clients apply", propose=propose
        )
        if not result.is_waiting:
            _remember(one.client_id, now)
        done.append((one, result))
    return done


def _remember(client_id: str, now: datetime) -> None:
    client = read_client(client_id)
    if client is not None:
        fingerprint = _fingerprint(plain(document_of(client)))
        db.session.merge(ClientFile(client_id=client_id, fingerprint=fingerprint, applied_at=now))
        db.session.commit()


def _plan_one(client_id: str, document: ClientDocument) -> Planned:
    client, after = read_client(client_id), plain(document)
    if client is None:
        return Planned(client_id, "create", tuple(diff({}, brief(document))), document)
    before = plain(document_of(client))
    if not document.sector_identifier:
        # Drawn from the redirect URIs when the client was made, and kept since: another one would change every `sub`.
        document = document.model_copy(update={"sector_identifier": client.sector_identifier})
        after = plain(document)
    known = db.session.get(ClientFile, client_id)
    differences = tuple(diff(before, after))
    if known is None:
        return Planned(client_id, "unmanaged", differences, document)
    if not differences:
        return Planned(client_id, "same", (), document)
    is_drift = known.fingerprint != _fingerprint(before)
    return Planned(client_id, "drift" if is_drift else "update", differences, document)


def _fingerprint(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class _Strict(yaml.SafeLoader):
    """YAML in which each name stands once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep=True) for key, _value in node.value]
        if len({repr(name) for name in names}) != len(names):
            raise yaml.YAMLError("a name stands twice")
        return super().construct_mapping(node, deep)
