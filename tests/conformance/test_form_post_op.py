"""Form Post OP: `oidcc-formpost-basic-certification-test-plan`, the whole Basic list with `response_mode=form_post`.

Codes and errors alike come as a form that the browser posts; `RelyingParty.callback` holds every one of them to that.
"""

import pytest

from tests.conformance.test_basic_op import *  # noqa: F403 - the same modules, told apart by the fixture below


@pytest.fixture
def response_mode() -> str:
    return "form_post"
