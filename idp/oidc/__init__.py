"""The protocol: OAuth 2.0 and OpenID Connect as relying parties meet them."""
