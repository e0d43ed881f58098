"""An experiment written into a bundle reads back as the same record, whatever it holds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from builders_config import ReadSmall
from loadlab.config import Catalogue, dump_experiment, parse_experiment
from loadlab.config.experiment import EXPECTATIONS, STATISTICS
from loadlab.model.experiment import (
    AbortRule,
    BlockPlan,
    ClosedLoad,
    CommandService,
    DecisionRule,
    Experiment,
    ImageService,
    Objective,
    OpenLoad,
    OurService,
    PriceRef,
    RefinePlan,
    Resources,
    Scenario,
    Stack,
    Upstream,
    UrlService,
    WindowPlan,
)

SOURCE = Path("/somewhere/x.toml")
LOCUSTFILES = Catalogue.of_repository().locustfiles

_texts = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
).filter(str.strip)
_names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
_variables = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True)
_env = st.dictionaries(_variables, st.text(alphabet='ab "\\\n\té€\x7f#=', max_size=8), max_size=3)
_ratio = st.floats(min_value=0, max_value=1)
_urls = st.builds("http://127.0.0.1:{}/{}".format, st.integers(1, 65_535), _names)
_maybe_urls = st.none() | _urls


def _floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(min_value=low, max_value=high)


_services = st.one_of(
    st.builds(
        OurService,
        service=st.just("flask_gunicorn"),
        settings=st.fixed_dictionaries(
            {},
            optional={
                "workers": st.integers(1, 8),
                "threads": st.integers(1, 99),
                "reuse_port": st.booleans(),
                "client": st.sampled_from(["pooled", "per_request"]),
                "client_timeout_s": _floats(0.001, 3600),
            },
        ),
    ),
    st.builds(
        CommandService,
        command=st.lists(_texts, min_size=1, max_size=3).map(tuple),
        env=_env,
        cwd=st.none() | st.just(Path("/srv/app")),
        ready_path=_names.map("/{}".format),
        ready_timeout_s=st.none() | _floats(1.0, 900.0),
        metrics_url=_maybe_urls,
    ),
    st.builds(
        ImageService,
        image=_names,
        port=st.integers(1, 65_535),
        env=_env,
        ready_path=_names.map("/{}".format),
        ready_timeout_s=st.none() | _floats(1.0, 900.0),
    ),
    st.builds(UrlService, url=_urls, metrics_url=_maybe_urls),
)


@st.composite
def _stacks(draw: st.DrawFn) -> tuple[Stack, ...]:
    stacks = []
    for name in draw(st.lists(_names, min_size=1, max_size=2, unique=True)):
        service = draw(_services)
        workers, slots = draw(st.integers(1, 9)), draw(st.none() | st.integers(1, 99))
        if isinstance(service, OurService):
            workers, slots = int(service.settings.get("workers", 1)), int(service.settings.get("threads", 48))
        known = slots is not None or isinstance(service, OurService) or draw(st.booleans())
        stacks.append(Stack(name=name, service=service, workers=workers, slots_per_worker=slots, pool_known=known))
    return tuple(stacks)


_headers = st.dictionaries(st.from_regex(r"[A-Z][A-Za-z-]{0,8}", fullmatch=True), _variables, max_size=2)
_scenarios = st.one_of(
    st.builds(
        Scenario,
        user_class=st.just("IoBoundUser"),
        locustfile=st.just(LOCUSTFILES / "io_bound.py"),
        headers_from_env=_headers,
    ),
    st.builds(
        Scenario, user_class=st.just("Mine"), locustfile=st.just(Path("/srv/mine.py")), headers_from_env=_headers
    ),
)
_loads = st.one_of(
    st.builds(
        ClosedLoad,
        scenario=_scenarios,
        users=st.none() | st.sets(st.integers(1, 9999), min_size=1, max_size=5).map(lambda users: tuple(sorted(users))),
        think_s=_floats(0, 3600),
    ),
    st.builds(
        OpenLoad,
        scenario=_scenarios,
        rate_rps=st.sets(st.integers(1, 9999), min_size=1, max_size=5).map(lambda rates: tuple(sorted(rates))),
        arrivals=st.sampled_from(["poisson", "constant", "constant steps(1@0s, 0.5@30s)"]),
        in_flight_max=st.integers(1, 9999),
        seed=st.none() | st.integers(0, 2**63 - 1),
    ),
)
_memory = st.decimals(min_value=Decimal("0.001"), max_value=Decimal(999), places=6, allow_nan=False)
_experiments = st.builds(
    Experiment,
    id=st.just("made-up"),
    question=_texts,
    decision=st.builds(
        DecisionRule,
        statistic=st.sampled_from(STATISTICS),
        margin_ratio=_floats(0, 10),
        claimed_users=st.none() | st.integers(1, 100_000),
        alpha=_floats(1e-9, 0.2),
        expect=st.sampled_from(EXPECTATIONS),
    ),
    stacks=_stacks(),
    upstream=st.builds(
        Upstream,
        latency=st.sampled_from(["constant(200ms)", "steps(50ms@0s, 2s@30s)"]),
        error_ratio=_ratio,
        quota_rps=_floats(0.5, 1e5),
        quota_burst=st.none() | st.integers(1, 1_000),
    ),
    load=_loads,
    window=st.builds(
        WindowPlan,
        warmup_s=_floats(0, 600),
        measure_s=_floats(0.5, 3600),
        keep_awake=st.sampled_from([False, True, "auto"]),
    ),
    blocks=st.builds(
        BlockPlan,
        count=st.integers(1, 200),
        seed=st.integers(0, 2**63 - 1),
        levels=st.integers(2, 40),
        level_step_ratio=_floats(1.01, 4),
    ),
    objective=st.builds(Objective, latency_s=_floats(0.001, 600), good_ratio=_floats(1e-9, 1)),
    prices=st.just((PriceRef(list_id="gke-autopilot", billing="provisioned"),)),
    resources=st.builds(
        Resources, cpu=st.sampled_from([Decimal("0.8"), Decimal(1), Decimal("1E+1")]), memory_gib=_memory
    ),
    abort=st.builds(AbortRule, error_ratio=st.none() | _ratio, p99_s=st.none() | _floats(0.001, 600)),
    source=st.just(SOURCE),
).filter(lambda experiment: isinstance(experiment.load, ClosedLoad) or experiment.decision.claimed_users is None)


@given(_experiments)
def test_what_is_written_reads_back_as_the_same_record(experiment: Experiment) -> None:
    assert parse_experiment(dump_experiment(experiment), SOURCE, check_files=False) == experiment


def test_an_experiment_without_upstream_reads_back_without(read: ReadSmall) -> None:
    first, second = read().stacks
    stacks = (
        replace(first, service=UrlService(url="http://127.0.0.1:1"), slots_per_worker=None),
        replace(second, service=UrlService(url="http://127.0.0.1:2")),
    )
    experiment = replace(read(), upstream=None, stacks=stacks)
    assert parse_experiment(dump_experiment(experiment), experiment.source) == experiment


def test_a_second_stage_reads_back_with_its_rules(read: ReadSmall) -> None:
    experiment = replace(read(), refine=RefinePlan(levels=3, count=5, width_ratio=1.25, beyond=2))
    assert parse_experiment(dump_experiment(experiment), experiment.source) == experiment
    assert "[refine]" not in dump_experiment(read())


def test_the_labs_scenario_is_written_by_name_and_not_by_path(read: ReadSmall) -> None:
    written = dump_experiment(read())
    assert 'scenario = "io_bound.IoBoundUser"' in written
    assert str(LOCUSTFILES) not in written
