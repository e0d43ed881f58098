"""What boards are told of levels: the windows that the report counts, and amounts whose price is the report's cost."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from builders import make_demand, make_window
from builders_stats import ANSWERED, goodput_experiment, level, make_run, make_windows, window_of
from loadlab.analysis.alone import alone_bills, is_alone
from loadlab.analysis.billing import PRICED, Tariff, make_tariffs
from loadlab.analysis.board_levels import BoardLevel, LevelRules, board_levels, level_window
from loadlab.analysis.cost import usd_per_million_good
from loadlab.analysis.money import exact
from loadlab.analysis.summarise import judge
from loadlab.analysis.validity import is_valid, window_findings
from loadlab.config.prices import PRICES_FOLDER, load_price_lists
from loadlab.model.experiment import PriceRef, Resources
from loadlab.model.price import BILLING_MODELS
from loadlab.model.run import Window

EXPERIMENT = goodput_experiment()
STACKS = tuple(stack.name for stack in EXPERIMENT.stacks)
BLOCK = make_windows(level(1.0), levels=(30, 36), blocks=1)
LISTS = load_price_lists(PRICES_FOLDER)
REFS = tuple(
    PriceRef(list_id=price.id, billing=next(name for name, kind in BILLING_MODELS.items() if isinstance(model, kind)))
    for price in LISTS.values()
    for model in price.billing
)
TARIFFS = make_tariffs(REFS, LISTS, Resources())
DEMANDS = [make_demand(stack) for stack in STACKS]


def _spoil(windows: tuple[Window, ...], *ids: str) -> tuple[Window, ...]:
    return tuple(replace(w, notes=("spoilt",)) if w.id in ids else w for w in windows)


def _again(window_id: str, windows: tuple[Window, ...], *, spoilt: bool = False) -> Window:
    first = next(w for w in windows if w.id == window_id)
    repeat = window_of(first.block, first.stack, first.users, ANSWERED, "repeat", window_id)
    return replace(repeat, id=f"{window_id}-r1", notes=("spoilt",) if spoilt else ())


def _levels(windows: tuple[Window, ...], tariffs: tuple[Tariff, ...] = ()) -> dict[tuple[str, int], BoardLevel]:
    rules = LevelRules(stacks=STACKS, tariffs=tariffs, objective=EXPERIMENT.objective)
    valid = {w.id for w in windows if is_valid(window_findings(w, EXPERIMENT))}
    found = board_levels([level_window(w, tariffs) for w in windows], valid, rules, DEMANDS)
    return {(one.stack, one.users): one for one in found}


def _counts(windows: tuple[Window, ...]) -> dict[tuple[str, int], tuple[int, int]]:
    return {key: (one.windows, one.left_out) for key, one in _levels(windows).items()}


def test_a_window_counts_as_soon_as_it_has_passed_though_its_pair_is_still_to_come() -> None:
    first = next(w for w in BLOCK if w.role == "sweep")
    assert _counts((first,)) == {(first.stack, first.users): (1, 0)}


def test_a_pair_with_a_refused_window_counts_nothing_until_both_are_repeated() -> None:
    run = _spoil(BLOCK, "b01-036-loop")
    assert _counts(run)["pool", 36] == _counts(run)["loop", 36] == (0, 1)
    half = (*run, _again("b01-036-pool", run))
    assert _counts(half)["pool", 36] == (0, 2)
    whole = (*half, _again("b01-036-loop", run))
    assert _counts(whole)["pool", 36] == _counts(whole)["loop", 36] == (1, 1)


def test_controls_are_no_levels() -> None:
    twins = [w for w in BLOCK if w.role == "aa"]
    assert twins
    assert sum(count for count, _ in _counts(BLOCK).values()) == len(BLOCK) - len(twins)
    assert _counts((*BLOCK, *(_again(twin.id, BLOCK) for twin in twins))) == _counts(BLOCK)


def test_a_level_of_which_nothing_counts_is_there_with_what_was_left_out() -> None:
    (one,) = _levels((replace(make_window(), notes=("spoilt",)),), TARIFFS).values()
    assert (one.windows, one.left_out, one.seconds, one.billed) == (0, 1, 0, {})


@pytest.mark.parametrize("ids", [*combinations([w.id for w in BLOCK], 2), ()])
def test_at_the_end_of_a_block_what_counts_is_what_the_report_counts(ids: tuple[str, ...]) -> None:
    run = _spoil(BLOCK, *ids)
    repeats = tuple(_again(w.id, run, spoilt=w.id in ids[1:]) for w in run if w.role == "sweep")
    used = [w for w in judge(make_run((*run, *repeats)), EXPERIMENT).windows if w.used]
    counted = {key: one for key, one in _levels((*run, *repeats)).items() if one.windows}
    assert {(w.stack, w.users) for w in used} == set(counted)
    for (stack, users), one in counted.items():
        own = [w for w in used if (w.stack, w.users) == (stack, users)]
        assert (one.windows, one.ok, one.good) == (len(own), sum(w.ok for w in own), sum(w.good for w in own))


@pytest.mark.parametrize("tariff", TARIFFS, ids=lambda tariff: f"{tariff.list_id}, {tariff.billing}")
def test_amounts_times_the_prices_of_their_units_are_the_reports_cost_under_every_list(tariff: Tariff) -> None:
    (one,) = _levels((make_window(),), (tariff,)).values()
    units = one.billed[tariff.list_id, tariff.billing]
    usd = sum(amount * exact(getattr(tariff.model, f"{PRICED}{unit}")) for unit, amount in units.items())
    if is_alone(tariff):
        wanted = alone_bills(tariff, DEMANDS, EXPERIMENT.objective, 0.0)["pool"].usd_per_million_good
    else:
        wanted = usd_per_million_good(tariff, [make_window()])
    assert usd * 10**6 / one.good == wanted


def test_every_billing_model_is_among_the_lists() -> None:
    assert {tariff.billing for tariff in TARIFFS} == set(BILLING_MODELS)


def test_use_that_was_not_measured_has_no_amount_and_so_no_price() -> None:
    usage = next(tariff for tariff in TARIFFS if tariff.billing == "usage")
    told, untold = make_window("b01-008-pool"), replace(make_window("b02-008-pool", block=2), resources=())
    assert (usage.list_id, "usage") in _levels((told,), (usage,))["pool", 8].billed
    assert _levels((told, untold), (usage,))["pool", 8].billed == {}


def test_a_request_that_alone_misses_the_objective_has_no_amount() -> None:
    alone = next(tariff for tariff in TARIFFS if is_alone(tariff))
    rules = LevelRules(stacks=STACKS, tariffs=(alone,), objective=EXPERIMENT.objective)
    slow = [make_demand("pool", service_s=2.0)]
    (one,) = board_levels([level_window(make_window(), (alone,))], {"b01-008-pool"}, rules, slow)
    assert (one.windows, one.billed) == (1, {})
