"""``--set path=value`` changes one key, and a slip in it names the option and the nearest path."""

from __future__ import annotations

from decimal import Decimal

import pytest

from builders_config import ReadSmall
from loadlab.errors import ConfigError, UsageError
from loadlab.model.experiment import ClosedLoad, Experiment, OurService


def _users(experiment: Experiment) -> tuple[int, ...] | None:
    assert isinstance(experiment.load, ClosedLoad)
    return experiment.load.users


def test_each_kind_of_value_is_put_in(read: ReadSmall) -> None:
    changed = read(
        overrides=[
            "blocks.count=3",
            "load.users=[1, 2, 3]",
            "upstream.latency=constant(50ms)",
            "resources.memory = 4Gi",
            "resources.cpu=0.25",
            "stack.flask.settings.client=pooled",
            "stack.1.name=async",
        ]
    )
    assert changed.blocks.count == 3
    assert _users(changed) == (1, 2, 3)
    assert changed.upstream is not None
    assert changed.upstream.latency == "constant(50ms)"
    assert (changed.resources.memory_gib, changed.resources.cpu) == (Decimal(4), Decimal("0.25"))
    assert changed.stacks[0].service == OurService(
        service="flask_gunicorn", settings={"threads": 16, "client": "pooled"}
    )
    assert changed.stacks[1].name == "async"


def test_the_last_of_two_options_counts(read: ReadSmall) -> None:
    assert read(overrides=["blocks.count=3", "blocks.count=4"]).blocks.count == 4


def test_whole_tables_can_be_given(read: ReadSmall) -> None:
    changed = read(overrides=['price=[{ list = "gke-autopilot", billing = "provisioned" }]', "load.users=auto"])
    assert [ref.list_id for ref in changed.prices] == ["gke-autopilot"]
    assert _users(changed) is None


def test_text_that_only_looks_like_toml_stays_text(read: ReadSmall) -> None:
    assert read(overrides=["question=a\nb = 1"]).question == "a\nb = 1"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("blocks.count", "--set blocks.count: expected path=value"),
        ("=3", "--set =3: expected path=value"),
        ("blocks..count=3", "expected path=value"),
        ("id.x=1", "id is no table and has no x; set id itself"),
        ("stack.flsk.name=x", "stack has no flsk; the nearest known name is flask"),
        ("stack.2.name=x", "stack has 2 entries, from 0 on; there is no 2"),
        ("load.users.0.x=1", r"load.users\[0\] is no table and has no x"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(read: ReadSmall, option: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(overrides=[option])


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("blocks.cont=3", "--set blocks.cont=3: blocks.cont is not a known key; the nearest known key is count"),
        ("blok.count=3", "--set blok.count=3: blok is not a known key; the nearest known key is blocks"),
        ("blocks.count=three", '--set blocks.count=three: blocks.count is "three"; expected a whole number'),
        ("load.users.0=30", r"small.toml:15: load.users is \[30, 20\]; expected"),
    ],
)
def test_a_wrong_value_is_blamed_on_the_option(read: ReadSmall, option: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(overrides=[option])


def test_what_no_option_set_is_still_blamed_on_the_file(read: ReadSmall) -> None:
    with pytest.raises(ConfigError, match=r"small.toml:4: decision.statistic"):
        read(("goodput", "x"), overrides=["decision.margin_ratio=0.2"])
