"""From windows to the verdict: whole synthetic runs whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import make_experiment
from builders_stats import descriptions, goodput_experiment, level, make_run, make_windows, plan_of
from loadlab.analysis.assessment import Assessment, assess
from loadlab.analysis.compare import plain_figures
from loadlab.analysis.summarise import judge
from loadlab.analysis.verdict import exit_code
from loadlab.errors import EXIT_CONCLUSIVE, EXIT_CONTRARY, EXIT_INCONCLUSIVE, EXIT_INVALID
from loadlab.model.experiment import Expectation, Experiment, OurService
from loadlab.model.result import VerdictKind
from loadlab.model.run import RunData, Window


def knee(users: int) -> float:
    """A pool of 48 slots: parts by 10 % at 52.8 users."""
    return max(1.0, users / 48)


def _assess(run: RunData, experiment: Experiment | None = None) -> Assessment:
    asked = experiment or goodput_experiment()
    judged = judge(run, asked)
    return assess(asked, plan_of(run.windows), run, judged, (), descriptions()[: len(asked.stacks)])


def _spoil(windows: tuple[Window, ...], *ids: str) -> tuple[Window, ...]:
    return tuple(replace(w, notes=("the service died",)) if w.id in ids else w for w in windows)


LEVELS = (37, 44, 50, 58, 70)


def test_a_quiet_run_finds_the_knee_and_says_so_with_its_settings() -> None:
    found = _assess(make_run(make_windows(knee, levels=LEVELS)))
    assert (found.bracket.lower_users, found.bracket.upper_users) == (50, 58)
    assert (found.verdict.kind, found.verdict.exit_code) == ("diverges", EXIT_CONCLUSIVE)
    assert found.claim.answer == "refuted_later"
    assert found.verdict.sentence == (
        "Above 50 and by 58 concurrent users pool starts to take more than 1.10x the time of loop for a good request: "
        "1.209x at 58 users (1.202x to 1.216x); the claim of 50 users is refuted: it starts later, if at all "
        "(pool: 1 worker x 48 threads, pooled_urllib3; loop: pooled_aiohttp; IoBoundUser, think time 0 s; "
        "this machine); doubts: the load generator is uncalibrated."
    )
    assert found.verdict.sentence.startswith(found.verdict.answer.rstrip("."))
    assert all(part in found.verdict.sentence for part in (*found.verdict.settings, *found.verdict.doubts))
    assert found.aa.fired is False


def test_a_think_time_that_the_users_chose_is_not_told_as_none() -> None:
    windows = make_windows(knee, levels=LEVELS)
    own = tuple(replace(w, load=replace(w.load, own_waits=("Shopper",))) for w in windows)
    sentence = _assess(make_run(own)).verdict.sentence
    assert "IoBoundUser, think time as the wait_time of Shopper says;" in sentence
    assert "think time 0" not in sentence


@pytest.mark.parametrize(("ratio", "users"), [(1.0, 70), (1.5, 37), (1.1, 70)])
def test_by_how_much_is_said_at_the_end_of_the_bracket_or_at_the_top_level(ratio: float, users: int) -> None:
    found = _assess(make_run(make_windows(level(ratio), levels=LEVELS)))
    shown = next(c for c in found.comparisons if c.users == users and c.statistic == "goodput")
    assert shown.lower_ratio is not None
    assert shown.upper_ratio is not None
    words = f"{shown.ratio:.3f}x at {users} users ({shown.lower_ratio:.3f}x to {shown.upper_ratio:.3f}x)"
    assert words in found.verdict.answer


def test_without_an_interval_the_answer_says_so() -> None:
    found = _assess(make_run(make_windows(level(1.2), levels=LEVELS, blocks=1)))
    assert "at 70 users (no interval)" in found.verdict.answer


def test_every_statistic_has_its_comparisons_and_the_decided_one_comes_first() -> None:
    found = _assess(make_run(make_windows(knee, levels=LEVELS)))
    assert found.brackets[0].statistic == "goodput"
    assert found.brackets[0].bracket == found.bracket
    assert {c.statistic for c in found.comparisons} == {"goodput", "p95", "memory", "cpu_per_request"}
    assert len(found.comparisons) == 4 * len(LEVELS)


def test_a_fired_control_makes_the_verdict_inconclusive_whatever_the_bracket_says() -> None:
    found = _assess(make_run(make_windows(knee, levels=LEVELS, aa_ratio=1.1)))
    assert (found.verdict.kind, found.verdict.exit_code) == ("inconclusive", EXIT_INCONCLUSIVE)
    for bracket in (found.bracket, *(curve.bracket for curve in found.brackets if curve.statistic == "goodput")):
        assert (bracket.kind, bracket.lower_users, bracket.upper_users) == ("inconclusive", None, None)
        assert bracket.estimate_users is None
        assert "without that its levels would part above" in (bracket.reason or "")
    assert found.claim.answer == "inconclusive"
    assert "A/A control found a difference between a stack and itself" in found.verdict.sentence
    assert "aa_fired" in {f.code for f in found.findings}


def test_a_run_that_ended_early_is_never_conclusive() -> None:
    run = make_run(make_windows(knee, levels=LEVELS), complete=False, ended_by="the error ratio passed 0.5")
    found = _assess(run)
    assert found.verdict.kind == found.bracket.kind == "inconclusive"
    assert "ended before its blocks were done (the error ratio passed 0.5)" in found.verdict.sentence
    assert "run_incomplete" in {f.code for f in found.findings}


def test_a_run_without_a_valid_window_is_invalid() -> None:
    windows = make_windows(knee, levels=LEVELS, blocks=2)
    found = _assess(make_run(_spoil(windows, *(w.id for w in windows))))
    assert (found.verdict.kind, found.verdict.exit_code) == ("invalid", EXIT_INVALID)
    assert "no window passed its gates" in found.verdict.sentence
    assert found.counts.valid == 0


def test_counts_of_everything_that_fared_badly_are_published() -> None:
    windows = make_windows(knee, levels=LEVELS, blocks=4)
    spoilt = _spoil(windows, "b01-058-loop", "b02-058-pool", "b03-037-pool-aa")
    found = _assess(replace(make_run(spoilt), interrupted_blocks=(2,)))
    counts = found.counts
    assert (counts.windows, counts.valid, counts.invalid, counts.repeated) == (44, 41, 3, 0)
    assert (counts.missing_pairs, counts.invalid_levels, counts.blocks) == (2, (58,), 4)
    assert counts.reasons == {"note": 3}
    assert counts.requests == sum(w.load.ok for w in spoilt)
    assert (found.bracket.lower_users, found.bracket.upper_users) == (50, 70)
    refused = "(windows were refused most often for note, 3 times: something went wrong during the window)"
    assert f"2 pairs of windows are missing {refused}" in found.verdict.doubts
    assert "1 interrupted block is left out" in found.verdict.sentence


def test_a_service_that_answers_nothing_well_has_no_cost_and_no_verdict() -> None:
    windows = make_windows(knee, levels=LEVELS)
    dead = tuple(
        replace(w, load=replace(w.load, good=0)) if w.stack == "pool" and w.users >= 58 else w for w in windows
    )
    found = _assess(make_run(dead))
    assert found.verdict.kind == "inconclusive"
    assert [f.where for f in found.findings if f.code == "level_invalid"] == ["users=58", "users=70"]


def test_a_statistic_that_no_price_list_gives_is_said_to_be_missing() -> None:
    asked = make_experiment(users=LEVELS, prices=())
    found = _assess(make_run(make_windows(knee, levels=LEVELS)), asked)
    assert found.verdict.kind == "inconclusive"
    assert "no figures for cost_per_million_good" in found.verdict.sentence
    assert len(found.brackets) == 4


def test_one_stack_compares_nothing_and_is_a_capacity_run() -> None:
    alone = make_experiment(services={"pool": OurService(service="flask_gunicorn")}, users=LEVELS)
    run = make_run(tuple(w for w in make_windows(knee, levels=LEVELS) if w.stack == "pool"))
    described = (replace(descriptions()[0], users_per_replica=50),)
    found = assess(alone, plan_of(run.windows), run, judge(run, alone), (), described)
    assert (found.verdict.kind, found.verdict.exit_code) == ("capacity", EXIT_CONCLUSIVE)
    assert "up to 50 users among the tested levels" in found.verdict.sentence
    assert found.comparisons == ()
    assert found.aa.fired is False
    assert all(level.stack == "pool" for level in found.levels)


def test_one_stack_that_holds_the_objective_at_every_level_leaves_open_how_many_users_it_holds() -> None:
    alone = make_experiment(services={"pool": OurService(service="flask_gunicorn")}, users=LEVELS)
    windows = tuple(w for w in make_windows(knee, levels=LEVELS) if w.stack == "pool")
    run = make_run(tuple(replace(w, load=replace(w.load, good=w.load.ok + w.load.failed)) for w in windows))
    described = (replace(descriptions()[0], users_per_replica=None),)
    found = assess(alone, plan_of(run.windows), run, judge(run, alone), (), described)
    assert (found.verdict.kind, found.verdict.exit_code) == ("inconclusive", EXIT_INCONCLUSIVE)
    assert "stays open: no tested level up to 70 users breaks the objective" in found.verdict.sentence


@pytest.mark.parametrize(
    ("kind", "expect", "code"),
    [
        ("diverges", "conclusive", EXIT_CONCLUSIVE),
        ("diverged_at_first", "diverges", EXIT_CONCLUSIVE),
        ("no_divergence", "diverges", EXIT_CONTRARY),
        ("no_divergence", "no_divergence", EXIT_CONCLUSIVE),
        ("diverges", "no_divergence", EXIT_CONTRARY),
        ("no_divergence", "conclusive", EXIT_CONCLUSIVE),
        ("inconclusive", "diverges", EXIT_INCONCLUSIVE),
        ("invalid", "no_divergence", EXIT_INVALID),
        ("capacity", "conclusive", EXIT_CONCLUSIVE),
    ],
)
def test_the_exit_code_is_what_the_experiment_expects_of_it(kind: VerdictKind, expect: Expectation, code: int) -> None:
    assert exit_code(kind, expect) == code


@pytest.mark.parametrize(
    ("ratio", "kind", "words"),
    [
        (
            1.0,
            "no_divergence",
            "Up to 70 concurrent users, the highest level tested, pool does not take more than 1.10x the time of loop",
        ),
        (1.5, "diverged_at_first", "Already at 37 concurrent users, the lowest level tested"),
        (1.1, "inconclusive", "for a good request stays open: "),
    ],
)
def test_the_other_answers_have_sentences_of_their_own(ratio: float, kind: str, words: str) -> None:
    found = _assess(make_run(make_windows(level(ratio), levels=LEVELS)))
    assert found.verdict.kind == kind
    assert words in found.verdict.sentence


@pytest.mark.parametrize(("failed", "has_figures"), [(0, True), (1, True), (2, False), (400, False)])
def test_statistics_of_the_requests_that_were_answered_say_nothing_where_many_failed(
    failed: int, has_figures: bool
) -> None:
    """A stack that refuses most of what it is asked at once answers the rest quickly."""
    run = make_run(make_windows(knee, levels=LEVELS))
    judged = judge(run, make_experiment(users=LEVELS))
    windows = [replace(w, ok=100, failed=failed, p95_s=0.3, cpu_s_per_request=0.001) for w in judged.windows]
    found = {figures.statistic: figures.by_window for figures in plain_figures(windows)}
    for statistic in ("p95", "cpu_per_request"):
        assert all((value is not None) is has_figures for value in (found[statistic] or {}).values())
    assert all(value is not None for value in (found["goodput"] or {}).values())
