"""What a load balancer may know: whether this process lives, and whether it can answer sign-ins."""

from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from idp import leaving
from idp.db import db
from idp.state import StateDown, state

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz/live")
def live() -> Response:
    """Answer as long as the process does: a store that is down must not restart it (RC-43)."""
    return jsonify(status="live")


@blueprint.get("/healthz/ready")
def ready() -> tuple[Response, int]:
    """Answer 503 while the database, the state store or the signing keys are out of reach, or this node is leaving.

    Mail and SMS never make a node unready.
    """
    if leaving.is_leaving():
        return jsonify(status="leaving"), 503
    try:
        db.session.execute(text("SELECT 1"))
        state.store.ping()
        if not all(check() for check in current_app.extensions["sesame"]["readiness"]):
            return jsonify(status="unready"), 503
    except (SQLAlchemyError, StateDown):
        return jsonify(status="unready"), 503
    finally:
        db.session.rollback()
    return jsonify(status="ready"), 200
