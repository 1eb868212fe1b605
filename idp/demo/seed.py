"""What the demonstration starts with: an up-to-date database, one account, two clients."""

from typing import Any, Final

from idp import clock
from idp.accounts import directory
from idp.admin.administrators import add_administrator
from idp.admin.roles import ROLES
from idp.db import db, upgrade_tables
from idp.demo.place import Addresses
from idp.oidc import clients, keys, registration

NIR: Final = "1991399999001"
PASSWORD: Final = "demo-motdepasse-1"  # noqa: S105 - printed at every start, and only ever on this machine
EMAIL: Final = "camille.martin@example.org"
MOBILE: Final = "+33612345678"
# Every standard claim of OpenID Connect Core §5.1 that an account can hold.
PROFILE: Final[dict[str, Any]] = {
    "name": "Camille Martin",
    "given_name": "Camille",
    "family_name": "Martin",
    "middle_name": "Dominique",
    "nickname": "Cam",
    "preferred_username": "camille.martin",
    "profile": "https://www.example.org/camille",
    "picture": "https://www.example.org/camille.png",
    "website": "https://camille.example.org/",
    "gender": "female",
    "birthdate": "1999-12-31",
    "zoneinfo": "Europe/Paris",
    "address": {
        "formatted": "10 rue des Lilas\n75020 Paris\nFrance",
        "street_address": "10 rue des Lilas",
        "locality": "Paris",
        "postal_code": "75020",
        "country": "France",
    },
}
CLIENT_SECRET: Final = "demo-secret"  # noqa: S105 - frozen in design.md §3, for a client that exists on loopback only


def prepare_database(addresses: Addresses) -> None:
    """Bring the tables up to date and add what is missing; run at every start."""
    upgrade_tables()
    keys.ensure_signing_keys()
    _add_account()
    _add_clients(addresses)
    db.session.commit()


def create_administrator() -> str | None:
    """Return the password of a new administrator `admin`, to be printed once; ``None`` if there already is one."""
    password = add_administrator("admin", clock.now(), tuple(ROLES))
    db.session.commit()
    return password


def _add_account() -> None:
    if directory.find_account_by_nir(NIR) is None:
        directory.add_account(nir=NIR, password=PASSWORD, email=EMAIL, mobile=MOBILE, claims=PROFILE)


def _add_clients(addresses: Addresses) -> None:
    for asked in _clients(addresses):
        if clients.find_client(asked["client_id"]) is None:
            client, random_secret = registration.add_client(registration.metadata_from_form(asked), now=clock.now())
            if random_secret is not None:
                # The one that everybody knows, beside the one that nobody does.
                registration.keep_secret(client.client_id, CLIENT_SECRET, clock.now())


def _clients(addresses: Addresses) -> list[dict[str, Any]]:
    scope = "openid profile email phone address offline_access"
    web = {
        "client_id": "demo-web",
        "name": "caf.fr (démonstration)",
        "kind": "website",
        "redirect_uris": [f"{addresses.rp}/callback"],
        "post_logout_redirect_uris": [f"{addresses.rp}/"],
        "backchannel_logout_uri": f"{addresses.rp}/backchannel-logout",
        "scope": scope,
    }
    mobile = {
        "client_id": "demo-mobile",
        "name": "Caf – Mon Compte (démonstration)",
        "kind": "mobile",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "scope": scope,
    }
    return [web, mobile]
