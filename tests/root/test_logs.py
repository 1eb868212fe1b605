"""A log line never holds what a log may not (AC-185, AC-215)."""

from pathlib import Path

import pytest
import structlog
from prometheus_client import REGISTRY

from idp.logs import Enduring, redact


@pytest.mark.parametrize(
    "text",
    [
        "1991399999001", "1 99 13 99 999 001", "199139999900108", "299132A999003", "alice@example.fr",
        "+33612345678", "06 12 34 56 78", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
    ],
)  # fmt: skip
def test_what_is_shaped_like_personal_data_is_blotted_out(text: str) -> None:
    line = redact(None, "", {"event": "odd", "detail": f"saw {text} here"})

    assert text not in str(line)
    assert "here" in line["detail"]


@pytest.mark.parametrize(
    "key", ["nir", "password", "new_password", "client_secret", "refresh_token", "code", "email", "cookie"]
)
def test_forbidden_keys_are_blotted_out_whatever_they_hold(key: str) -> None:
    assert redact(None, "", {key: "anything"})[key] == "[redacted]"


def test_nested_values_are_cleaned_and_long_ones_cut() -> None:
    line = redact(None, "", {"facts": {"password": "x", "list": ["a@b.fr"]}, "agent": "M" * 10_000})

    assert line["facts"] == {"password": "[redacted]", "list": ["[e-mail]"]}
    assert len(line["agent"]) == 500


def test_ordinary_facts_stay() -> None:
    line = redact(None, "", {"event": "request", "route": "/token", "ms": 12.5, "reference": "7KQ-4MX"})

    assert line == {"event": "request", "route": "/token", "ms": 12.5, "reference": "7KQ-4MX"}


def test_a_full_disk_costs_lines_and_nothing_else_rc_22() -> None:
    def lost() -> float:
        return REGISTRY.get_sample_value("idp_log_lines_lost_total") or 0

    before = lost()
    # What the kernel gives to try this: each write is answered ENOSPC.
    full = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115 - its end is an error of its own
    log = structlog.WriteLogger(Enduring(full))  # type: ignore[arg-type]
    for number in range(3):
        log.msg(f"line {number}")

    assert lost() == before + 3
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_lines_go_on_when_there_is_space_again_rc_22() -> None:
    class Disk:
        """A stream that is full until it is not."""

        is_full, lines = True, list[str]()

        def write(self, text: str) -> None:
            if self.is_full:
                raise OSError(28, "No space left on device")
            self.lines.append(text)

        def flush(self) -> None:
            pass

    disk = Disk()
    log = structlog.WriteLogger(Enduring(disk))  # type: ignore[arg-type]
    log.msg("lost")
    disk.is_full = False
    log.msg("kept")

    assert disk.lines == ["kept\n"]
