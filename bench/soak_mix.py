"""The soak's mix: what of every hundred visits happens, as a table; an act says what the person does, step by step."""

import time
from dataclasses import dataclass

from bench.soak_guest import Act, Guest


@dataclass(frozen=True)
class Kind:
    """One kind of visit; ``wrong_passwords`` and ``wrong_codes`` are what the audit trail has to show of each."""

    name: str
    share: int
    act: Act
    channel: str = "email"
    finishes: bool = True
    is_known: bool = True
    wrong_passwords: int = 0
    wrong_codes: int = 0
    # Sign-ins that end well: a second tab goes on by itself, in the same session.
    sign_ins: int = 1


def sign_in(guest: Guest) -> None:
    """Password, code, done."""
    guest.come()
    guest.type_password()
    guest.ask()
    guest.look()
    guest.type_right_code()


def mistype_password(guest: Guest) -> None:
    """A wrong password, told so, then the right one."""
    guest.come()
    # Another one for everybody: the same one on many accounts is an attack, and treated as such.
    guest.type_password(f"mauvais-{guest.nonce[:20]}")
    guest.expect("identify" in guest.forms and guest.status == 200, "a wrong password was not told")
    guest.type_password()
    guest.ask()
    guest.look()
    guest.type_right_code()


def mistype_code(guest: Guest) -> None:
    """A wrong code, told so, then the right one."""
    guest.come()
    guest.type_password()
    guest.ask()
    right = guest.code
    guest.look()
    guest.type_code(f"{(int(right) + 1) % 1_000_000:06d}")
    guest.expect(guest.status == 422 and "code" in guest.forms, "a wrong code was not told")
    guest.look()
    guest.type_code(right)


def give_up(guest: Guest) -> None:
    """The right password, and gone."""
    guest.come()
    guest.type_password()
    guest.expect("send" in guest.forms, "the password did not lead to the second step")


def ask_again(guest: Guest) -> None:
    """Wait as long as the page says, have the code sent again, type it."""
    guest.come()
    guest.type_password()
    guest.ask()
    _ = guest.code
    time.sleep(guest.chance.uniform(31, 40))
    guest.ask(again=True)
    guest.type_right_code()


def be_nobody(guest: Guest) -> None:
    """A NIR that no account has: told what a wrong password is told."""
    guest.come()
    guest.type_password()
    guest.expect("identify" in guest.forms and guest.status == 200, "somebody unknown was told something else")


def use_two_tabs(guest: Guest) -> None:
    """A second tab of the same browser, a page reloaded, a form sent twice; then both tabs go on."""
    guest.come()
    second = guest.path
    guest.come()
    guest.type_password()
    form = guest.forms["send"]
    guest.ask()
    guest._go("POST", form.action, data={**form.fields, "channel": guest.channel})
    guest.open(guest.path)
    guest.expect("code" in guest.forms, "the reloaded page does not ask for the code")
    guest.type_right_code()
    here, page = guest.answer, guest.path
    guest.expect(guest.grant is not None, "no authorization code")
    guest.open(second)
    guest.expect(guest.grant is not None, "the second tab does not go on by itself")
    guest.answer, guest.path = here, page


KINDS = (
    Kind("sign in, code by mail", 55, sign_in),
    Kind("sign in, code by SMS", 15, sign_in, channel="sms"),
    Kind("wrong password, then right", 8, mistype_password, wrong_passwords=1),
    Kind("wrong code, then right", 5, mistype_code, wrong_codes=1),
    Kind("ask for the code again", 4, ask_again),
    Kind("two tabs, a form sent twice, a page reloaded", 4, use_two_tabs, sign_ins=2),
    Kind("leave after the password", 5, give_up, finishes=False, sign_ins=0),
    Kind("a NIR of nobody", 4, be_nobody, finishes=False, is_known=False, wrong_passwords=1, sign_ins=0),
)
