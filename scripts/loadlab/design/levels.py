"""Which numbers of users are tested: around the predicted threshold, or spread wide where none is predicted."""

from __future__ import annotations

_FALLBACK_LEAST_TOP = 200


def levels_around(
    predicted_users: float, *, count: int, step_ratio: float, users_max: int | None = None
) -> tuple[int, ...]:
    """``count`` whole levels, each ``step_ratio`` times the one before, around the predicted threshold.

    The prediction stands in the middle of a step, never on a level: at the threshold itself a level's ratio
    equals the margin, so that it straddles by construction and widens the bracket by a step. Of five levels two
    lie below: 0.76, 0.91, 1.10, 1.31 and 1.58 times the prediction for steps of 1.2, which still brackets a
    prediction that is off by a factor of 1.25 either way. Unique, ascending, at least 1, at most users_max.
    """
    if predicted_users <= 0 or count < 1 or step_ratio <= 1:
        raise ValueError(f"cannot place {count} levels at steps of {step_ratio} around {predicted_users} users")
    below = count // 2
    wanted = [predicted_users * step_ratio ** (level - below + 0.5) for level in range(count)]
    return _whole(wanted, users_max)


def levels_without_prediction(slots: int | None, *, count: int) -> tuple[int, ...]:
    """``count`` geometric levels from 1 user to twice the slots (200 where that is more, or without slots)."""
    if count < 1:
        raise ValueError(f"cannot place {count} levels")
    top = max(_FALLBACK_LEAST_TOP, 2 * (slots or 0))
    if count == 1:
        return (top,)
    return _whole([top ** (level / (count - 1)) for level in range(count)], None)


def _whole(wanted: list[float], users_max: int | None) -> tuple[int, ...]:
    levels: list[int] = []
    for users in wanted:
        least = levels[-1] + 1 if levels else 1
        level = max(least, round(users))
        if users_max is not None and level > users_max:
            break
        levels.append(level)
    return tuple(levels)
