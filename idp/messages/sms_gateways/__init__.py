"""Operators' HTTP interfaces, one file each: how a text is handed over, and how its receipt is read and believed."""

from idp.messages.sms_gateways import brevo, generic, orange, ovhcloud, twilio
from idp.messages.sms_gateways.gateway import Kind

# By `sms.transport`; also the name in `/hooks/sms/<name>`.
GATEWAYS: dict[str, Kind] = {
    "http": generic.KIND,
    "ovhcloud": ovhcloud.KIND,
    "orange": orange.KIND,
    "brevo": brevo.KIND,
    "twilio": twilio.KIND,
}
