"""Lists of a term and its value: the prediction, the control, the counts, the settings and the provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loadlab.report.arrivals import is_open
from loadlab.report.cells import Cell, estimate, figure, words
from loadlab.report.curves import headline_curve
from loadlab.report.results import Results
from loadlab.report.words import (
    ATTRIBUTIONS,
    NOT_PREDICTABLE,
    STATISTICS,
    bracket_text,
    doubled_stacks,
    margin_text,
    miss_text,
    no_number,
    point_text,
    price_text,
    undecided_text,
    users_text,
    utc_text,
)
from loadlab.units import ABSENT, format_count, format_percent, format_ratio, format_s

CONTROL_STATES = {True: "fired: the same stack differs from itself", False: "quiet", None: ABSENT}


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One line of a list."""

    term: str
    cell: Cell


def prediction_items(results: Results) -> tuple[Item, ...]:
    """What the law said before the sweep, beside what was measured."""
    prediction, bracket = results["prediction"], results["bracket"]
    if prediction is None:
        why = "the law predicts users and not rates" if is_open(results) else "the demands are not known"
        return (Item(term="Predicted", cell=figure(ABSENT, f"nothing was predicted: {why}")),)
    return tuple(
        item
        for item in (
            Item(term="Predicted by the law", cell=figure(users_text(prediction["users"]), no_number(prediction))),
            Item(
                term="Measured bracket",
                cell=figure(bracket_text(bracket), undecided_text(bracket) or bracket["reason"] or "not found"),
            ),
            Item(
                term="Measured crossing (approximate)",
                cell=figure(users_text(bracket["estimate_users"]), "the ratio does not cross the margin"),
            ),
            Item(
                term="Measured over predicted",
                cell=figure(miss_text(prediction), _no_miss(results), detail=point_text(prediction) or None),
            ),
            Item(term="Bracket holds the prediction", cell=_yes_no(prediction["inside"], _not_judged(prediction))),
            Item(
                term="Textbook law, all slots in one pool",
                cell=figure(users_text(prediction["textbook_users"]), _no_law(prediction)),
            ),
            *_processor_item(prediction),
            Item(term="What parts the curves, by the law", cell=words(ATTRIBUTIONS[prediction["attribution"]])),
            Item(term="Its reason", cell=words(prediction["reason"])),
        )
    )


def _no_miss(results: Results) -> str:
    prediction = results["prediction"]
    return "the bracket is open" if prediction["users"] is not None else f"by the law: {no_number(prediction)}"


def _not_judged(prediction: Results) -> str:
    return NOT_PREDICTABLE if prediction["attribution"] == "unknown" else "the bracket is open"


def _no_law(prediction: Results) -> str:
    return "slots or waits are not known" if prediction["attribution"] == "unknown" else "no pool of slots"


def _processor_item(prediction: Results) -> tuple[Item, ...]:
    users = prediction["processor_users"]
    if users is None:
        return ()
    return (Item(term="Processor time alone would part them at", cell=figure(users_text(users))),)


def control_items(results: Results) -> tuple[Item, ...]:
    """The A/A control and the resolution it gives this run."""
    control = results["aa"]
    reason = control["reason"] or "the control has too few blocks"
    quiet = CONTROL_STATES[control["fired"]]
    return (
        Item(
            term="A/A control", cell=Cell(text=quiet, figure=False, reason=reason if control["fired"] is None else None)
        ),
        Item(term="Measured on", cell=words(_control_place(results))),
        Item(term="Its ratio", cell=estimate(control["ratio"], lambda value: format_ratio(value, 4), reason)),
        Item(
            term="Resolution (smallest visible difference)",
            cell=figure(format_percent(control["resolution_ratio"]), reason),
        ),
        Item(
            term="the larger of its noise (half of the 95 % interval)",
            cell=figure(format_percent(control["half_width_ratio"]), reason),
        ),
        Item(term="and its bias (distance from 1)", cell=figure(format_percent(control["bias_ratio"]), reason)),
    )


def _control_place(results: Results) -> str:
    control, refined = results["aa"], results["refined"]
    again = f"; at {refined['aa_users']} in stage 2" if refined is not None and refined["levels"] else ""
    return f"{doubled_stacks(control)} at {control['users']} users{again}"


def count_items(results: Results) -> tuple[Item, ...]:
    """How the windows fared."""
    counts = results["counts"]
    names = {
        "windows": "Windows measured",
        "valid": "Valid",
        "invalid": "Invalid",
        "repeated": "Repeated",
        "missing_pairs": "Pairs missing after the repeats",
        "blocks": "Blocks",
        "interrupted_blocks": "Interrupted blocks, left out and redone",
        "requests": "Requests that ended in a window",
    }
    reasons = "; ".join(f"{code}: {format_count(number)}" for code, number in sorted(counts["reasons"].items()))
    levels = ", ".join(map(str, counts["invalid_levels"]))
    return (
        *(Item(term=term, cell=figure(format_count(counts[name]))) for name, term in names.items()),
        Item(term="Invalid levels", cell=words(levels or "none")),
        Item(term="Failed gates", cell=words(reasons or "none")),
    )


def setting_items(results: Results) -> tuple[Item, ...]:
    """The declared experiment."""
    asked = results["experiment"]
    levels = ", ".join(map(str, asked["levels"]))
    placed = {"law": "placed by the law", "file": "from the file"}[asked["levels_from"]]
    return tuple(
        Item(term=term, cell=words(text))
        for term, text in (
            ("Statistic", f"{STATISTICS[asked['statistic']]} ({price_text(headline_curve(results))})"),
            ("Threshold", f"ratio above {margin_text(asked['margin_ratio'])}, alpha {asked['alpha']:g}"),
            *_stage_texts(results["refined"]),
            ("Good", f"answered as expected within {format_s(asked['objective_latency_s'])}"),
            ("Objective of a level", f"{format_percent(asked['objective_good_ratio'])} of requests good"),
            ("Load", _load_text(asked)),
            ("Upstream", asked["upstream_latency"] or "none"),
            ("Levels", f"{levels} users, {placed}"),
            ("Windows", _windows_text(asked)),
            ("Blocks", f"{asked['blocks']}, seed {asked['seed']}"),
            ("A replica", asked["resources"]),
            ("Price lists", "; ".join(asked["prices"])),
        )
    )


def _windows_text(asked: Results) -> str:
    awake = ", idle cores kept awake" if asked["keep_awake"] else ""
    return f"{format_s(asked['warmup_s'])} warm-up, {format_s(asked['measure_s'])} measured{awake}"


def _stage_texts(refined: Results | None) -> Iterator[tuple[str, str]]:
    """The rules of a second stage, which were fixed before the first window."""
    if refined is not None:
        further = refined["beyond_asked"]
        beyond = f"; where it is open at one end, up to {further} beyond" if further else ""
        yield (
            "Second stage",
            f"{refined['blocks_asked']} fresh blocks: where the bracket of the first is closed and wider than "
            f"{format_ratio(refined['width_ratio'], 2)}, up to {refined['levels_asked']} levels inside of it{beyond}; "
            f"alpha {refined['stage_alpha']:g} for each stage",
        )


def _load_text(asked: Results) -> str:
    if asked.get("load_kind") != "open":
        return f"closed loop, {asked['scenario']}, think time {_think_text(asked)}"
    at_most = format_count(asked["in_flight_max"])
    return f"open loop, {asked['scenario']}, {asked['arrivals']} arrivals, at most {at_most} in flight"


def _think_text(asked: Results) -> str:
    names = ", ".join(asked["own_waits"] or ())
    return f"as the wait_time of {names} says" if names else format_s(asked["think_s"])


def provenance_items(results: Results) -> tuple[Item, ...]:
    """Where, when and with what the run was made; nested facts are flattened."""
    return tuple(_flat("", results["provenance"]))


def _flat(prefix: str, facts: Mapping[str, object]) -> Iterator[Item]:
    for key, value in sorted(facts.items()):
        term = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(f"{term}.", value)
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            for number, one in enumerate(value, start=1):
                yield from _flat(f"{term}.{number}.", one)
        elif key.endswith("unix_s"):
            yield Item(term=term.removesuffix("_unix_s"), cell=words(utc_text(value)))
        else:
            yield Item(term=term, cell=_fact(key, value))


def _fact(key: str, value: object) -> Cell:
    if value is None:
        return Cell(text=ABSENT, figure=False, reason="not available on this machine")
    if key == "resumed" and isinstance(value, Sequence):
        return words("; ".join(map(utc_text, value)) or "never")
    if isinstance(value, list | tuple):
        return words(", ".join(map(str, value)) or "none")
    if isinstance(value, bool):
        return words("yes" if value else "no")
    return words(str(value))


def _yes_no(answer: bool | None, reason: str) -> Cell:
    if answer is None:
        return Cell(text=ABSENT, figure=False, reason=reason)
    return words("yes" if answer else "no")
