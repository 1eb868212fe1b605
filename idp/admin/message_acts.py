"""What operators do to the texts of messages: other words, in every language at once, or ours again; by two people.

The same is demanded as of a file of texts before the start (`messages/overrides.py`): each says the same facts, an SMS
stays one SMS in the 7-bit alphabet, and nothing holds a link. Every version is a change, and can be taken up again.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from idp.admin.changes import find_change
from idp.admin.client_acts import Nothing, Plan
from idp.admin.faults import Invalid, NotFound
from idp.admin.operation_acts import put_operation
from idp.admin.schema import Strict
from idp.i18n import catalogue
from idp.messages.gsm7 import count_septets
from idp.messages.overrides import find_text_faults, replaceable_texts
from idp.operations import find_operation, list_operations, texts_of_the_start
from idp.settings import settings

Said = Annotated[str, Field(max_length=1000)]


class TextGiven(Strict):
    """What a text says, in every language of the provider."""

    texts: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z]{2}$")], Said], Field(max_length=20)] = Field(
        description="by language; the placeholders of our own text, all of them and no other"
    )


def plan_text(text_id: str, given: TextGiven) -> Plan:
    """Other words."""
    _check_known(text_id)
    faults = find_faults(text_id, given.texts)
    if faults:
        raise Invalid("it cannot be sent", faults)
    before, version = _present(text_id)
    return Plan(before, dict(given.texts), version, is_risky=True)


def plan_ours(text_id: str, _given: Nothing) -> Plan:
    """The words of the start again."""
    _check_known(text_id)
    before, version = _present(text_id)
    return Plan(before, configured_texts(text_id), version)


def put_text(text_id: str, change: Any, now: datetime) -> dict[str, Any]:
    """Say it in these words from now on."""
    texts = dict(change.after)
    put_operation(f"text:{text_id}", change, None if texts == configured_texts(text_id) else texts, now)
    return {}


def find_faults(text_id: str, texts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return why texts cannot be sent, language by language."""
    faults = [(f"texts.{one}", "is no language here") for one in texts if one not in settings.locales]
    for locale in settings.locales:
        faults += [(f"texts.{locale}", why) for why in find_text_faults(text_id, texts.get(locale), locale)]
    return tuple(faults)


def configured_texts(text_id: str) -> dict[str, str]:
    """Return the words of the start: the operator's file's, or ours."""
    theirs = texts_of_the_start()
    return {
        locale: theirs.get(locale, {}).get(text_id) or catalogue(locale).gettext(text_id) for locale in settings.locales
    }


def texts_before(change_id: str, text_id: str) -> dict[str, str]:
    """Return what a text said before a change of it."""
    change = find_change(change_id)
    if change is None or change.target != text_id or not change.act.startswith("text."):
        raise NotFound("no such change of this text")
    return {str(locale): str(text) for locale, text in change.before.items()}


def list_texts() -> list[dict[str, Any]]:
    """Return every text that may be replaced, and who replaced it."""
    rows = list_operations("text")
    return [_describe(text_id, rows.get(text_id)) for text_id in replaceable_texts()]


def describe_text(text_id: str) -> dict[str, Any]:
    """Return a text as it is said now, and what the settings would have it say."""
    _check_known(text_id)
    present, _version = _present(text_id)
    return {
        **_describe(text_id, find_operation(f"text:{text_id}")),
        "texts": present,
        "configured": configured_texts(text_id),
        "septets": {locale: count_septets(text) for locale, text in present.items()}
        if text_id.startswith("sms.")
        else {},
    }


def _describe(text_id: str, row: Any) -> dict[str, Any]:
    is_changed = row is not None and row.value is not None
    return {
        "name": text_id,
        "changed_at": row.changed_at if is_changed else None,
        "changed_by": row.changed_by if is_changed else None,
    }


def _present(text_id: str) -> tuple[dict[str, str], int]:
    row = find_operation(f"text:{text_id}")
    own = configured_texts(text_id)
    return ({**own, **(row.value or {})}, row.version) if row is not None else (own, 0)


def _check_known(text_id: str) -> None:
    if text_id not in replaceable_texts():
        raise NotFound("no such text")
