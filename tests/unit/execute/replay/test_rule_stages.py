"""Recording rules are filled in after those that they rest on."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from loadlab.execute.replay.rule_stages import recording_rules, rule_file, stages
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import rule_files


def _rule(record: str, expr: str) -> dict[str, str]:
    return {"record": record, "expr": expr}


def test_each_stage_needs_only_what_came_before() -> None:
    rules = [_rule("l:c", "l:a + l:b"), _rule("l:a", "a"), _rule("l:b", "2 * l:a"), _rule("l:d", "rate(l_a[1m])")]
    assert [[rule["record"] for rule in stage] for stage in stages(rules)] == [["l:a", "l:d"], ["l:b"], ["l:c"]]


def test_rules_that_need_each_other_are_an_error() -> None:
    with pytest.raises(ValueError, match="need each other: a, b"):
        stages([_rule("a", "b"), _rule("b", "a")])


def test_several_rules_of_one_name_are_all_there_before_it_is_used() -> None:
    rules = [_rule("a", "x"), _rule("use", "sum(a)"), _rule("a", "y")]
    assert [len(stage) for stage in stages(rules)] == [2, 1]


def test_alerts_are_left_out_and_a_rule_file_keeps_a_rule_as_it_is(tmp_path: Path) -> None:
    labelled = {**_rule("a", "vector(0.04048)"), "labels": {"list": "x"}}
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [labelled, {"alert": "Bad", "expr": "a > 1"}]}]}))
    assert recording_rules([path]) == [labelled]
    (group,) = yaml.safe_load(rule_file([labelled], 5.0))["groups"]
    assert (group["interval"], group["rules"]) == ("5s", [labelled])


def test_the_labs_own_rules_have_an_order() -> None:
    rules = recording_rules(rule_files(checkout()))
    assert sum(len(stage) for stage in stages(rules)) == len(rules) > 10
