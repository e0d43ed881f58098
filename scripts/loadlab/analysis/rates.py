"""The sentences of an open load, whose levels are arrivals per second and not users."""

from __future__ import annotations

from dataclasses import replace

from loadlab.model.result import Analysis, Bracket, Verdict
from loadlab.units import as_rates


def in_rates(analysis: Analysis) -> Analysis:
    """Every sentence about levels, with rates where a closed load has users. Names and files stay as they are."""
    verdict = analysis.verdict
    return replace(
        analysis,
        verdict=replace(verdict, answer=as_rates(verdict.answer), sentence=_sentence(verdict)),
        bracket=_bracket(analysis.bracket),
        refined=None
        if analysis.refined is None
        else replace(analysis.refined, reason=as_rates(analysis.refined.reason)),
        brackets=tuple(replace(one, bracket=_bracket(one.bracket), note=_said(one.note)) for one in analysis.brackets),
        cost=tuple(replace(one, notes=tuple(map(as_rates, one.notes))) for one in analysis.cost),
        explanation=tuple(replace(one, sentence=as_rates(one.sentence)) for one in analysis.explanation),
        findings=tuple(
            replace(one, message=as_rates(one.message), got=_said(one.got), expected=_said(one.expected))
            for one in analysis.findings
        ),
    )


def _sentence(verdict: Verdict) -> str:
    """It begins with the answer; what follows names stacks and settings."""
    answer = verdict.answer.removesuffix(".")
    return as_rates(answer) + verdict.sentence.removeprefix(answer)


def _bracket(bracket: Bracket) -> Bracket:
    return replace(bracket, reason=_said(bracket.reason))


def _said(text: str | None) -> str | None:
    return None if text is None else as_rates(text)
