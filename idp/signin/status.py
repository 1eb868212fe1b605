"""The state of the service: `/status` for people, `/status.json` for programs; nothing in it is about anybody."""

from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from idp import clock
from idp.db import db
from idp.messages.channel_health import Health, find_health
from idp.web import page

blueprint = Blueprint("status", __name__)
# From the best to the worst.
_ORDER: tuple[Health, ...] = ("ok", "off", "slow", "down")


@blueprint.get("/status")
def show_status() -> Response:
    """Say whether codes arrive, by channel."""
    known = _status()
    return page("help/status.html", health=known["status"], channels=known["channels"])


@blueprint.get("/status.json")
def tell_status() -> Response:
    """Say whether codes arrive, by channel, to a program."""
    answer = jsonify(_status())
    answer.headers["Cache-Control"] = "public, max-age=10"
    return answer


def _status() -> dict[str, Any]:
    try:
        channels = dict(find_health(clock.now()))
    except SQLAlchemyError:
        # Nobody can sign in without it, and that is what is asked.
        return {"status": "down", "channels": {}}
    finally:
        db.session.rollback()
    return {"status": max(channels.values(), key=_ORDER.index), "channels": channels}
