"""`idp operations`: channels off and on, and the banner; also the way back when the console is out of reach."""

import os
from typing import Any
from zoneinfo import ZoneInfo

import click

from idp import clock, operations
from idp.admin import actions
from idp.admin.dashboard import SPANS, Span, describe_dashboard, read_dashboard
from idp.admin.effective import describe_settings
from idp.admin.limit_acts import describe_limits
from idp.admin.message_acts import describe_text, list_texts
from idp.admin.message_samples import describe_sample, make_samples, sample_names
from idp.admin.operation_acts import BANNER, describe_operations
from idp.commands.acting import current_operator, refusals
from idp.commands.program import application, as_json, cli, say
from idp.settings import current_settings, settings

reason = click.option("--reason", default="", help="Why, for the history.")


@cli.group("operations")
def operation_group() -> None:
    """What is off, and what every page says."""


@operation_group.command("show")
@as_json
def operations_show(as_json: bool) -> None:
    """Show channels and banner."""
    with application():
        found = describe_operations(clock.now())
        say(found if as_json else [*found["channels"], *([found["banner"]] if found["banner"] else [])], as_json)


@operation_group.command("figures")
@click.option("--span", default="day", show_default=True, type=click.Choice(list(SPANS)))
@as_json
def operations_figures(span: Span, as_json: bool) -> None:
    """Say how signing in goes: sign-ins, success by method, medians, pauses, errors by client, secrets that end."""
    with application():
        found = describe_dashboard(read_dashboard(span, clock.now(), ZoneInfo(settings.time_zone)))
        if as_json:
            say(found, as_json)
            return
        lists = {name: found.pop(name) for name in ("plots", "methods", "client_errors", "expiring")}
        say([found, *lists["methods"], *lists["client_errors"], *lists["expiring"]], as_json)


def _switch_command(word: str, text: str) -> None:
    @operation_group.command(word, help=text)
    @click.argument("channel")
    @reason
    @as_json
    def command(channel: str, reason: str, as_json: bool) -> None:
        _perform(f"channel.{word}", channel, {}, reason, as_json)


_switch_command("off", "Let no proof come over a channel any more: email, sms, passkey, totp, recovery, a plug-in's.")
_switch_command("on", "Let proofs come over a channel again.")


@operation_group.command("banner")
@click.option("--fr", help="What every page says in French.")
@click.option("--en", help="And in English.")
@click.option("--from", "begins_at", default="", help="ISO 8601, such as 2026-03-02T14:00; now when absent.")
@click.option("--until", "ends_at", help="ISO 8601; at most 31 days later.")
@click.option("--remove", is_flag=True, help="Take it down.")
@reason
@as_json
def operations_banner(
    fr: str | None, en: str | None, begins_at: str, ends_at: str | None, remove: bool, reason: str, as_json: bool
) -> None:
    """Put up a banner, or take it down."""
    if remove == bool(fr and en and ends_at):
        raise click.UsageError("--fr, --en and --until together, or --remove alone")
    if remove:
        _perform("banner.remove", BANNER, {}, reason, as_json)
    else:
        given = {"fr": fr, "en": en, "begins_at": begins_at, "ends_at": ends_at}
        _perform("banner.set", BANNER, given, reason, as_json)


@operation_group.command("settings")
@click.option("--section", default="", help="One section; all when absent.")
@as_json
def operations_settings(section: str, as_json: bool) -> None:
    """Show settings as they are in force, their bounds and where they come from; nothing secret."""
    with application():
        operations.refresh(clock.now())
        say(describe_settings(current_settings(), os.environ, section=section), as_json)


@operation_group.command("limit")
@click.argument("name", required=False)
@click.argument("value", required=False, type=int)
@click.option("--reset", is_flag=True, help="Back to what the settings say.")
@reason
@as_json
def operations_limit(name: str | None, value: int | None, reset: bool, reason: str, as_json: bool) -> None:
    """List limits, or change one: NAME VALUE, lengths of time in seconds, or NAME --reset."""
    if name is None:
        with application():
            operations.refresh(clock.now())
            say(describe_limits(), as_json)
        return
    if reset == (value is not None):
        raise click.UsageError("a value, or --reset")
    given = {} if reset else {"value": value}
    _perform("limit.reset" if reset else "limit.set", name, given, reason, as_json)


@operation_group.command("message")
@click.argument("name", required=False)
@as_json
def operations_message(name: str | None, as_json: bool) -> None:
    """Show a message as it goes out, with nobody's values; without a name, what there is."""
    with application():
        operations.refresh(clock.now())
        if name is None:
            say([{"message": one} for one in sample_names()], as_json)
        elif name not in sample_names():
            raise click.ClickException("no such message")
        else:
            say([describe_sample(one) for one in make_samples(name, clock.now())], as_json)


@operation_group.command("text")
@click.argument("name", required=False)
@click.option("--say", "said", multiple=True, metavar="LANGUAGE=TEXT", help="Repeatable: every language.")
@click.option("--reset", is_flag=True, help="Back to what the settings say.")
@reason
@as_json
def operations_text(name: str | None, said: tuple[str, ...], reset: bool, reason: str, as_json: bool) -> None:
    """List the texts of messages, show one, or replace it in every language."""
    if name is not None and (reset or said):
        texts = {locale: text for locale, _sign, text in (one.partition("=") for one in said)}
        _perform("text.reset" if reset else "text.set", name, {} if reset else {"texts": texts}, reason, as_json)
        return
    with application(), refusals():
        operations.refresh(clock.now())
        say(list_texts() if name is None else describe_text(name), as_json)


def _perform(act: str, target: str, given: dict[str, Any], reason: str, as_json: bool) -> None:
    with application(), refusals():
        operations.refresh(clock.now())
        done = actions.perform(current_operator(), act, target, given, now=clock.now(), reason=reason)
        say({"change": done.change.id, "state": done.change.state} if done.change else {"change": None}, as_json)
