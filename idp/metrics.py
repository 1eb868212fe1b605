"""What we count and time, for Prometheus; labels take few values, never a person's."""

from prometheus_client import Counter, Gauge, Histogram

_STEPS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DELIVERY = (0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900)
_LONG = (5, 15, 30, 60, 120, 300, 600, 900)

AUTHORIZE = Counter("idp_authorize_total", "Authorization requests", ["outcome"])
LOGIN_STEP = Counter("idp_login_step_total", "Steps of sign-ins", ["step", "outcome"])
LOGIN_DURATION = Histogram("idp_login_duration_seconds", "First page to complete sign-in", ["method"], buckets=_LONG)
PASSWORD = Counter("idp_password_total", "Passwords checked", ["outcome"])
PASSWORD_HASH = Histogram("idp_password_hash_seconds", "Argon2 with its waiting time", buckets=_STEPS)
PASSWORD_WAITING = Gauge("idp_password_waiting", "Passwords that wait for a hashing lane", multiprocess_mode="livesum")
SHED = Counter("idp_shed_total", "People asked to come back because too many came at once", ["what"])
DIRECTORY = Histogram("idp_directory_seconds", "Time of an outside directory to answer", ["act"], buckets=_STEPS)
PROVISIONED = Counter("idp_provisioned_total", "Accounts made, changed or ended by an outside directory", ["act"])
OTP_SEND = Counter("idp_otp_send_total", "Codes handed to the outbox or to a relay", ["channel", "reason", "outcome"])
OTP_PROVIDER = Histogram(
    "idp_otp_provider_seconds", "Time of a relay to answer", ["channel", "provider"], buckets=_STEPS
)
OTP_DELIVERY = Histogram(
    "idp_otp_delivery_seconds", "From the outbox to the relay's yes", ["channel"], buckets=_DELIVERY
)
SIGN_IN = Counter("idp_sign_in_total", "Sign-ins that ended, by their second factor", ["method", "outcome"])
OTP_AGE_AT_USE = Histogram("idp_otp_age_at_use_seconds", "Age of a code when it was typed", ["channel"], buckets=_LONG)
OTP_VERIFY = Counter("idp_otp_verify_total", "Codes typed", ["channel", "outcome"])
ALERTS = Counter("idp_alerts_total", "Alerts to account holders", ["kind", "channel"])
SECRET_WARNINGS = Counter("idp_secret_warnings_total", "Secrets of clients that end soon, told to contacts", ["days"])
MAIL_BOUNCES = Counter("idp_mail_bounces_total", "Mails that came back, addresses that do not receive", ["outcome"])
MAIL_DOMAIN = Counter("idp_mail_domain_total", "Answers of relays, by domain", ["domain", "provider", "outcome"])
STOPS = Counter("idp_stops_total", "Stop keys typed at `/stop`", ["outcome"])
FACTOR = Counter("idp_factor_total", "Authenticator apps and recovery codes", ["factor", "outcome"])
RESET = Counter("idp_reset_total", "Steps of forgotten passwords", ["step", "outcome"])
WEBAUTHN = Counter("idp_webauthn_total", "Passkey ceremonies answered", ["ceremony", "outcome"])
PROMOTION = Counter("idp_passkey_promotion_total", "Passkeys offered after a sign-in with a code", ["outcome"])
SMS_COST = Counter("idp_sms_cost_total", "Price of accepted SMS, as `sms.costs` has it", ["prefix", "provider"])
SMS_RECEIPTS = Counter("idp_sms_receipt_total", "What networks said later of accepted SMS", ["provider", "outcome"])
SMS_HOOKS = Counter("idp_sms_hook_total", "Calls to `/hooks/sms/…`", ["gateway", "outcome"])
SMS_OVER_BUDGET = Counter("idp_sms_over_budget_total", "SMS that a budget kept back", ["kind"])
PAUSES = Counter("idp_pauses_total", "Pauses begun", ["kind"])
TOKEN = Counter("idp_token_total", "Token requests", ["grant", "outcome", "error"])
DEVICE = Counter("idp_device_total", "Devices that asked to be connected, and what became of it", ["outcome"])
ACCOUNT = Counter("idp_account_acts_total", "Acts in « Gérer mon compte »", ["act"])
ADMIN = Counter("idp_admin_acts_total", "Acts of administrators", ["act", "outcome"])
ADMIN_EMERGENCIES = Counter("idp_admin_emergencies_total", "Risky changes that one administrator applied alone")
ADMIN_ENROLMENT = Counter("idp_admin_enrolment_total", "First passkeys of administrators", ["outcome"])
ADMIN_API = Counter("idp_admin_api_total", "Requests to `/admin/api`", ["route", "status"])
ERRORS = Counter("idp_errors_total", "Error pages and error answers", ["code"])
LOG_LINES_LOST = Counter("idp_log_lines_lost_total", "Lines of the log that could not be written when they were due")
FETCH = Counter("idp_fetch_total", "Documents fetched from relying parties", ["outcome"])
IN_APP = Counter("idp_in_app_total", "Steps of sign-ins inside the app", ["step", "outcome"])
REGISTRATION = Counter("idp_client_registration_total", "Requests to `/register`", ["act", "outcome"])
LOGOUT_DELIVERY = Counter("idp_logout_delivery_total", "Services told of a sign-out", ["channel", "outcome"])
SECURITY_EVENTS = Counter("idp_security_event_delivery_total", "Security events pushed to services", ["outcome"])
CHANNEL_OFF = Gauge(
    "idp_channel_off", "Channels and factors that are switched off", ["channel"], multiprocess_mode="livemostrecent"
)
SUPPORT = Counter("idp_support_acts_total", "Acts of the support desk", ["act", "outcome"])
AUDIT_SEALED = Counter("idp_audit_sealed_total", "Audit events that were given their place in the chain")
AUDIT_FORGOTTEN = Counter("idp_audit_forgotten_total", "Audit events deleted for their age")
AUDIT_LAG = Gauge(
    "idp_audit_lag_seconds",
    "How long the oldest audit event has waited for its place in the chain",
    multiprocess_mode="livemostrecent",
)
RESUMED = Counter("idp_resumed_logins_total", "Sign-ins taken up again after a closed tab")
BOUNCED = Counter("idp_bounced_total", "Relying parties that sent a signed-in visitor back at once")
HTTP = Histogram("idp_http_request_duration_seconds", "Requests", ["route", "code"], buckets=_STEPS)
OUTBOX_DEPTH = Gauge("idp_outbox_depth", "Messages waiting", ["channel"], multiprocess_mode="livemostrecent")
SIGNING_KEY_AGE = Gauge(
    "idp_signing_key_age_seconds", "Time that the signing key has signed", ["alg"], multiprocess_mode="livemostrecent"
)
SIGNING_KEYS = Gauge("idp_signing_keys", "Signing keys, by state", ["alg", "state"], multiprocess_mode="livemostrecent")
KEY_AWAITED = Gauge(
    "idp_signing_key_awaited_clients",
    "Relying parties that have not fetched the next key",
    ["alg"],
    multiprocess_mode="livemostrecent",
)
CLOCK_SKEW = Gauge(
    "idp_clock_skew_seconds", "How far this machine's clock is from the common time", multiprocess_mode="livemax"
)
PROCESSES = Gauge("idp_processes", "Living processes of this node", ["kind"], multiprocess_mode="livesum")
