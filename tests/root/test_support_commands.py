"""The support desk at the machine: the same reasons, the same masks, the same traces."""

from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR
from tests.root.test_commands import Run, add_alice, environ, run, told

__all__ = ["environ", "run"]


def test_a_case_is_shown_masked_whether_or_not_the_identifier_was_typed_unseen(run: Run) -> None:
    add_alice(run)

    unseen = run("accounts", "case", "-", "--reason", "call", text=ALICE_EMAIL + "\n")
    by_nir = told(run("accounts", "case", ALICE_NIR, "--reason", "call", "--json"))

    assert unseen.exit_code == 0, unseen.output
    assert by_nir["account"]["email"] == "a•••••n@e•••.fr"
    for secret in (ALICE_NIR, ALICE_EMAIL, ALICE_MOBILE):
        assert secret not in unseen.output + str(by_nir)


def test_an_account_is_unlocked_with_a_reason_and_a_trace(run: Run) -> None:
    add_alice(run)
    account = told(run("accounts", "show", ALICE_NIR, "--json"))["id"]

    done = told(run("accounts", "unlock", account, "--reason", "call", "--ticket", "INC-42", "--json"))

    assert done == {"account": account, "pauses": "lifted"}
    event = told(run("audit", "search", "--event", "support-unlocked", "--json"))[0]
    assert (event["account_id"], event["reason"], event["facts"]["ticket"]) == (account, "call", "INC-42")
    assert event["administrator"].startswith("cli:")


def test_a_change_is_advised(run: Run) -> None:
    add_alice(run)

    done = told(run("accounts", "advise", ALICE_NIR, "--kind", "mobile", "--reason", "letter", "--json"))

    assert done["advised"] == "mobile"


def test_without_a_reason_or_an_account_nothing_happens(run: Run) -> None:
    add_alice(run)

    assert run("accounts", "unlock", ALICE_NIR).exit_code == 2
    assert "no account has this" in run("accounts", "unlock", "2991399999002", "--reason", "call").output
    assert told(run("audit", "search", "--event", "support-viewed", "--json"))[0]["outcome"] == "not-found"
