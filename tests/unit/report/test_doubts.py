"""Findings are read by code: each once, with what its places share said once."""

from __future__ import annotations

from typing import Any

from loadlab.report.doubts import Doubt, doubt_groups


def finding(where: str, **changes: Any) -> dict[str, Any]:
    shared = {"code": "lag", "level": "invalid", "message": "late", "got": None, "expected": None, "next_step": "wait"}
    return {**shared, "where": where, **changes}


def only(*findings: dict[str, Any]) -> Doubt:
    (group,) = doubt_groups({"findings": list(findings), "windows": []})
    assert group.tally == str(len(findings))
    (doubt,) = group.doubts
    return doubt


def test_one_entry_for_a_code_whatever_was_got_and_expected() -> None:
    doubt = only(
        finding("a", got="9 ms", expected="at most 5 ms"),
        finding("b", got="8 ms", expected="at most 6 ms"),
    )
    assert (doubt.message, doubt.expected, doubt.next_step) == ("late", None, "wait")
    assert doubt.places == ("a (got 9 ms; expected at most 5 ms)", "b (got 8 ms; expected at most 6 ms)")


def test_what_all_places_expect_is_said_once() -> None:
    doubt = only(finding("a", got="9", expected="5"), finding("b", got="8", expected="5"))
    assert doubt.expected == "5"
    assert doubt.places == ("a (got 9)", "b (got 8)")


def test_details_after_the_shared_message_go_to_their_places() -> None:
    doubt = only(
        finding("users=40", message="pairs are missing: goodput"),
        finding("users=48", message="pairs are missing: p95"),
    )
    assert doubt.message == "pairs are missing"
    assert doubt.places == ("users=40 (goodput)", "users=48 (p95)")


def test_the_first_places_are_named_once_and_the_rest_counted() -> None:
    doubt = only(*(finding(where) for where in ("a", "a", "b", "c", "d", "e")))
    assert doubt.names == ("a", "b", "c", "d", "e")
    assert doubt.first_places == "a, b, c and 2 more"
    assert only(finding("a")).first_places == "a"


def test_groups_come_worst_first_and_empty_ones_are_left_out() -> None:
    groups = doubt_groups({"findings": [finding("a", level="info"), finding("b", level="invalid")], "windows": []})
    assert [group.level for group in groups] == ["invalid", "info"]


def test_windows_are_counted_once_and_apart_from_findings_of_the_run() -> None:
    """One number of both would be of nothing: two gates that fail in one window make one window less."""
    found = [finding("b1"), finding("b2"), finding("b1", code="steal"), finding("users=48", code="level_invalid")]
    (group,) = doubt_groups({"findings": found, "windows": [{"id": "b1"}, {"id": "b2"}, {"id": "b3"}]})
    assert group.tally == "2 windows, 1 of the run"
    assert [(doubt.code, doubt.tally) for doubt in group.doubts] == [
        ("lag", "in 2 windows"),
        ("steal", ""),
        ("level_invalid", ""),
    ]
