"""A bundle as OpenMetrics: its own scrapes, and for bundles of before what their windows' records hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadlab.errors import BundleError
from loadlab.execute.durable import write_whole
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay_text import openmetrics_of, write_openmetrics
from loadlab.pipeline.span import MOST_POINTS, Span, span_of
from session_copies import copy_session

LINE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+) (?P<at>\S+)$")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text") / "session"
    copy_session(folder)
    return folder


@pytest.fixture
def old_bundle(tmp_path: Path) -> Path:
    """As they were before Locust's metrics were kept."""
    folder = tmp_path / "session"
    copy_session(folder)
    for path in (folder / "scrapes").glob("*.om"):
        path.unlink()
    return folder


def _last_values(lines: list[str], prefix: str) -> dict[tuple[str, str], float]:
    """By series, the value at the latest moment."""
    found = [match for line in lines if (match := LINE.match(line.rstrip())) and match["name"].startswith(prefix)]
    ordered = sorted(found, key=lambda match: float(match["at"]))
    return {(match["name"], match["labels"] or ""): float(match["value"]) for match in ordered}


def test_targets_carry_the_labels_of_the_lab(bundle: Path) -> None:
    text = "".join(openmetrics_of(bundle, checkout()))
    served = 'instance="pool-b01",job="sut",method="GET",namespace="loadlab",pod="pool-b01",route="/data",stack="pool"'
    assert f"http_requests_total{{{served}" in text
    users = 'locust_users{instance="locust-master",job="locust",namespace="loadlab",pod="locust-master"}'
    assert users in text
    assert text.endswith("# EOF\n")


def test_a_bundle_of_before_tells_phases_windows_and_levels_as_the_exporter_does(
    bundle: Path, old_bundle: Path
) -> None:
    now, before = (list(openmetrics_of(folder, checkout())) for folder in (bundle, old_bundle))
    for prefix in (
        "loadlab_level_",
        "loadlab_billed_",
        "loadlab_margin_",
        "loadlab_claimed_",
        "loadlab_stack_",
        "loadlab_price_named",
    ):
        told = _last_values(now, prefix)
        assert told, prefix
        assert _last_values(before, prefix) == pytest.approx(told), prefix
    windows = {path.stem for path in (old_bundle / "windows").glob("b01-*.json")}
    phases = "".join(line for line in before if line.startswith("loadlab_phase_info"))
    assert {window for window in windows if f'window="{window}"' in phases} == windows
    opened = [line for line in before if line.startswith("loadlab_window_open{")]
    assert len(opened) == 31 * len(windows), "each second of 30, and the close"


def test_what_is_written_is_what_is_printed(bundle: Path, tmp_path: Path) -> None:
    path = write_openmetrics(bundle, checkout(), tmp_path / "session.om")
    assert path.read_text() == "".join(openmetrics_of(bundle, checkout()))


def test_a_run_in_which_nothing_was_measured_has_no_span(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in ("experiment.toml", "provenance.json"):
        write_whole(folder / name, (bundle / name).read_bytes())
    with pytest.raises(BundleError, match="nothing was measured in it, so there is nothing to replay"):
        span_of(folder)


@pytest.mark.parametrize("length_s", [1.0, 300.0, 86400.0])
def test_steps_are_whole_evaluations_and_points_are_bounded(length_s: float) -> None:
    span = Span(start_s=0.0, end_s=length_s)
    assert span.step_s % 5 == 0
    assert length_s / span.step_s <= MOST_POINTS
