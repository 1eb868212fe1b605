"""What the peer says of a person at UserInfo."""

from typing import Any

from oauth2_provider.oauth2_validators import OAuth2Validator


class Validator(OAuth2Validator):  # type: ignore[misc]
    """The claims of `profile` and `email`."""

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        """Return the person's claims."""
        user = request.user
        return {
            "name": user.get_full_name(), "given_name": user.first_name, "family_name": user.last_name,
            "email": user.email, "email_verified": True,
        }  # fmt: skip
