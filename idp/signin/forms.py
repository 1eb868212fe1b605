"""How the forms of a sign-in are read, and how what a person can put right is said."""

from dataclasses import dataclass

from flask import request
from werkzeug.exceptions import BadRequest

from idp.i18n import _


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing to put right: the field it belongs to, and the words for it."""

    field: str
    message: str


def one_field(name: str) -> str:
    """Return the one value of a form field, empty when absent; the field twice is a trick (R20, AC-105)."""
    values = request.form.getlist(name)
    if len(values) > 1:
        raise BadRequest(f"field {name} more than once")
    return values[0] if values else ""


def error(field: str, text_id: str, **values: object) -> FieldError:
    """Return a field's error in the visitor's language."""
    return FieldError(field, _(text_id, **values))
