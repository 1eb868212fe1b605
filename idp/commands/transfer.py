"""`idp accounts import|export`: everybody at once, from a file and into one."""

import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from idp import clock
from idp.accounts import exporting, importing
from idp.accounts.import_lines import FileFault, Source, dump, open_source, read_chunks
from idp.accounts.import_pool import in_order, judge_chunk, prepare_chunk
from idp.accounts.import_survey import Claim, Refusal, Survey, survey
from idp.accounts.legacy_timing import least_refusal, measure
from idp.commands.accounts import accounts
from idp.commands.program import application, as_json, say
from idp.commands.progress import Progress
from idp.db import db
from idp.settings import settings


@accounts.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Look at every line and change nothing.")
@click.option("--skip-refused", is_flag=True, help="Take the other lines although some are refused.")
@click.option("--again", is_flag=True, help="Begin at the first line although this file was taken before.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="By default FILE.refused.csv.")
@click.option("--processes", type=click.IntRange(1, 64), help="By default one per processor.")
@as_json
def accounts_import(
    file: Path, check: bool, skip_refused: bool, again: bool, report: Path | None, processes: int | None, as_json: bool
) -> None:
    """Add everybody in FILE: CSV with a header, or JSON lines (.jsonl); docs/howto/import-accounts.md.

    Every line is looked at before the first one is taken. Stopped, it goes on where it was when called again.
    """
    report = report or file.with_name(file.name + ".refused.csv")
    processes = processes or len(os.sched_getaffinity(0))
    with application():
        try:
            source = open_source(file)
            before = None if again else importing.find_import(source)
            if before is not None and before.finished_at is not None and not check:
                click.echo("this file was taken before; --again goes through it once more", err=True)
                say(importing.describe_import(before), as_json)
                return
            if check or before is None or not report.exists():
                found = _survey(source, report, processes)
                _tell_survey(found, report)
                if check:
                    say(_survey_facts(found), as_json)
                    sys.exit(1 if found.refused else 0)
                if found.refused and not skip_refused:
                    raise click.ClickException("nothing was taken; mend the file, or --skip-refused takes the others")
                if before is None:
                    before = importing.begin_import(source, clock.now())
                    db.session.commit()
            say(_take(source, before, _refused_numbers(report), processes), as_json)
        except FileFault as fault:
            raise click.ClickException(str(fault)) from None


def _survey(source: Source, report: Path, processes: int) -> Survey:
    progress, count = Progress("checking", source.size), 0

    def judged() -> Iterator[Claim | Refusal]:
        nonlocal count
        for chunk, verdicts in in_order(judge_chunk, read_chunks(source), source, processes=processes):
            yield from verdicts
            count += len(verdicts)
            progress.at(chunk.end, count)

    draft = report.with_name(report.name + ".draft")
    with draft.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(("line", "column", "reason"))

        def note(refusal: Refusal) -> None:
            rows.writerow((refusal.number, refusal.column, refusal.reason))

        found = survey(judged(), refuse=note)
    draft.replace(report)
    progress.done(count)
    return found


def _survey_facts(found: Survey) -> dict[str, Any]:
    return {
        "lines": found.lines,
        "refused": found.refused,
        "of these twice in the file": found.duplicates,
        "NIR to change": found.changed,
        "NIR changed before": found.already_changed,
        "hashes": dict(found.schemes),
    }


def _tell_survey(found: Survey, report: Path) -> None:
    click.echo(f"{found.lines:,} lines, {found.refused:,} refused, {found.changed:,} changed NIRs", err=True)
    for reason, times in found.reasons.most_common(8):
        click.echo(f"  {times:>9,}  {reason}", err=True)
    if found.refused:
        click.echo(f"each refused line: {report}", err=True)
    if found.schemes:
        _advise(found.schemes)


def _advise(schemes: Counter[str]) -> None:
    """Say for how long refusals should take, so that nobody is told apart by the time of another family of hashes."""
    needed = least_refusal(max(measure(name) for name in schemes))
    if settings.passwords.refuse_after < needed:
        seconds = needed.total_seconds()
        click.echo(f"set passwords.refuse_after = {seconds:g} on every node while imported hashes remain", err=True)


def _refused_numbers(report: Path) -> frozenset[int]:
    with report.open(encoding="utf-8", newline="") as file:
        return frozenset(int(row["line"]) for row in csv.DictReader(file))


def _take(
    source: Source, under_way: importing.AccountImport, refused: frozenset[int], processes: int
) -> dict[str, Any]:
    begin, count = under_way.reached, 0
    if begin:
        click.echo(f"going on after line {under_way.line:,}", err=True)
    progress = Progress("taking", source.size, begin=begin)
    # A change of the table's rows, not of the process that seals them: the moment is this run's for all.
    chunks = read_chunks(source, begin=begin, number=under_way.line)
    for chunk, ready in in_order(prepare_chunk, chunks, source, clock.now(), processes=processes):
        rows = [row for line, row in ready.rows if line not in refused]
        moves = [(previous, nir, row) for line, previous, nir, row in ready.moves if line not in refused]
        importing.take_batch(
            under_way,
            rows,
            moves,
            refused=ready.count - len(rows) - len(moves),
            reached=chunk.end,
            line=chunk.last,
            now=clock.now(),
        )
        count += ready.count
        progress.at(under_way.reached, count)
    progress.done(count)
    importing.finish_import(under_way, clock.now())
    db.session.commit()
    return importing.describe_import(under_way)


@accounts.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--numbers", is_flag=True, help="With the NIR of each: the file is then as sensitive as the database.")
@click.option("--hashes", is_flag=True, help="With imported password hashes; ours are of no use without the pepper.")
@as_json
def accounts_export(file: Path, numbers: bool, hashes: bool, as_json: bool) -> None:
    """Write every account to FILE, one JSON object a line, readable by its owner alone."""
    with application():
        progress, count, total = Progress("writing", 1), 0, exporting.count_accounts()
        progress = Progress("writing", total)
        # Never over another file, and never readable by others, not even for a moment.
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise click.ClickException(f"{file} exists") from None
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                for facts in exporting.each_account(numbers=numbers, hashes=hashes):
                    out.write(dump(facts) + "\n")
                    count += 1
                    progress.at(count, count)
        except BaseException:
            with suppress(OSError):
                file.unlink()
            raise
        progress.done(count)
        exporting.note_export(accounts=count, numbers=numbers, hashes=hashes)
        say({"accounts": count, "file": str(file)}, as_json)
