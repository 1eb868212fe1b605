"""A service's copy of the JWKS, kept for as long as our answer allows and never asked for anew before (RC-24)."""

import re
import threading
import time
from collections import Counter

from joserfc import jws, jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet

from tests.drills.site import Site
from tests.drills.visitor import RelyingParty

_MAX_AGE = re.compile(r"max-age=(\d+)")


class Jwks:
    """What one service knows of our keys; from any thread."""

    def __init__(self, site: Site) -> None:
        self._site, self._session = site, RelyingParty(site).session
        self._lock = threading.Lock()
        self._until = 0.0
        # By key, how many tokens it signed; and the keys of tokens that could not be verified.
        self.used: Counter[str] = Counter()
        self.unknown: list[str] = []

    def check(self, id_token: str) -> None:
        """Verify as a service does that believes `Cache-Control`; raises what joserfc does of a bad signature."""
        kid = str(jws.extract_compact(id_token.encode()).headers()["kid"])
        with self._lock:
            if time.monotonic() >= self._until:
                self._fetch()
            keys = self._keys
        try:
            jwt.decode(id_token, keys, algorithms=["RS256", "ES256"])
            self.used[kid] += 1
        except InvalidKeyIdError:
            self.unknown.append(kid)

    def _fetch(self) -> None:
        asked_at = time.monotonic()
        answer = self._site.front.send(self._session, "GET", "/jwks.json")
        assert answer is not None
        found = _MAX_AGE.search(answer.headers["Cache-Control"])
        assert found, answer.headers
        self._keys = KeySet.import_key_set(answer.json())
        self._until = asked_at + int(found[1])
