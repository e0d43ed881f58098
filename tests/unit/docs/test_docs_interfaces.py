"""The tables of the pages hold what the code has: no more and no less."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

from _exporter import Exporter
from _ledger import Ledger
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from builders_locust import make_now
from loadlab.analysis.codes import GATE_CODES
from loadlab.config.load import LOAD_KEYS
from loadlab.config.price_refs import PRICE_KEYS
from loadlab.config.service_settings import SERVICES
from loadlab.config.stack import STACK_KEYS
from loadlab.execute.store import FOLDERS
from loadlab.model.experiment import (
    AbortRule,
    BlockPlan,
    DecisionRule,
    Experiment,
    Objective,
    RefinePlan,
    Statistic,
    Upstream,
    WindowPlan,
)
from loadlab.model.price import BILLING_MODELS
from loadlab.model.result import Analysis
from loadlab.pipeline.bundle import QUERIES
from svc_common.metric_families import COUNTED, SLOTS_BUSY

ROW = re.compile(r"^\| ((?:`[^`]+`(?:, )?)+) \|", re.MULTILINE)
KINDS = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}

Pages = dict[Path, str]


def section(text: str, heading: str) -> str:
    """A section of a page with the smaller ones in it."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found, heading
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found.group(1))}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def first_column(text: str) -> list[str]:
    """What stands as code in the first column of the tables."""
    return [name for cell in ROW.findall(text) for name in re.findall(r"`([^`]+)`", cell)]


def test_the_layers_on_the_page_are_those_of_the_import_linter(pages: Pages, root: Path) -> None:
    shown = re.search(r"```layers\n(.*?)```", pages[root / "docs" / "architecture.md"], re.DOTALL)
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert shown
    assert shown.group(1).splitlines() == next(c["layers"] for c in contracts if c["type"] == "layers")


def test_the_table_of_the_experiment_file_has_every_key(pages: Pages, root: Path) -> None:
    told = first_column(section(pages[root / "docs" / "interfaces.md"], "The experiment file"))
    tables: dict[str, tuple[str, ...]] = {"stack": STACK_KEYS, "load": LOAD_KEYS, "price": PRICE_KEYS}
    tables["resources"] = ("cpu", "memory")
    records = {
        "decision": DecisionRule,
        "upstream": Upstream,
        "window": WindowPlan,
        "blocks": BlockPlan,
        "refine": RefinePlan,
        "objective": Objective,
        "abort": AbortRule,
    }
    tables |= {name: tuple(one.name for one in dataclasses.fields(record)) for name, record in records.items()}
    known = {f"{table}.{key}" for table, keys in tables.items() for key in keys} | {"id", "question"}
    settings = {setting for rules in SERVICES.values() for setting in rules.settings}
    assert {one.name for one in dataclasses.fields(Experiment)} - {"stacks", "prices", "source"} <= {
        name.split(".")[0] for name in known
    }
    assert sorted(told) == sorted(known | settings)


def test_the_keys_of_results_json_are_the_fields_of_the_record(pages: Pages, root: Path) -> None:
    told = first_column(section(pages[root / "docs" / "run-bundle.md"], "results.json"))
    assert sorted(told) == sorted(field.name for field in dataclasses.fields(Analysis))


def test_the_table_of_gates_has_every_gate_once(pages: Pages, root: Path) -> None:
    told = first_column(section(pages[root / "docs" / "method.md"], "Is it the generator?"))
    assert sorted(told) == sorted(GATE_CODES)


def test_the_method_tells_of_every_statistic_and_billing_model(pages: Pages, root: Path) -> None:
    costs = section(pages[root / "docs" / "method.md"], "Cost")
    assert [name for name in Statistic.__args__ if f"`{name}`" not in costs] == []  # type: ignore[attr-defined]
    assert sorted(first_column(costs)) == sorted(BILLING_MODELS)


def test_the_table_of_the_bundle_has_every_folder_and_file_that_is_written(pages: Pages, root: Path) -> None:
    told = first_column(section(pages[root / "docs" / "run-bundle.md"], "Files"))
    code = "".join(
        (root / "scripts" / "loadlab" / name).read_text() for name in ("execute/store.py", "report/render.py")
    )
    files = set(re.findall(r'"([a-z]+\.(?:json|jsonl|html|md|xml|toml))"', code))
    assert files
    assert files - set(told) == set()
    assert {name.split("/")[0] for name in told if "/" in name} == {*FOLDERS, QUERIES}


def test_the_events_on_the_page_are_those_that_the_pipeline_writes(pages: Pages, root: Path) -> None:
    code = "".join(path.read_text() for path in (root / "scripts" / "loadlab" / "pipeline").glob("*.py"))
    paragraph = re.search(r"^Events: (.*?)\n\n", pages[root / "docs" / "run-bundle.md"], re.MULTILINE | re.DOTALL)
    assert paragraph
    assert sorted(re.findall(r"`(\w+)`", paragraph.group(1))) == sorted(set(re.findall(r'\.event\("(\w+)"', code)))


def test_the_table_of_routes_has_every_route_of_the_lab(pages: Pages, root: Path) -> None:
    told = first_column(section(pages[root / "docs" / "interfaces.md"], "The lab's routes in Locust"))
    code = (root / "locustfiles" / "_web.py").read_text()
    routes = {f"{method} {path}" for path, method in re.findall(r'route\("([^"]+)", "([A-Z]+)"', code)}
    assert routes
    assert {name for name in told if name.startswith(("GET ", "POST ", "DELETE "))} == {
        route.replace("<path:key>", "<id>") for route in routes
    }


def test_the_table_of_metrics_has_every_metric_of_the_services(pages: Pages, root: Path) -> None:
    told = set(first_column(section(pages[root / "docs" / "interfaces.md"], "Metrics of the services")))
    assert told == metric_names(root)


def test_the_table_of_the_generator_has_every_series_of_the_exporter(pages: Pages, root: Path) -> None:
    told = set(first_column(section(pages[root / "docs" / "interfaces.md"], "Metrics of the load generator")))
    exporter = Exporter(make_now, Ledger(), 0.0)
    families = [*exporter.collect(), *exporter.levels.collect()]
    assert told == {f"{one.name}_total" if one.type == "counter" else one.name for one in families}


def metric_names(root: Path) -> set[str]:
    """Names as they are scraped: counted families, then what the two collectors write into their source."""
    counted: list[Metric] = [KINDS[one.kind](one.name, "-") for one in (*COUNTED.values(), SLOTS_BUSY)]
    names = {f"{one.name}_total" if one.type == "counter" else one.name for one in counted}
    common = root / "services" / "common" / "svc_common"
    tree = (common / "process_tree.py").read_text()
    gauges = set(re.findall(r'GaugeMetricFamily\(\s*"(\w+)"', tree))
    totals = set(re.findall(r'(?:_total|CounterMetricFamily)\(\s*"(\w+)"', tree))
    parts = {f"worker_{part}_bytes" for part in re.findall(r'^    "(\w+)": lambda reading', tree, re.MULTILINE)}
    group = (common / "cgroup.py").read_text()
    counters, _, gauge_lines = group.partition("counters = {")[2].partition("gauges = {")
    names |= gauges | parts | {f"{name}_total" for name in totals | set(re.findall(r'"(cgroup_\w+)"', counters))}
    return names | set(re.findall(r'"(cgroup_\w+)"', gauge_lines))
