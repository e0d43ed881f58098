"""An experiment file is taken whole or refused with one line that says where, what, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from _schedule import parse_pattern

from builders import make_experiment, make_open
from builders_config import ReadSmall
from loadlab.config import Catalogue, load_experiment, parse_experiment
from loadlab.config.arrivals import check_arrivals
from loadlab.config.load import beyond_fault
from loadlab.errors import ConfigError, LoadlabError, UsageError
from loadlab.model.experiment import (
    AbortRule,
    BlockPlan,
    ClosedLoad,
    DecisionRule,
    Objective,
    OpenLoad,
    OurService,
    PriceRef,
    RefinePlan,
    Resources,
    Upstream,
    WindowPlan,
)

PRICED = '[[price]]\nlist = "aws-fargate-x86"\nbilling = "provisioned"\n'


def test_what_a_file_leaves_out_has_the_records_defaults(read: ReadSmall) -> None:
    experiment = read()
    assert experiment.decision == DecisionRule(statistic="goodput")
    assert experiment.upstream == Upstream()
    assert experiment.window == WindowPlan()
    assert experiment.blocks == BlockPlan()
    assert experiment.objective == Objective()
    assert experiment.resources == Resources()
    assert experiment.abort == AbortRule()
    assert experiment.prices == ()


def test_what_a_file_says_is_taken_exactly(read: ReadSmall) -> None:
    experiment = read(
        more=PRICED + '[resources]\ncpu = 0.8\nmemory = "1536Mi"\n[upstream]\nlatency = "lognormal(100ms, 0.5)"\n'
        "error_ratio = 0.01\nquota_rps = 50\nquota_burst = 10\n[abort]\nerror_ratio = 0.5\n"
        "[blocks]\nlevels = 7\nlevel_step_ratio = 1.1\n"
    )
    assert experiment.resources == Resources(cpu=Decimal("0.8"), memory_gib=Decimal("1.5"))
    assert experiment.upstream == Upstream(
        latency="lognormal(100ms, 0.5)", error_ratio=0.01, quota_rps=50.0, quota_burst=10
    )
    assert experiment.prices == (PriceRef(list_id="aws-fargate-x86", billing="provisioned"),)
    assert experiment.abort == AbortRule(error_ratio=0.5)
    assert (experiment.blocks.levels, experiment.blocks.level_step_ratio) == (7, 1.1)


def test_a_second_stage_is_there_where_its_table_is_and_shares_alpha(read: ReadSmall) -> None:
    assert read().refine is None
    assert read().stage_alpha == 0.025
    asked = read(more="[refine]\nlevels = 3\n")
    assert asked.refine == RefinePlan(levels=3, count=6, width_ratio=1.5)
    assert asked.stage_alpha == 0.0125
    assert read(overrides=("refine.count=4",)).refine == RefinePlan(count=4)
    assert read(more="[refine]\nbeyond = 2\n").refine == RefinePlan(beyond=2)


@pytest.mark.parametrize(
    ("rule", "users", "said"),
    [
        ("beyond = 11", "[10]", r"small.toml:\d+: refine.beyond is 11; expected a whole number from 0 to 10"),
        ("beyond = -1", "[10]", r"refine.beyond is -1; expected a whole number from 0 to 10"),
        (
            "beyond = 6",
            "[10]",
            r"small.toml:\d+: refine.beyond reaches 11.4 times the highest level; expected at most 10",
        ),
        ("beyond = 2", "[10, 50000]", r"refine.beyond reaches 112500 users; expected at most 100000; lower it"),
    ],
)
def test_levels_beyond_have_an_end(read: ReadSmall, rule: str, users: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(more=f"[refine]\n{rule}\n", overrides=(f"load.users={users}",))


def test_rates_beyond_have_an_end_that_counts_their_steps() -> None:
    load = make_open(make_experiment(), 10, 40_000, arrivals="steps(1@0s, 2@5s)").load
    assert beyond_fault(load, 1.25) is None
    assert beyond_fault(load, 1.5) == "reaches 120000 arrivals per second; expected at most 100000"
    assert beyond_fault(make_open(make_experiment(), 10, 40_000).load, 1.5) is None


def test_a_second_stage_is_refused_where_it_could_not_be_judged(read: ReadSmall) -> None:
    with pytest.raises(ConfigError, match=r"refine needs a statistic that each level has by itself, not usd_per_hour"):
        read(('"goodput"', '"usd_per_hour_at_users"'), more=PRICED + "[refine]\n")
    alone = '[[stack]]\nname = "fastapi"\nservice = "fastapi_uvicorn"\n'
    with pytest.raises(ConfigError, match=r"refine refines where two stacks part, and there is one \[\[stack\]\]"):
        read((alone, ""), more="[refine]\n")


URL = '"fastapi"\nurl = "http://127.0.0.1:8001"'
OPENCOST = '[[price]]\nlist = "opencost-default"\nbilling = "usage"\n'


@pytest.mark.parametrize(
    ("statistic", "more", "how"),
    [
        ("memory", "", "memory"),
        ("cpu_per_request", PRICED, "cpu_per_request"),
        ("cost_per_million_good", OPENCOST + PRICED, "cost_per_million_good under the billing usage"),
    ],
)
def test_what_nobody_tells_of_a_service_elsewhere_cannot_decide(
    read: ReadSmall, statistic: str, more: str, how: str
) -> None:
    """Told before a run and not after it; a bundle of before is read all the same."""
    said = rf"small.toml:4: decision.statistic is {how}, and stack fastapi, which runs elsewhere, has no metrics_url"
    asked = (('"goodput"', f'"{statistic}"'), ('"fastapi"\nservice = "fastapi_uvicorn"', URL))
    with pytest.raises(ConfigError, match=said):
        read(*asked, more=more)
    told = URL + '\nmetrics_url = "http://127.0.0.1:9101/metrics"'
    assert read(asked[0], (asked[1][0], told), more=more).decision.statistic == statistic
    assert read(*asked, more=more, check_files=False).decision.statistic == statistic
    assert read(asked[1], more=OPENCOST).decision.statistic == "goodput"


def test_a_priced_decision_needs_nothing_from_inside_where_its_first_bill_needs_nothing(read: ReadSmall) -> None:
    asked = (('"goodput"', '"cost_per_million_good"'), ('"fastapi"\nservice = "fastapi_uvicorn"', URL))
    assert [ref.billing for ref in read(*asked, more=PRICED + OPENCOST).prices] == ["provisioned", "usage"]


def test_slots_follow_from_the_settings_of_the_labs_services(read: ReadSmall) -> None:
    flask, fastapi = read(("threads = 16", "workers = 4, threads = 12")).stacks
    assert (flask.workers, flask.slots_per_worker) == (4, 12)
    assert (fastapi.workers, fastapi.slots_per_worker, fastapi.pool) == (1, None, "none")
    assert flask.service == OurService(service="flask_gunicorn", settings={"workers": 4, "threads": 12})


def test_slots_follow_the_services_own_defaults(read: ReadSmall) -> None:
    flask = read(("settings = { threads = 16 }\n", "")).stacks[0]
    assert (flask.workers, flask.slots_per_worker) == (1, 48)


def test_levels_may_be_left_to_the_law(read: ReadSmall) -> None:
    load = read(("[10, 20]", '"auto"')).load
    assert isinstance(load, ClosedLoad)
    assert load.users is None


def test_an_open_load_is_read(read: ReadSmall) -> None:
    load = read(('"closed"', '"open"'), ("users = [10, 20]", "rate_rps = [50, 100]")).load
    assert isinstance(load, OpenLoad)
    assert (load.rate_rps, load.arrivals, load.in_flight_max, load.seed) == ((50, 100), "poisson", 2000, None)
    more = 'rate_rps = 50\narrivals = "constant steps(1@0s, 2.5@30s)"\nin_flight_max = 9\nseed = 0'
    load = read(('"closed"', '"open"'), ("users = [10, 20]", more)).load
    assert isinstance(load, OpenLoad)
    assert (load.rate_rps, load.in_flight_max, load.seed) == ((50,), 9, 0)
    assert load.arrivals == "constant steps(1@0s, 2.5@30s)"


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ('rate_rps = "auto"', 'load.rate_rps is "auto"; expected arrivals per second.*the law predicts users'),
        ("rate_rps = [100, 50]", r"load.rate_rps is \[100, 50\]; expected arrivals per second, a whole number"),
        ("rate_rps = 0.5", "load.rate_rps is 0.5; expected arrivals per second, a whole number from 1"),
        ("rate_rps = 0", "load.rate_rps is 0; expected"),
        ("rate = 5", "load.rate is not a known key; the nearest known key is rate_rps"),
        ("rate_rps = 5\nthink_s = 1", "load.think_s counts only in an closed load, and kind is open"),
        ('rate_rps = 5\narrivals = "uniform"', r"load.arrivals is \"uniform\"; expected poisson, constant, steps"),
        ('rate_rps = 5\narrivals = "steps(1@5s)"', "times that ascend from 0s"),
        ('rate_rps = 5\narrivals = "steps(1@0s, 1001@5s)"', "factors of the rate above 0 and up to 1000, times"),
        (
            'rate_rps = [5, 2000]\narrivals = "steps(1@0s, 51@5s)"',
            "load.arrivals multiplies 2000 arrivals per second by up to 51; expected at most 100000 a second; lower",
        ),
        ("rate_rps = 5\nin_flight = 3", "load.in_flight is not a known key; the nearest known key is in_flight_max"),
        ("rate_rps = 5\nin_flight_max = 0", "load.in_flight_max is 0; expected a whole number from 1"),
        ("rate_rps = 5\nseed = -1", "load.seed is -1; expected a whole number from 0"),
    ],
)
def test_a_wrong_value_of_an_open_load_is_named(read: ReadSmall, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read(('"closed"', '"open"'), ("users = [10, 20]", new))
    assert "\n" not in str(caught.value)


def test_a_claim_of_users_is_refused_in_an_open_load(read: ReadSmall) -> None:
    claim = ('"goodput"', '"goodput"\nclaimed_users = 50')
    with pytest.raises(ConfigError, match=r"load.kind is open, whose levels are rates, .*claimed_users"):
        read(claim, ('"closed"', '"open"'), ("users = [10, 20]", "rate_rps = 5"))


@pytest.mark.parametrize(
    "text",
    [
        *("poisson", "constant", " poisson ", "steps(1@0s)", "poisson steps(1@0s, 2@5s)", "constant steps(0.5@0s)"),
        *("constantsteps(1@0s)", "steps", "steps(1@0s,)", "steps(1@0s, 2@0s)", "steps(0@0s)", "steps(1@1s)", "Poisson"),
        *("steps(1@0s) constant", "steps((1@0s))", "", "  ", "steps(1@0)", "steps(1@0s, -2@5s)", "steps(1e3@0s)"),
        *("steps(1000@0s)", "steps(1@0s, 1000.5@5s)", f"steps({'9' * 400}@0s)", f"steps(1@0s, 2@{'9' * 400}s)"),
    ],
)
def test_engine_and_locust_read_the_same_patterns(text: str) -> None:
    def accepts(read: Callable[[str], object]) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    assert accepts(check_arrivals) == accepts(parse_pattern)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("goodput", "throughput", r"small.toml:4: decision.statistic is \"throughput\"; expected one of .*goodput"),
        ('"Which one?"', '" "', r"small.toml:2: question is \" \"; expected text in quotes that is not blank"),
        ('"small"', '"Small One"', r"small.toml:1: id is .*; expected 1 to 64 small letters"),
        ("[10, 20]", "[20, 10]", r"small.toml:15: load.users is \[20, 10\]; expected \"auto\", or a list"),
        ("[10, 20]", "[10, 10]", 'expected "auto", or a list of whole numbers that ascend'),
        ("[10, 20]", "[0, 10]", "ascend from 1"),
        ("[10, 20]", "[1.0]", r"load.users is \[1.0\]; expected"),
        ("[10, 20]", "[]", r"load.users is \[\]; expected"),
        ("[10, 20]", "true", "load.users is true; expected"),
        ("users = [10, 20]", "think_s = 1", r"small.toml:12: load lacks users; expected \"auto\", or a list.*; add it"),
        ("users = [10, 20]", "rate_rps = [1]", "load.rate_rps counts only in an open load, and kind is closed"),
        ("[load]", "[lod]", r"small.toml:12: lod is not a known key; the nearest known key is load "),
        ('"fastapi"\n', '"flask"\n', r"small.toml:10: stack\[1\].name is \"flask\"; expected a name that no other"),
        ("threads = 16", "threads = 16.0", r"small.toml:8: stack\[0\].settings.threads is 16.0; expected a whole"),
        ("threads = 16", "thread = 16", "settings.thread is not a known key; the nearest known key is threads"),
        ("goodput", "cost_per_million_good", r"decides by cost_per_million_good and has no \[\[price\]\]"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(read: ReadSmall, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read((old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[windw]\nmeasure_s = 1\n", r"small.toml:16: windw is not a known key; the nearest known key is window"),
        ("[window]\nmeasure_s = 0.1\n", r"small.toml:17: window.measure_s is 0.1; expected a number from 0.5 to 3600"),
        ("[window]\nmeasure_s = nan\n", "window.measure_s is NaN; expected a number from 0.5 to 3600"),
        ("[window]\nkeep_awake = 1\n", 'window.keep_awake is 1; expected true, false or "auto"'),
        ("[window]\nmeasure_s = true\n", "window.measure_s is true; expected a number"),
        ("[window]\nwarmup = 1\n", "window.warmup is not a known key; the nearest known key is warmup_s"),
        ("[objective]\ngood_ratio = 0\n", "expected a number above 0 and up to 1"),
        ("[blocks]\nlevel_step_ratio = 1\n", "expected a number from 1.01 to 4"),
        ("[blocks]\ncount = 1000\n", "expected a whole number from 1 to 200"),
        ('[upstream]\nlatency = "constant(200)"\n', r"small.toml:17: upstream.latency is .* expected durations up to"),
        ('[upstream]\nlatency = "const(2ms)"\n', r"expected constant\(200ms\), lognormal\(200ms, 0.5\) or steps"),
        ("[upstream]\nquota_burst = 3\n", "upstream.quota_burst counts only beside quota_rps"),
        ('[resources]\nmemory = "2"\n', 'resources.memory is "2"; expected one of B, k'),
        ('[resources]\nmemory = "0Gi"\n', "expected a size above 0"),
        ("[resources]\nmemory = 2\n", "resources.memory is 2; expected text in quotes"),
        ("[resources]\ncpu = 0\n", "resources.cpu is 0; expected a number from 0.001 to 1024"),
        ("window = 3\n[abort]\n", "load.window is not a known key"),
        (
            '[[price]]\nlist = "aws-fargate"\n',
            r"small.toml:17: price\[0\].list .* the nearest known list is aws-fargate-",
        ),
        ('[[price]]\nlist = "gke-autopilot"\nbilling = "usage"\n', "that gke-autopilot offers: provisioned"),
        (PRICED + PRICED, r"small.toml:19: price\[1\] repeats aws-fargate-x86 with provisioned"),
        (
            '[[stack]]\nname = "third"\nurl = "http://127.0.0.1"\n',
            r"small.toml:5: stack has 3 \[\[stack\]\]; expected two",
        ),
        ("[decision]\n", "small.toml: not valid TOML: .*line 16"),
        ("[refine]\nwidth = 1.5\n", "refine.width is not a known key; the nearest known key is width_ratio"),
        ("[refine]\nwidth_ratio = 1\n", "small.toml:17: refine.width_ratio is 1; expected a number from 1.01 to 10"),
        ("[refine]\ncount = 1\n", "refine.count is 1; expected a whole number from 2 to 200"),
    ],
)
def test_a_wrong_table_is_named_with_its_line(read: ReadSmall, more: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read(more=more)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", r"x.toml: lacks the table \[load\]"),
        ("load = 3", r"x.toml:1: load is 3; expected a table"),
        ("stack = 3\n[load]", r"x.toml:1: stack is 3; expected tables that each begin with \[\[stack\]\]"),
        ("stack = [1]\n[load]", r"x.toml:1: stack\[0\] is 1; expected a table"),
        ("[load]", r"x.toml: has 0 \[\[stack\]\]; expected two to compare, or one to size"),
    ],
)
def test_a_file_of_another_shape_is_refused(content: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_experiment(content, Path("x.toml"))


@pytest.mark.parametrize("name", ["quick", "threshold-50"])
def test_a_name_finds_its_file(name: str, catalogue: Catalogue) -> None:
    assert load_experiment(name).source == catalogue.experiments / f"{name}.toml"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("quik", "there is no experiment 'quik'; the nearest known experiment is quick"),
        ("./quick", "./quick: no such file; expected an experiment file"),
        ("quick.toml", "quick.toml: no such file"),
    ],
)
def test_an_unknown_name_or_path_says_what_there_is(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        load_experiment(name)


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml: cannot be read"):
        load_experiment(str(path))


def test_every_problem_ends_the_command_line_with_the_usage_code(read: ReadSmall) -> None:
    with pytest.raises(LoadlabError) as caught:
        read(("goodput", "nothing"))
    assert caught.value.exit_code == 2
