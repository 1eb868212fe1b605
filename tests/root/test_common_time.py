"""The clock of one machine is wrong: the others' counts (RC-21)."""

from datetime import UTC, datetime

import pytest

from idp.common_time import SteadyTime, judge_skews

MINUTES = 60.0


@pytest.mark.parametrize(
    ("skews", "right"),
    [
        # Ours is wrong, and both stores say so; in a cluster of Redis too.
        ({"PostgreSQL": -20 * MINUTES, "Redis (a)": -20 * MINUTES + 0.1}, -20 * MINUTES + 0.1),
        ({"PostgreSQL": 1200.0, "Redis (a)": 1200.1, "Redis (b)": 1200.2}, 1200.0),
        # A store's is wrong.
        ({"PostgreSQL": 20 * MINUTES, "Redis (a)": 0.1}, 0.1),
        ({"PostgreSQL": 0.1, "Redis (a)": -20 * MINUTES}, 0.0),
        # Nobody knows: what all nodes have in common.
        ({"PostgreSQL": 20 * MINUTES}, 20 * MINUTES),
        # Redis alone is in a minority of one against us.
        ({"Redis (a)": 20 * MINUTES}, 0.0),
    ],
)
def test_the_middle_one_of_all_clocks_is_right_rc_21(skews: dict[str, float], right: float) -> None:
    assert judge_skews(skews) == right


class Machine:
    """A wall clock that can be stepped, and ticks that cannot."""

    wall, ticks = 1_000_000.0, 50.0

    def pass_by(self, seconds: float) -> None:
        self.wall, self.ticks = self.wall + seconds, self.ticks + seconds


@pytest.mark.parametrize("step", [-20 * MINUTES, 20 * MINUTES, 3600.0])
def test_a_step_of_the_clock_is_never_seen_rc_21(step: float) -> None:
    machine = Machine()
    steady = SteadyTime(lambda: machine.wall, lambda: machine.ticks)

    machine.pass_by(3)
    machine.wall += step
    unseen = steady.now()
    steady.look({"PostgreSQL": -step, "Redis (a)": -step})
    corrected = steady.now()
    machine.pass_by(4)
    # No store answers: nothing tells that our clock is right again or still wrong.
    steady.look({})
    later = steady.now()

    assert [unseen, corrected, later] == [datetime.fromtimestamp(1_000_000 + at, UTC) for at in (3, 3, 7)]
    assert abs(steady.skew) == abs(step)


def test_what_ntp_does_is_followed_rc_21() -> None:
    machine = Machine()
    steady = SteadyTime(lambda: machine.wall, lambda: machine.ticks)

    machine.wall += 0.4
    steady.look({"PostgreSQL": 0.1, "Redis (a)": -0.1})

    assert steady.now() == datetime.fromtimestamp(1_000_000.4, UTC)
