"""Writes `deploy/grafana/*.json` from the tables below, and a last one of what is in none of them: ``make reference``.

`tests/deploy/test_figures.py` fails when a file is not what this writes, or a query asks for what nobody counts.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

FOLDER = Path(__file__).parent.parent / "deploy" / "grafana"
_WIDTH, _HEIGHT, _ROW = 8, 8, 24
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_CHOICE = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
_REQUESTS, _FAULTS = "idp_http_request_duration_seconds_count", 'code=~"5.."'
_ANSWERED = 'outcome=~"accepted|delivered|refused|expired"'
# Days that explain a wave: allowances are paid around the 5th, declarations end each quarter.
_DAYS = (
    ("Jour de paiement", "day_of_month() == 5", "orange"),
    ("Fin de déclaration trimestrielle", "month() % 3 == 0 and day_of_month() == days_in_month()", "blue"),
)


@dataclass(frozen=True)
class Panel:
    """One question and the queries that answer it, each with its legend."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    # A line to stay below.
    limit: float | None = None


def _rate(metric: str, by: str = "", where: str = "", window: str = "$__rate_interval") -> str:
    grouped = f" by ({by})" if by else ""
    return (
        f"sum{grouped} (rate({metric}{{{where}}}[{window}]))" if where else f"sum{grouped} (rate({metric}[{window}]))"
    )


def _quantile(share: float, metric: str, where: str = "", by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {_rate(metric + '_bucket', labels, where)})"


def _quantiles(metric: str, *shares: float, where: str = "") -> tuple[tuple[str, str], ...]:
    return tuple((_quantile(share, metric, where), f"p{share * 100:g}") for share in shares)


def _one(query: str, legend: str = "") -> tuple[tuple[str, str], ...]:
    return ((query, legend),)


DASHBOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "connexions": (
        "Sésame 1 · Connexions",
        (
            Panel(
                "Connexions terminées par minute",
                _one("60 * " + _rate("idp_login_step_total", where='step="end",outcome="done"')),
            ),
            Panel(
                "Demandes des services, par issue",
                _one(_rate("idp_authorize_total", "outcome"), "{{outcome}}"),
                "reqps",
            ),
            Panel(
                "Entonnoir : mot de passe, envoi, code, fin",
                (
                    (_rate("idp_password_total", where='outcome="ok"'), "mot de passe bon"),
                    (_rate("idp_otp_send_total", where='outcome="queued"'), "code demandé"),
                    (_rate("idp_otp_verify_total", where='outcome="ok"'), "code bon"),
                    (_rate("idp_login_step_total", where='step="end",outcome="done"'), "terminé"),
                ),
            ),
            Panel("Étapes, par issue", _one(_rate("idp_login_step_total", "step, outcome"), "{{step}} {{outcome}}")),
            Panel("Durée d'une connexion", _quantiles("idp_login_duration_seconds", 0.5, 0.95), "s"),
            Panel("Part de chaque niveau", _one(_rate("idp_login_duration_seconds_count", "method"), "{{method}}")),
            Panel("Connexions reprises après un onglet fermé", _one(_rate("idp_resumed_logins_total"))),
            Panel(
                "Passkeys, par issue",
                _one(_rate("idp_webauthn_total", "ceremony, outcome"), "{{ceremony}} {{outcome}}"),
            ),
            Panel(
                "Passkeys proposées après un code", _one(_rate("idp_passkey_promotion_total", "outcome"), "{{outcome}}")
            ),
            Panel(
                "Connexions dans l'application",
                _one(_rate("idp_in_app_total", "step, outcome"), "{{step}} {{outcome}}"),
            ),
            Panel("Mots de passe oubliés", _one(_rate("idp_reset_total", "step, outcome"), "{{step}} {{outcome}}")),
            Panel("Appareils connectés (RFC 8628)", _one(_rate("idp_device_total", "outcome"), "{{outcome}}")),
        ),
    ),
    "codes": (
        "Sésame 2 · Codes",
        (
            Panel(
                "Codes demandés par minute",
                _one("60 * " + _rate("idp_otp_send_total", "channel", 'outcome="queued"'), "{{channel}}"),
            ),
            Panel(
                "Ce que les relais répondent",
                _one(_rate("idp_otp_send_total", "channel, outcome", _ANSWERED), "{{channel}} {{outcome}}"),
            ),
            Panel(
                "Part des codes refusés ou trop tard",
                _one(
                    _rate("idp_otp_send_total", "channel", 'outcome=~"refused|expired"')
                    + " / "
                    + _rate("idp_otp_send_total", "channel", 'outcome=~"accepted|refused|expired"'),
                    "{{channel}}",
                ),
                "percentunit",
                limit=0.05,
            ),
            Panel(
                "Âge du code quand il est tapé (e-mail)",
                _one(_rate("idp_otp_age_at_use_seconds_bucket", "le", 'channel="email"'), "{{le}}"),
                "s",
                "heatmap",
            ),
            Panel(
                "Âge du code quand il est tapé, p90",
                _one(_quantile(0.9, "idp_otp_age_at_use_seconds", by="channel"), "{{channel}}"),
                "s",
                limit=120,
            ),
            Panel(
                "Temps de réponse des relais, p95",
                _one(_quantile(0.95, "idp_otp_provider_seconds", by="channel, provider"), "{{channel}} {{provider}}"),
                "s",
                limit=10,
            ),
            Panel("Codes tapés, par issue", _one(_rate("idp_otp_verify_total", "outcome"), "{{outcome}}")),
            Panel("Messages qui attendent", _one("max by (channel) (idp_outbox_depth)", "{{channel}}"), limit=500),
            Panel(
                "Renvois pour un code bon",
                _one(
                    _rate("idp_otp_send_total", where='outcome="queued"')
                    + " / "
                    + _rate("idp_otp_verify_total", where='outcome="ok"')
                ),
            ),
            Panel(
                "Réponses par domaine de messagerie (10 premiers)",
                _one(
                    "topk(10, " + _rate("idp_mail_domain_total", "domain, outcome", 'outcome!="accepted"') + ")",
                    "{{domain}} {{outcome}}",
                ),
            ),
            Panel("Mails revenus", _one(_rate("idp_mail_bounces_total", "outcome"), "{{outcome}}")),
            Panel(
                "Accusés des réseaux SMS",
                _one(_rate("idp_sms_receipt_total", "provider, outcome"), "{{provider}} {{outcome}}"),
            ),
            Panel(
                "Coût des SMS par heure",
                _one("3600 * " + _rate("idp_sms_cost_total", "prefix"), "+{{prefix}}"),
                "currencyEUR",
            ),
            Panel("SMS retenus par un budget", _one(_rate("idp_sms_over_budget_total", "kind"), "{{kind}}")),
            Panel(
                "Appels des opérateurs SMS",
                _one(_rate("idp_sms_hook_total", "gateway, outcome"), "{{gateway}} {{outcome}}"),
            ),
        ),
    ),
    "securite": (
        "Sésame 3 · Sécurité",
        (
            Panel("Mots de passe, par issue", _one(_rate("idp_password_total", "outcome"), "{{outcome}}")),
            Panel(
                "Part de mots de passe faux",
                _one(_rate("idp_password_total", where='outcome="wrong"') + " / " + _rate("idp_password_total")),
                "percentunit",
                limit=0.5,
            ),
            Panel("Pauses commencées", _one(_rate("idp_pauses_total", "kind"), "{{kind}}")),
            Panel("« Ce n'est pas vous ? » tapés", _one(_rate("idp_stops_total", "outcome"), "{{outcome}}")),
            Panel("Alertes envoyées aux titulaires", _one(_rate("idp_alerts_total", "kind"), "{{kind}}")),
            Panel("Actes dans « Gérer mon compte »", _one(_rate("idp_account_acts_total", "act"), "{{act}}")),
            Panel(
                "Applications d'authentification et codes de secours",
                _one(_rate("idp_factor_total", "factor, outcome"), "{{factor}} {{outcome}}"),
            ),
            Panel(
                "Actes d'administrateurs", _one(_rate("idp_admin_acts_total", "act, outcome"), "{{act}} {{outcome}}")
            ),
            Panel(
                "Changements faits seul, en urgence (24 h)",
                _one("sum(increase(idp_admin_emergencies_total[24h]))"),
                kind="stat",
            ),
            Panel(
                "Actes de l'assistance", _one(_rate("idp_support_acts_total", "act, outcome"), "{{act}} {{outcome}}")
            ),
            Panel(
                "Premières passkeys d'administrateurs",
                _one(_rate("idp_admin_enrolment_total", "outcome"), "{{outcome}}"),
            ),
            Panel(
                "Écart de l'horloge d'une machine",
                _one("max by (instance) (idp_clock_skew_seconds)", "{{instance}}"),
                "s",
                limit=2,
            ),
            Panel(
                "Lignes du journal perdues",
                _one("sum by (instance) (increase(idp_log_lines_lost_total[5m]))", "{{instance}}"),
            ),
            Panel("Attente avant la chaîne d'audit", _one("max(idp_audit_lag_seconds)"), "s", limit=300),
            Panel(
                "Événements liés et oubliés",
                ((_rate("idp_audit_sealed_total"), "liés"), (_rate("idp_audit_forgotten_total"), "oubliés")),
            ),
            Panel(
                "Événements de sécurité vers les services",
                _one(_rate("idp_security_event_delivery_total", "outcome"), "{{outcome}}"),
            ),
        ),
    ),
    "partenaires": (
        "Sésame 4 · Partenaires",
        (
            Panel(
                "/token, par type et issue",
                _one(_rate("idp_token_total", "grant, outcome"), "{{grant}} {{outcome}}"),
                "reqps",
            ),
            Panel(
                "Erreurs de /token", _one(_rate("idp_token_total", "error", 'outcome="refused"'), "{{error}}"), "reqps"
            ),
            Panel(
                "/token, temps de réponse",
                _quantiles("idp_http_request_duration_seconds", 0.5, 0.99, where='route="/token"'),
                "s",
                limit=0.5,
            ),
            Panel("Erreurs montrées, par code", _one(_rate("idp_errors_total", "code"), "{{code}}")),
            Panel("Visiteurs renvoyés aussitôt par un service", _one(_rate("idp_bounced_total"))),
            Panel(
                "Services prévenus d'une déconnexion",
                _one(_rate("idp_logout_delivery_total", "channel, outcome"), "{{channel}} {{outcome}}"),
            ),
            Panel(
                "Services qui n'ont pas encore la prochaine clé",
                _one("max by (alg) (idp_signing_key_awaited_clients)", "{{alg}}"),
                kind="stat",
            ),
            Panel(
                "Enregistrements dynamiques",
                _one(_rate("idp_client_registration_total", "act, outcome"), "{{act}} {{outcome}}"),
            ),
            Panel("Documents lus chez les services", _one(_rate("idp_fetch_total", "outcome"), "{{outcome}}")),
            Panel(
                "Interface REST d'administration", _one(_rate("idp_admin_api_total", "status"), "{{status}}"), "reqps"
            ),
        ),
    ),
    "plateforme": (
        "Sésame 5 · Plateforme",
        (
            Panel(
                "Disponibilité, 30 jours (objectif 99,9 %)",
                _one("1 - " + _rate(_REQUESTS, where=_FAULTS, window="30d") + " / " + _rate(_REQUESTS, window="30d")),
                "percentunit",
                "stat",
            ),
            Panel(
                "Réponses en moins de 250 ms",
                _one(_rate("idp_http_request_duration_seconds_bucket", where='le="0.25"') + " / " + _rate(_REQUESTS)),
                "percentunit",
                "stat",
            ),
            Panel(
                "Part d'erreurs 5xx",
                _one(_rate(_REQUESTS, where=_FAULTS) + " / " + _rate(_REQUESTS)),
                "percentunit",
                limit=0.001,
            ),
            Panel(
                "Requêtes, par route (10 premières)",
                _one("topk(10, " + _rate(_REQUESTS, "route") + ")", "{{route}}"),
                "reqps",
            ),
            Panel("Temps de réponse", _quantiles("idp_http_request_duration_seconds", 0.5, 0.95, 0.99), "s", limit=0.5),
            Panel("Argon2, attente comprise", _quantiles("idp_password_hash_seconds", 0.5, 0.95), "s"),
            Panel("Mots de passe hachés par seconde", _one(_rate("idp_password_hash_seconds_count"))),
            Panel("Files de hachage pleines", _one(_rate("idp_password_total", where='outcome="busy"'))),
            Panel("Mots de passe qui attendent", _one("sum(idp_password_waiting)")),
            Panel("Personnes priées de revenir", _one(_rate("idp_shed_total", "what"), "{{what}}")),
            Panel("Annuaire externe, p95", _one(_quantile(0.95, "idp_directory_seconds", by="act"), "{{act}}"), "s"),
            Panel("Comptes faits ou changés par l'annuaire", _one(_rate("idp_provisioned_total", "act"), "{{act}}")),
            Panel("Nœuds qui répondent", _one('sum by (job) (up{job=~"sesame-.*"})', "{{job}}"), kind="stat"),
            Panel("Processus vivants", _one("sum by (kind) (idp_processes)", "{{kind}}"), kind="stat"),
            Panel("Âge des clés de signature", _one("max by (alg) (idp_signing_key_age_seconds)", "{{alg}}"), "s"),
            Panel("Clés de signature, par état", _one("max by (alg, state) (idp_signing_keys)", "{{alg}} {{state}}")),
            Panel(
                "Mémoire de Redis",
                _one("redis_memory_used_bytes / (redis_memory_max_bytes > 0)"),
                "percentunit",
                limit=0.8,
            ),
            Panel(
                "Jours avant la fin du certificat",
                _one("(min(probe_ssl_earliest_cert_expiry) - time()) / 86400"),
                kind="stat",
            ),
        ),
    ),
}


REST = "reste"


def series() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return what a node counts, by the name that a query asks for: its kind and its labels."""
    import idp.metrics  # noqa: F401 - what it defines is in the registry

    found = {}
    for collector in set(REGISTRY._names_to_collectors.values()):
        name, kind = getattr(collector, "_name", ""), getattr(collector, "_type", "")
        if name.startswith("idp_"):
            found[name + {"counter": "_total", "histogram": "_bucket"}.get(kind, "")] = kind, collector._labelnames  # type: ignore[attr-defined]
    return found


def _rest() -> tuple[Panel, ...]:
    """Return a plain panel for each series that no dashboard above asks for: a new metric is seen at once."""
    asked = " ".join(query for _, panels in DASHBOARDS.values() for panel in panels for query, _ in panel.queries)
    panels = []
    for name, (kind, labels) in sorted(series().items()):
        if re.search(rf"\b{name.removesuffix('_bucket')}", asked) is None:
            by, legend = ", ".join(labels), " ".join(f"{{{{{label}}}}}" for label in labels)
            query = {"counter": _rate(name, by), "histogram": _quantile(0.95, name.removesuffix("_bucket"), by=by)}
            plain = f"max by ({by}) ({name})" if by else f"max({name})"
            panels.append(Panel(name, _one(query.get(kind, plain), legend)))
    return tuple(panels)


def names() -> list[str]:
    """Return the name of every dashboard."""
    return [*DASHBOARDS, REST]


def render(name: str) -> str:
    """Return one dashboard as Grafana (10 and newer) imports it."""
    title, panels = DASHBOARDS[name] if name in DASHBOARDS else ("Sésame 6 · Le reste", _rest())
    board = {
        "uid": f"sesame-{name}", "title": title, "tags": ["sesame"], "schemaVersion": 39, "version": 1,
        "editable": True, "timezone": "Europe/Paris", "refresh": "30s", "time": {"from": "now-6h", "to": "now"},
        "graphTooltip": 1, "templating": {"list": [_CHOICE]},
        "annotations": {"list": [_day(*day) for day in _DAYS]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }  # fmt: skip
    return json.dumps(board, ensure_ascii=False, indent=1) + "\n"


def _day(title: str, query: str, colour: str) -> dict[str, Any]:
    return {
        "name": title, "datasource": _SOURCE, "enable": True, "iconColor": colour, "expr": query, "step": "1h",
        "titleFormat": title, "useValueForTime": False,
    }  # fmt: skip


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    custom = {} if panel.limit is None or panel.kind != "timeseries" else {"thresholdsStyle": {"mode": "line"}}
    per_row = _ROW // _WIDTH
    return {
        "id": number + 1, "title": panel.title, "type": panel.kind, "datasource": _SOURCE,
        "gridPos": {"x": number % per_row * _WIDTH, "y": number // per_row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "targets": [
            {
                "refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": query,
                "legendFormat": legend or panel.title,
                "format": "heatmap" if panel.kind == "heatmap" else "time_series",
            }
            for place, (query, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit, "min": 0, "custom": custom, "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}} if panel.kind == "timeseries" else {},
    }  # fmt: skip


def write() -> None:
    """Write every dashboard."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names():
        (FOLDER / f"{name}.json").write_text(render(name), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(write())
