"""From an experiment file to an ``Experiment``: strict once, here, so that everything inside trusts its types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal, cast

from loadlab.config.catalogue import Catalogue
from loadlab.config.latency import check_latency
from loadlab.config.load import LOAD_KEYS, MAX_USERS, beyond_fault, read_load
from loadlab.config.overrides import apply_overrides
from loadlab.config.price_refs import PRICE_KEYS, read_price_refs
from loadlab.config.stack import MAX_STACKS, STACK_KEYS, read_stack
from loadlab.config.table import Table, read_toml
from loadlab.config.values import Reader, Unfit, checked, choice, decimal, integer, matching, number, text
from loadlab.errors import ConfigError
from loadlab.model.experiment import (
    AbortRule,
    BlockPlan,
    DecisionRule,
    Expectation,
    Experiment,
    Load,
    Objective,
    OurService,
    PriceRef,
    RefinePlan,
    Resources,
    Stack,
    Statistic,
    Upstream,
    UrlService,
    WindowPlan,
)
from loadlab.units import parse_gib

PRICED_STATISTICS = ("cost_per_million_good", "usd_per_hour_at_users")
USE_STATISTICS = ("memory", "cpu_per_request")
STATISTICS = (*PRICED_STATISTICS, "goodput", "p95", *USE_STATISTICS)
EXPECTATIONS = ("conclusive", "diverges", "no_divergence")

_TOP_KEYS = (
    *("id", "question", "decision", "stack", "upstream", "load", "window"),
    *("blocks", "refine", "objective", "price", "resources", "abort"),
)
_ID = matching(r"[a-z0-9][a-z0-9-]{0,63}", "1 to 64 small letters, digits or -, such as threshold-50")
_TRY = r"{}(-aa)?(-t\d+)?(-r\d+)?"
"""What the windows of a stack of that name are called by."""
_MAX_SEED = 2**63 - 1
_ratio: Reader[float] = number("0", "1")


def load_experiment(
    path_or_name: str,
    overrides: Sequence[str] = (),
    *,
    catalogue: Catalogue | None = None,
    check_files: bool = True,
) -> Experiment:
    """Read an experiment by name (``quick``) or path, with ``path=value`` overrides put in.

    ``catalogue`` is where names are looked up, by default this repository. Without ``check_files`` locustfiles need
    not be there, for an experiment out of a bundle that another machine made.

    Raises:
        UsageError: no such experiment, or an override that cannot be put in.
        ConfigError: the file, or a value that an override gave, breaks a rule; one line says where and what to do.
    """
    where = Catalogue.of_repository() if catalogue is None else catalogue
    path = where.experiment_path(path_or_name)
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}; expected an experiment file") from None
    return parse_experiment(content, path, overrides, catalogue=where, check_files=check_files)


def parse_experiment(
    content: str,
    source: Path,
    overrides: Sequence[str] = (),
    *,
    catalogue: Catalogue | None = None,
    check_files: bool = True,
) -> Experiment:
    """An experiment out of its TOML text; ``source`` names it in messages and is where relative paths start from."""
    where = Catalogue.of_repository() if catalogue is None else catalogue
    data, origin = apply_overrides(*read_toml(content, _shown(source)), overrides)
    top = Table(data, (), origin, _TOP_KEYS)
    folder = source.resolve().parent
    load = top.table("load", LOAD_KEYS)
    if load is None:
        top.fail(None, "lacks the table [load]; expected at least kind, scenario and users; add it")
    stacks = _stacks(top, folder, check_names=check_files)
    decision = _decision(top)
    _check_claim(load, decision)
    prices = _prices(top, decision, where.prices)
    if check_files:
        _check_told(top, decision, stacks, prices)
    asked = read_load(load, folder, where.locustfiles, check_files=check_files)
    return Experiment(
        id=top.required("id", _ID),
        question=top.required("question", text),
        decision=decision,
        stacks=stacks,
        upstream=_upstream(top, stacks),
        load=asked,
        window=_window(top),
        blocks=_blocks(top),
        objective=_objective(top),
        prices=prices,
        resources=_resources(top),
        abort=_abort(top),
        source=source.resolve(),
        refine=_refine(top, decision, asked, len(stacks)),
    )


def _prices(top: Table, decision: DecisionRule, folder: Path) -> tuple[PriceRef, ...]:
    prices = read_price_refs(top.tables("price", PRICE_KEYS), folder)
    if decision.statistic in PRICED_STATISTICS and not prices:
        top.fail(None, f"decides by {decision.statistic} and has no [[price]]; add one or set decision.statistic")
    return prices


def _check_claim(load: Table, decision: DecisionRule) -> None:
    if decision.claimed_users is not None and load.optional("kind", text, "") == "open":
        load.fail(
            "kind", "is open, whose levels are rates, and decision.claimed_users claims users; remove one of them"
        )


def _check_told(top: Table, decision: DecisionRule, stacks: Sequence[Stack], prices: Sequence[PriceRef]) -> None:
    """What runs elsewhere and exports nothing tells nobody what it uses: no window would have a figure to decide by."""
    services = {stack.name: stack.service for stack in stacks}
    silent = [name for name, one in services.items() if isinstance(one, UrlService) and one.metrics_url is None]
    by_use = decision.statistic in PRICED_STATISTICS and prices[0].billing == "usage"
    if silent and (by_use or decision.statistic in USE_STATISTICS):
        how = f"{decision.statistic} under the billing usage" if by_use else decision.statistic
        top.table_or_empty("decision", DecisionRule.__slots__).fail(
            "statistic",
            f"is {how}, and stack {' and '.join(silent)}, which runs elsewhere, has no metrics_url to tell what it "
            "uses; add one, or decide by goodput, p95 or a provisioned price",
        )


def _shown(source: Path) -> str:
    """The path as short as it can be said from where the user stands."""
    resolved, here = source.resolve(), Path.cwd()
    return str(resolved.relative_to(here) if resolved.is_relative_to(here) else source)


def _stacks(top: Table, folder: Path, *, check_names: bool) -> tuple[Stack, ...]:
    tables = top.tables("stack", STACK_KEYS)
    if not 1 <= len(tables) <= MAX_STACKS:
        top.fail("stack" if tables else None, f"has {len(tables)} [[stack]]; expected two to compare, or one to size")
    stacks = tuple(read_stack(table, folder) for table in tables)
    if len({stack.name for stack in stacks}) < len(stacks):
        tables[-1].refuse("name", "a name that no other stack has")
    if check_names:
        _check_names(top, stacks)
    return stacks


def _check_names(top: Table, stacks: Sequence[Stack]) -> None:
    """A window goes by the name of its stack, with an ending where it is a control, another attempt or a repeat."""
    for one in stacks:
        for other in stacks:
            if one is not other and re.fullmatch(_TRY.format(re.escape(other.name)), one.name):
                top.fail(
                    "stack",
                    f"has the names {other.name} and {one.name}, and windows of {other.name} that are measured again "
                    f"are called so; expected another ending than -aa, -t or -r with a number; rename {one.name}",
                )


def _decision(top: Table) -> DecisionRule:
    table, default = top.table_or_empty("decision", DecisionRule.__slots__), DecisionRule()
    return DecisionRule(
        statistic=cast(Statistic, table.optional("statistic", choice(STATISTICS), default.statistic)),
        margin_ratio=table.optional("margin_ratio", number("0", "10"), default.margin_ratio),
        claimed_users=table.optional("claimed_users", integer(1, MAX_USERS), default.claimed_users),
        alpha=table.optional("alpha", number("0", "0.2", above=True), default.alpha),
        expect=cast(Expectation, table.optional("expect", choice(EXPECTATIONS), default.expect)),
    )


def _upstream(top: Table, stacks: Sequence[Stack]) -> Upstream | None:
    """The upstream of the file; the lab's own services always have one, others only where the file says so."""
    if "upstream" not in top and not any(isinstance(stack.service, OurService) for stack in stacks):
        return None
    table, default = top.table_or_empty("upstream", Upstream.__slots__), Upstream()
    if "quota_burst" in table and "quota_rps" not in table:
        table.fail("quota_burst", "counts only beside quota_rps; add quota_rps or remove it")
    return Upstream(
        latency=table.optional("latency", checked(text, check_latency), default.latency),
        error_ratio=table.optional("error_ratio", _ratio, default.error_ratio),
        quota_rps=table.optional("quota_rps", number("0", "1000000", above=True), default.quota_rps),
        quota_burst=table.optional("quota_burst", integer(1, 1_000_000), default.quota_burst),
    )


def _flag_or_auto(value: object) -> bool | Literal["auto"]:
    if value == "auto":
        return "auto"
    if not isinstance(value, bool):
        raise Unfit('true, false or "auto"')
    return value


def _window(top: Table) -> WindowPlan:
    table, default = top.table_or_empty("window", WindowPlan.__slots__), WindowPlan()
    return WindowPlan(
        warmup_s=table.optional("warmup_s", number("0", "600"), default.warmup_s),
        measure_s=table.optional("measure_s", number("0.5", "3600"), default.measure_s),
        keep_awake=table.optional("keep_awake", _flag_or_auto, default.keep_awake),
    )


def _blocks(top: Table) -> BlockPlan:
    table, default = top.table_or_empty("blocks", BlockPlan.__slots__), BlockPlan()
    return BlockPlan(
        count=table.optional("count", integer(1, 200), default.count),
        seed=table.optional("seed", integer(0, _MAX_SEED), default.seed),
        levels=table.optional("levels", integer(2, 40), default.levels),
        level_step_ratio=table.optional("level_step_ratio", number("1.01", "4"), default.level_step_ratio),
    )


def _refine(top: Table, decision: DecisionRule, load: Load, stacks: int) -> RefinePlan | None:
    """The second stage, where the file has the table at all."""
    table, default = top.table("refine", RefinePlan.__slots__), RefinePlan()
    if table is None:
        return None
    if stacks != MAX_STACKS:
        top.fail("refine", "refines where two stacks part, and there is one [[stack]]; remove it")
    if decision.statistic == "usd_per_hour_at_users":
        top.fail("refine", f"needs a statistic that each level has by itself, not {decision.statistic}; remove one")
    rule = RefinePlan(
        levels=table.optional("levels", integer(1, 40), default.levels),
        count=table.optional("count", integer(2, 200), default.count),
        width_ratio=table.optional("width_ratio", number("1.01", "10"), default.width_ratio),
        beyond=table.optional("beyond", integer(0, 10), default.beyond),
    )
    fault = beyond_fault(load, rule.width_ratio**rule.beyond)
    if fault is not None:
        table.fail("beyond", f"{fault}; lower it, or width_ratio")
    return rule


def _objective(top: Table) -> Objective:
    table, default = top.table_or_empty("objective", Objective.__slots__), Objective()
    return Objective(
        latency_s=table.optional("latency_s", number("0.001", "600"), default.latency_s),
        good_ratio=table.optional("good_ratio", number("0", "1", above=True), default.good_ratio),
    )


def _resources(top: Table) -> Resources:
    table, default = top.table_or_empty("resources", ("cpu", "memory")), Resources()
    return Resources(
        cpu=table.optional("cpu", decimal("0.001", "1024"), default.cpu),
        memory_gib=table.optional("memory", checked(text, _memory_gib), default.memory_gib),
    )


def _memory_gib(value: str) -> Decimal:
    gib = parse_gib(value)
    if not 0 < gib <= 24_576:
        raise ValueError("expected a size above 0 and up to 24Ti, such as 2Gi")
    return gib


def _abort(top: Table) -> AbortRule:
    table, default = top.table_or_empty("abort", AbortRule.__slots__), AbortRule()
    return AbortRule(
        error_ratio=table.optional("error_ratio", _ratio, default.error_ratio),
        p99_s=table.optional("p99_s", number("0.001", "600"), default.p99_s),
        after_s=table.optional("after_s", number("0.1", "600"), default.after_s),
    )
