"""What the provider tells those who build services with it: guides, errors, and why a request is refused."""
