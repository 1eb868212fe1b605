"""What the official OpenID conformance suite needs of us: an account, clients, and its own configuration files."""
