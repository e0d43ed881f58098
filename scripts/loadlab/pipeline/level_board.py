"""The levels of a run as far as they are measured, kept while it runs, for whoever watches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from loadlab.analysis.billing import Tariff
from loadlab.analysis.board_levels import BoardLevel, LevelRules, LevelWindow, board_levels, level_window
from loadlab.analysis.validity import bounds_of, is_valid, window_findings
from loadlab.model.experiment import Experiment
from loadlab.model.run import Demand, RunData, Window

Row = Mapping[str, object]


class LevelBoard:
    """Windows are added as they are judged, of earlier parts of the run first. Without rules it tells nothing."""

    def __init__(self, rules: LevelRules | None = None) -> None:
        self._rules = rules
        self._measured: list[LevelWindow] = []
        self._valid: set[str] = set()
        self._demands: tuple[Demand, ...] = ()
        self.rows: tuple[Row, ...] = ()
        """As they are told."""

    def know(self, demands: Sequence[Demand]) -> None:
        """What a request alone takes, by which some lists bill."""
        self._demands = tuple(demands)

    def add(self, window: Window, *, is_valid: bool) -> None:
        """A window that was measured, whether or not its gates let it pass."""
        if self._rules is None:
            return
        self._measured.append(level_window(window, self._rules.tariffs))
        if is_valid:
            self._valid.add(window.id)
        levels = board_levels(self._measured, self._valid, self._rules, self._demands)
        self.rows = tuple(told(level) for level in levels)


def told(level: BoardLevel) -> Row:
    """One level as data for the load generator's `POST /lab/phase`."""
    figures = {
        "seconds": level.seconds,
        "ok": level.ok,
        "failed": level.failed,
        "good": level.good,
        "active_s": level.active_s,
        "response_s": level.response_s,
    }
    billed = [
        {"list": list_id, "billing": billing, "unit": unit, "amount": float(amount)}
        for (list_id, billing), units in level.billed.items()
        for unit, amount in units.items()
    ]
    return {
        "stack": level.stack,
        "users": level.users,
        "windows": level.windows,
        "left_out": level.left_out,
        **(figures if level.windows else {}),
        "billed": billed,
    }


def level_board(experiment: Experiment, tariffs: Sequence[Tariff]) -> LevelBoard:
    """Of a run that has measured nothing."""
    stacks = tuple(stack.name for stack in experiment.stacks)
    return LevelBoard(LevelRules(stacks=stacks, tariffs=tuple(tariffs), objective=experiment.objective))


def measured_levels(experiment: Experiment, run: RunData, tariffs: Sequence[Tariff]) -> LevelBoard:
    """The levels of what a bundle holds: nothing yet of a fresh run, the finished blocks of one that goes on."""
    board = level_board(experiment, tariffs)
    board.know(run.demands)
    for _ in _added(board, experiment, run):
        pass
    return board


def level_history(
    experiment: Experiment, run: RunData, tariffs: Sequence[Tariff]
) -> Iterator[tuple[Window, tuple[Row, ...]]]:
    """Every window that a bundle counts or refuses, in the order they were measured, and what was known after it."""
    board = level_board(experiment, tariffs)
    board.know(run.demands)
    for window in _added(board, experiment, run):
        yield window, board.rows


def _added(board: LevelBoard, experiment: Experiment, run: RunData) -> Iterator[Window]:
    bounds = bounds_of(run.provenance)
    for window in sorted(run.windows, key=lambda one: one.load.opened_unix_s):
        board.add(window, is_valid=is_valid(window_findings(window, experiment, bounds)))
        yield window
