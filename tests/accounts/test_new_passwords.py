"""Which new passwords are refused, and that no rule of composition is among the reasons (AC-63, AC-64)."""

from importlib import resources

import pytest

from idp.accounts.new_passwords import PasswordFault, check_new_password

PERSON = ("1850578006084", "jean.dupont@orange.fr", "Jean", "Dupont-Moreau", "1985-05-14", "14051985")


def reason_for(password: str, context: tuple[str, ...] = PERSON) -> str | None:
    try:
        check_new_password(password, context=context)
    except PasswordFault as fault:
        return fault.reason
    return None


@pytest.mark.usefixtures("context")
class TestNewPassword:
    @pytest.mark.parametrize(
        "password",
        [
            "wkqhzpvrmtxo",  # twelve small letters are enough (ASVS 6.2.5)
            "correct-horse-9-battery",
            "demo-motdepasse-1",
            "trois poules vertes dansent",
            "Épinards à la crème",
            "数字と漢字で十二文字以上ある",
            "le caf\u00e9 du port est ferm\u00e9",  # « caf » inside another word takes nothing from it
            "jean aime les chiens verts",
            "927461058337",
            "🦊🦊 renard du matin",
            "x" * 3 + "wkqhzpvrmtxo" * 9,
            "J8$kq!Lz0@pW" * 10 + "fin",
            " entouré d'espaces ",
        ],
    )
    def test_a_long_password_of_ones_own_is_accepted(self, password: str) -> None:
        assert reason_for(password) is None

    @pytest.mark.parametrize(
        ("password", "reason"),
        [
            ("", "empty"),
            ("wkqhzpv", "short"),
            ("wkqhzpvrmtx", "short"),
            ("e\u0301" * 11, "short"),  # code points after NFC, not bytes, not halves of letters
            ("wkqhz" * 300, "long"),
            ("é" * 513, "long"),
            ("wkqhzp\0vrmtxo", "chars"),
            ("wkqhzp\udc80vrmtxo", "chars"),
            ("motdepasse1234", "common"),
            ("MotDePasse2024!", "common"),
            ("Mot-de-passe-1", "common"),
            ("P@ssw0rd1234", "common"),
            ("passwordpassword", "common"),
            ("password!!!!", "common"),
            ("azertyuiop12", "common"),
            ("azertyuiopqsdfghjklm", "common"),
            ("qwertyuiop[]", "common"),
            ("123456789012", "common"),
            ("210987654321", "common"),
            ("abcdefghijkl", "common"),
            ("1qaz2wsx3edc", "common"),
            ("aaaaaaaaaaaa", "common"),
            ("abcabcabcabc", "common"),
            ("............", "common"),
            ("Soleil-2024!", "common"),
            ("jetaimejetaime", "common"),
            ("justinbieber", "common"),
            ("caisseallocations", "context"),
            ("CaisseDAllocations", "context"),
            ("allocataire75", "context"),
            ("Caf-MonCompte-1", "context"),
            ("c@isse-@lloc@tions", "context"),
            ("1850578006084", "context"),
            ("1 85 05 78 006 084", "context"),
            ("nir1850578006084", "context"),
            ("jean.dupont@orange.fr", "context"),
            ("JeanDupont1985", "context"),
            ("dupont-moreau-14", "context"),
            ("Jean14051985", "context"),
        ],
    )
    def test_what_others_would_try_first_is_refused_with_its_reason(self, password: str, reason: str) -> None:
        """AC-63."""
        assert reason_for(password) == reason

    def test_every_frequent_password_that_is_long_enough_is_refused(self) -> None:
        """AC-63, ASVS 6.2.4."""
        lines = resources.files("idp.accounts").joinpath("common_passwords.txt").read_text(encoding="utf-8")
        long = [line for line in lines.splitlines() if len(line) >= 12 and not line.startswith("#")]

        assert len(long) > 200
        assert {reason_for(word) for word in long} == {"common"}
        assert {reason_for(word.upper()) for word in long} == {"common"}

    def test_every_frequent_word_with_a_year_and_a_sign_is_refused(self) -> None:
        lines = resources.files("idp.accounts").joinpath("common_passwords.txt").read_text(encoding="utf-8")
        words = [line for line in lines.splitlines() if line.isalpha() and line.isascii() and len(line) >= 7][::40]

        accepted = [word for word in words if reason_for(f"{word.title()}2024!") is None]

        assert accepted == []

    def test_the_context_may_be_read_once_only(self) -> None:
        assert reason_for("JeanDupont1985", context=iter(PERSON)) == "context"  # type: ignore[arg-type]

    def test_a_fault_does_not_carry_the_password(self) -> None:
        with pytest.raises(PasswordFault) as fault:
            check_new_password("motdepasse1234", context=())

        assert "motdepasse" not in repr(fault.value)
