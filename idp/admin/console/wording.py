"""What a refusal says to a person, in their language: refusals themselves speak English, to programs and operators.

A sentence that is not in the table is never shown in another language than its own: the page says that a value does not
fit, which is true. `tests/admin/test_wording.py` finds the sentences of the code that the table lacks.
"""

import re
from typing import Final

from idp.admin.redirect_lines import REASONS
from idp.i18n import _, current_locale

# How a sentence reads, and its text in the catalogues; what the names catch stands in the text.
_TABLE: Final[tuple[tuple[str, str], ...]] = (
    # Of pydantic, for the shapes of `schema.py`.
    (r"Field required|missing|is missing in this language", "fault.missing"),
    (r"(?:String|Value) should have at least (?P<n>\d+) characters?|at least (?P<m>\d+) characters", "fault.short"),
    (r"String should have at most (?P<n>\d+) characters?|at most (?P<m>\d+) printable characters", "fault.long"),
    (r"(?:List|Dictionary|Set) should have at most (?P<n>\d+) items? .*|more than (?P<m>\d+)", "fault.many"),
    (r"(?:List|Dictionary|Set) should have at least \d+ items? .*|at least one", "fault.at_least_one"),
    (r"String should match pattern .*", "fault.form"),
    (r"Input should be (?:greater than or equal to|at least) (?P<n>-?\d+)", "fault.least"),
    (r"Input should be less than or equal to (?P<n>-?\d+)|at most (?P<m>\d+)", "fault.most"),
    (r"Input should be '.*|Input should be \d+(?:, \d+)* or \d+", "fault.choice"),
    (r"Input should be a valid .*|must be a text|is no text", "fault.kind"),
    (r"Extra inputs are not permitted", "fault.unknown"),
    (r"Value error, (?:holds characters that cannot be shown|is not text)", "fault.characters"),
    # Of the acts.
    (r"no NIR, address, number or token of anybody", "fault.reason_person"),
    (r"(?P<low>\d+) to (?P<high>\d+)(?: seconds)?", "fault.between"),
    (r"2 to 40 small letters, digits, \. and -, a letter first", "fault.admin_name"),
    (r"2 to 80 letters, digits and .*|43 letters, digits, _ and - .*", "admin.new.client_id_wrong"),
    (r"1 to 80 printable characters", "fault.client_name"),
    (r"after its beginning and now, at most 31 days", "fault.banner_ends"),
    (r"a moment, such as .*", "fault.moment"),
    (r"(?:must be networks such as|'.*' is no network such as) .*", "fault.network"),
    (r"'.*' is narrower than /64, .*", "fault.narrow"),
    (r"needed with (?P<what>.*)", "fault.network_needed"),
    (r"(?P<what>[a-z.]+): not yours to give", "fault.not_yours"),
    (r"only an administrator owns tokens", "admin.refused.forbidden"),
    (r"has no e-mail address", "admin.transfer.wrong.contacts"),
    # Of texts of messages.
    (r"must hold exactly (?P<what>.*)", "fault.placeholders"),
    (r"holds a link", "fault.link"),
    (r"has more than one line", "fault.one_line"),
    (r"is not in the alphabet of SMS: (?P<what>.*)", "fault.alphabet"),
    (r"is (?P<n>\d+) characters too long for one SMS", "fault.sms_long"),
    (r"is no text of our messages", "admin.refused.not_found"),
    # Of what is registered of a client.
    (r"certificates need mtls\.header and mtls\.authorities", "fault.mtls"),
    (r"not together with jwks_uri .*", "fault.jwks_two"),
    (r"needed, or jwks_uri", "fault.jwks_needed"),
    (r"exactly one subject of the certificate .*", "fault.one_subject"),
    (r"client_secret_jwt signs with HS256", "fault.hs256"),
    (r"not without (?P<what>\w+) .*", "fault.not_without"),
    (r"(?P<profile>\w+) allows (?P<what>.*)", "fault.profile_allows"),
    (r"(?P<profile>\w+) binds tokens, .*", "fault.profile_binds"),
    (r"(?P<profile>\w+) demands PKCE", "fault.profile_pkce"),
    (r"'.*' is no package with SHA-256 .*", "fault.android"),
    (r"one is there twice|is there twice", "admin.uri.twice"),
    (r"goes together with (?P<what>\w+)", "fault.together"),
    (r"'.*' has a host with odd characters", "fault.host_odd"),
    (r"'.*' is of another origin than every redirect URI .*", "fault.other_origin"),
    (r"is SVG, .*", "admin.logo.svg"),
    (r"is neither PNG nor JPEG", "admin.logo.kind"),
    (r"is larger than .*", "admin.logo.large"),
    (r"cannot be drawn|cannot be fetched|answers with status \d+", "admin.logo.broken"),
    # Of the state of things.
    (r"needs the permission (?P<what>\S+)", "fault.permission"),
    (r"roles are never given alone", "fault.roles_alone"),
    (r"nobody (?:approves|reviews) their own change", "fault.own"),
    (
        r"somebody decided this meanwhile|it does not wait any more|it is \w+|there is nothing to review",
        "fault.decided",
    ),
    (r"(?:client_id )?(?:client_id: )?\S+ is taken|.* is there already", "fault.taken"),
    (r"the client is archived(?:; restore it first)?", "fault.archived"),
    (r"the client is \w+", "fault.client_state"),
    (r"a client with (?P<what>\w+) has no secret", "fault.no_secret"),
    (r"\S+ is (?:not )?disabled|the account is (?:not )?active", "fault.already"),
    (r"nobody else is role-admin", "fault.last_role_admin"),
    (r"the directory knows this person no more; .*", "fault.left_directory"),
    (r"the account of an administrator: .*", "fault.staff_account"),
    (r"(?:\w+: )?no next key is published", "fault.no_next_key"),
    (r"it waits until (?P<until>[-0-9: ]+) UTC(?: and for (?P<what>.*))?", "fault.key_waits"),
    (r"\w+: another process rotated this very moment.*|(?:a key that is|key \S+ is not) .*", "fault.key_meanwhile"),
    (r"it signs nobody in by a code, or is suspended", "fault.no_trial"),
)
_PATTERNS: Final = tuple((re.compile(pattern, re.DOTALL), text_id) for pattern, text_id in _TABLE)
_OF_AN_ADDRESS: Final = re.compile(r"'(?P<uri>.*)' (?P<why>[^']+)", re.DOTALL)
_NO_LONGER: Final = "it no longer fits: "


def word(sentence: str) -> str:
    """Return the words for a person."""
    known = find_wording(sentence)
    if known is not None:
        return known
    return sentence if current_locale() == "en" else _("fault.other")


def find_wording(sentence: str) -> str | None:
    """Return what the catalogues say for a sentence of a refusal, or `None` for one that they do not know."""
    if sentence.startswith(_NO_LONGER):
        return " ".join((_("fault.no_longer"), word(sentence.removeprefix(_NO_LONGER))))
    for pattern, text_id in _PATTERNS:
        found = pattern.fullmatch(sentence)
        if found is not None:
            return _(text_id, **_values(found))
    address = _OF_AN_ADDRESS.fullmatch(sentence)
    reason = address and next((text for start, text in REASONS.items() if address["why"].startswith(start)), None)
    return None if address is None or reason is None else f"{address['uri']} – {_(reason)}"


def _values(found: re.Match[str]) -> dict[str, str]:
    """Return what a sentence tells; a number may stand in one of two places."""
    told = {name: text or "–" for name, text in found.groupdict().items() if name != "m"}
    return {**told, **({"n": found["n"] or found["m"]} if "m" in found.groupdict() else {})}
