"""Which response types there are: `code`, and for certification only those that bring tokens through the browser."""

from idp.settings import settings

# RFC 9700 §2.1.2 advises against all of these; `certification.hybrid_and_implicit` opens them (R14).
_FRONT_CHANNEL = ("id_token", "id_token token", "code id_token", "code token", "code id_token token")


def response_types() -> tuple[str, ...]:
    """Return what is offered here."""
    return ("code", *_FRONT_CHANNEL) if settings.certification.hybrid_and_implicit else ("code",)


def parse_response_type(text: str | None) -> str | None:
    """Return a response type in its registered order: its words are a set (RFC 6749 §3.1.1)."""
    if text is None:
        return None
    words = sorted(text.split(" "))
    return next((known for known in ("code", *_FRONT_CHANNEL) if sorted(known.split(" ")) == words), text)


def default_mode(response_type: str | None) -> str:
    """Return how an answer travels unless the request says: tokens never in a query (Multiple Response Types §5)."""
    return "query" if response_type in {None, "code"} or response_type not in response_types() else "fragment"
