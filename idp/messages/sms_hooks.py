"""Where operators tell us what became of an SMS: `/hooks/sms/<gateway>`, believed only if proved to be theirs."""

from flask import Blueprint, request
from werkzeug.wrappers import Response

from idp import clock, logs, metrics
from idp.db import db
from idp.messages import receipts
from idp.messages.sms_gateways import GATEWAYS
from idp.messages.sms_gateways.gateway import Hook
from idp.messages.transport import Receipt
from idp.settings import current_settings, settings

blueprint = Blueprint("sms_hooks", __name__)
log = logs.get_logger()
# What goes wrong below this folder is answered as JSON, never as a page.
blueprint.record_once(
    lambda setup: setup.app.extensions["sesame"].update(
        machine_paths=setup.app.extensions["sesame"].get("machine_paths", frozenset()) | {"/hooks"}
    )
)


@blueprint.route("/hooks/sms/<gateway>", defaults={"secret": ""}, methods=["GET", "POST"])
@blueprint.route("/hooks/sms/<gateway>/<secret>", methods=["GET", "POST"])
def receive(gateway: str, secret: str) -> Response:
    """Write down the receipt that an operator's call holds."""
    kind = GATEWAYS.get(gateway)
    if kind is None or gateway not in {settings.sms.transport, settings.sms.second_transport}:
        return Response(status=404)
    hook = Hook(
        method=request.method,
        # As we told it to them, whatever a proxy made of it.
        url=settings.issuer + request.full_path.rstrip("?"),
        secret=secret,
        headers={name.lower(): value for name, value in request.headers.items()},
        query=request.args.to_dict(),
        form=request.form.to_dict(),
        json=request.get_json(silent=True),
    )
    now, whole = clock.now(), current_settings()
    if not kind.is_theirs(hook, whole):
        metrics.SMS_HOOKS.labels(gateway, "refused").inc()
        log.warning("sms-hook-refused", gateway=gateway)
        return Response(status=403)
    told = kind.read(hook, whole)
    metrics.SMS_HOOKS.labels(gateway, "read" if told else "unreadable").inc()
    if told is not None and told.outcome is not None:
        receipts.record(Receipt(gateway, told.message_id[:80], told.outcome), now)
        db.session.commit()
    # Also for what says nothing to us: asking again would not change it.
    return Response(status=204)
