"""One test for each module of the OpenID conformance suite's plans, named after it, run by a relying party of its own.

What is judged here is what the suite's modules judge; the suite itself is run by `docs/howto/conformance.md`.
"""

import pytest

pytest.register_assert_rewrite(
    "tests.conformance.checks", "tests.conformance.relying_party", "tests.conformance.fapi_client",
    "tests.conformance.visitor",
)  # fmt: skip
