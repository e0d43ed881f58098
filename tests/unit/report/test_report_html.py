"""report.html is one safe, self-contained page whose every figure comes out of results.json."""

from __future__ import annotations

import copy
import html.parser
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import pytest

from builders_report import Shape, build_analysis
from loadlab import units
from loadlab.report import words
from loadlab.report.html import render_html
from loadlab.report.results import from_json, to_json

VOID = {"meta", "link", "br", "img", "input", "hr"}
NUMBER = re.compile(r"\d+(?:[.\u202f]\d+)*")


class Page(html.parser.HTMLParser):
    """The page taken apart: tags, ids, attributes, visible text and whatever is not well nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.problems: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("class") or ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1][0] != tag:
            self.problems.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        hidden = any(tag in ("style", "pre") or css == "tick" for tag, css in self.open)
        if data.strip() and not hidden:
            self.texts.append(data)

    @property
    def ids(self) -> list[str]:
        return [value for _, name, value in self.attributes if name == "id"]


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def spellings(number: float) -> Iterator[str]:
    """Every way in which the report may write one number of results.json."""
    shows = (units.format_s, units.format_bytes, units.format_rps, units.format_usd, units.format_percent)
    yield from (show(number) for show in (*shows, units.format_users, units.format_count, units.format_cores))
    yield from (units.format_ratio(number, digits) for digits in (2, 3, 4))
    yield from (words.plain_users(number), f"{number:g}", f"{number:.1f}", words.margin_text(number), str(number))


def known_numbers(results: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for leaf in {leaf for leaf in leaves(results) if isinstance(leaf, str | int | float)}:
        texts = [leaf] if isinstance(leaf, str) else spellings(leaf)
        for text in texts:
            found.update(NUMBER.findall(text))
    return found


def test_rendering_again_gives_the_same_bytes_and_changes_nothing(results: dict[str, Any]) -> None:
    before = copy.deepcopy(results)
    first = render_html(results)
    assert render_html(from_json(to_json(build_analysis()))) == first
    assert results == before


@pytest.mark.parametrize("name", ["results", "bare_results", "full_results"])
def test_the_page_is_well_nested_with_unique_ids_and_links_that_lead_somewhere(
    name: str, request: pytest.FixtureRequest
) -> None:
    page = Page(render_html(request.getfixturevalue(name)))
    assert page.problems == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    referred = [value for _, attribute, value in page.attributes if attribute == "aria-labelledby"]
    targets = [value[1:] for _, attribute, value in page.attributes if attribute == "href" and value[0] == "#"]
    assert {part for value in referred for part in value.split()} | set(targets) <= set(page.ids)


def test_nothing_is_loaded_and_no_script_runs(results: dict[str, Any]) -> None:
    text = render_html(results)
    page = Page(text)
    loads = [value for _, name, value in page.attributes if name in ("src", "href", "data", "action", "srcset")]
    assert all(value.startswith("#") or value == "data:," for value in loads)
    assert "@import" not in text
    assert "url(" not in text
    assert not [tag for tag, _, _ in page.attributes if tag == "script"]
    assert "<script" not in text


def test_every_picture_says_what_it_shows_and_is_sound_xml(full_results: dict[str, Any]) -> None:
    pictures = re.findall(r'<svg class="chart.*?</svg>', render_html(full_results), re.DOTALL)
    assert len(pictures) > 15
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert root.attrib["role"] == "img"
        assert [child.tag for child in root][:2] == ["title", "desc"]
        assert all(child.text for child in list(root)[:2])


def test_no_coordinate_leaves_its_picture(full_results: dict[str, Any]) -> None:
    for picture in re.findall(r'<svg class="chart.*?</svg>', render_html(full_results), re.DOTALL):
        root = ElementTree.fromstring(picture)
        width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
        for text in root.iter("text"):
            assert 0 <= float(text.attrib["x"]) <= width
            assert 0 <= float(text.attrib["y"]) <= height
        for circle in root.iter("circle"):
            assert 0 <= float(circle.attrib["cx"]) <= width
            assert 0 <= float(circle.attrib["cy"]) <= height


def test_a_run_at_full_strength_stays_under_two_megabytes(full_results: dict[str, Any]) -> None:
    assert len(full_results["windows"]) == 14 * 8 * 2
    assert len(render_html(full_results).encode()) <= 2_000_000


@pytest.mark.parametrize("name", ["results", "bare_results"])
def test_every_number_on_the_page_is_a_number_of_the_results(name: str, request: pytest.FixtureRequest) -> None:
    results = request.getfixturevalue(name)
    known = known_numbers(results) | {"95", "99", "50", "1000"}
    known |= set(NUMBER.findall(words.utc_text(results["provenance"]["started_unix_s"])))
    known |= {str(total) for total in range(len(results["findings"]) + 1)}
    known |= {str(rank) for rank in range(1, 5)}
    shown = {number for text in Page(render_html(results)).texts for number in NUMBER.findall(text)}
    assert len(shown) > 50
    assert shown - known == set()


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        (("verdict", "answer"), "An answer of its own.", "An answer of its own."),
        (("verdict", "settings", 1), "another stack", "another stack"),
        (("verdict", "doubts", 0), "a doubt of its own", "<b>Doubts:</b> a doubt of its own"),
        (("prediction", "upper_ratio"), 1.33, "measured over predicted (0.83x, 1.33x], about 1.04x"),
        (("aa", "bias_ratio"), 0.0123, "1.2 %"),
        (("levels", 0, "p99_pooled_s"), 0.654, "654 ms"),
        (("brackets", 2, "constant_ratio", "value"), 1.0456, "at no number of users (1.046x at any)"),
        (("bracket", "upper_users"), 61, "(44, 61] users"),
        (("prediction", "users"), 57.3, "predicted 57.3"),
        (("aa", "resolution_ratio"), 0.0333, "3.3 %"),
        (("claim", "users"), 49, "Claim: 49 users"),
        (("comparisons", 0, "ratio"), 1.2345, "1.234x"),
        (("levels", 0, "goodput_rps", "value"), 123.4, "123 req/s"),
        (("levels", 0, "p99_s", "value"), 0.777, "777 ms"),
        (("cost", 0, "usd_per_million_good"), 7.654321, "$7.654"),
        (("cost", 0, "usd_per_hour_at_users"), 0.123457, "$0.1235"),
        (("windows", 0, "pss_bytes"), 345_678_901, "330 MiB"),
        (("counts", "missing_pairs"), 17, "17 pairs missing"),
        (("counts", "missing_pairs"), 1, " 1 pair missing"),
        (("stacks", 0, "demand_service_s"), 0.3456, "346 ms"),
        (("experiment", "toml"), "# another file", "# another file"),
        (("provenance", "calibration"), "calibrated yesterday", "calibrated yesterday"),
    ],
)
def test_a_changed_value_changes_the_page(
    results: dict[str, Any], path: tuple[str | int, ...], value: object, shown: str
) -> None:
    assert shown not in render_html(results)
    target: Any = results
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    assert shown in render_html(results)


def test_what_is_absent_is_a_dash_with_its_reason_and_never_zero(bare_results: dict[str, Any]) -> None:
    text = render_html(bare_results)
    for reason in (words.NO_PSS, words.NO_CPU, words.NO_P99, "nothing was predicted", "one block only"):
        assert reason in text
    assert f'<abbr title="{words.NO_PSS}">–</abbr>' in text
    assert "None" not in text
    assert "nan" not in Page(text).texts


def test_hostile_strings_are_shown_and_not_run() -> None:
    attack = "<script>alert(1)</script>\"'&"
    text = render_html(from_json(to_json(build_analysis(Shape(names=(attack, "b</svg><img src=x onerror=y>"))))))
    assert "<script" not in text
    assert "<img" not in text
    assert Page(text).problems == []
    assert "&lt;script&gt;alert(1)" in text


def test_the_verdict_is_told_by_a_word_and_a_sign_and_not_by_colour_alone(results: dict[str, Any]) -> None:
    for kind, badge in words.BADGES.items():
        results["verdict"]["kind"] = kind
        assert f'<span aria-hidden="true">{badge.sign}</span> {badge.word}' in render_html(results)


def test_a_ratio_that_is_the_inverse_throughput_says_so_beside_its_chart(results: dict[str, Any]) -> None:
    beside = f'<p class="note">{words.INVERSE_THROUGHPUT}</p>'
    assert beside in render_html(results)
    for curve in results["brackets"]:
        curve["is_inverse_throughput"] = False
    assert beside not in render_html(results)


def test_findings_come_worst_first_and_all_their_places_are_there(results: dict[str, Any]) -> None:
    text = render_html(results)
    places = [text.index(f'id="doubts-{level}"') for level in ("invalid", "warning", "not_available", "info")]
    assert places == sorted(places)
    doubts = text[places[0] :]
    assert all(finding["where"] in doubts for finding in results["findings"])


def test_runs_that_went_wrong_make_sound_pages_without_empty_charts(odd_results: dict[str, Any]) -> None:
    text = render_html(odd_results)
    assert Page(text).problems == []
    assert "None" not in text
    assert 'points=""' not in text


def test_a_run_without_a_valid_window_says_so_instead_of_drawing(invalid_results: dict[str, Any]) -> None:
    text = render_html(invalid_results)
    assert '<svg class="chart' not in text
    assert f"Latency, p99: {words.NO_ESTIMATE}." in text


def test_the_declared_statistic_is_drawn_on_every_list_and_the_others_are_folded(results: dict[str, Any]) -> None:
    text = render_html(results)
    lists = text[text.index('id="prices"') : text.index("by other statistics")]
    assert lists.count('<svg class="chart') == 2 * 3 - 1
    assert "at no number of users (1.004x at any)" in lists
    assert "No chart of Ratio flask over fastapi: 1.004x at any number of users" in lists
    assert "<h3>Google Cloud Run, us-east-1, as of 2026-09-30, request-billed" in lists
    assert "OpenCost default prices, undated, usage" in lists
    assert "<details" not in lists
    rest = text[text.index("by other statistics") : text.index('id="load"')]
    assert "<summary>95th percentile of latency, closed loop<" in rest


def test_curves_that_are_absent_take_one_line_with_the_reason(results: dict[str, Any]) -> None:
    line = (
        "US dollars per hour at N users (aws-fargate-x86, cloud-run-request, opencost-default): "
        "absent, because no tested level breaks the objective."
    )
    assert render_html(results).count(line) == 1


@pytest.mark.parametrize("field", ["title", "region", "as_of", "source", "billed_size"])
def test_the_price_lists_are_told_with_where_they_come_from(results: dict[str, Any], field: str) -> None:
    results["price_lists"][0][field] = "told once"
    assert "told once" in render_html(results)


def test_what_filled_up_is_told_in_words_and_with_the_limit_drawn(results: dict[str, Any]) -> None:
    why = render_html(results).partition('id="why"')[2].partition('id="law"')[0]
    assert "all its 48 slots are busy from 53 users on" in why
    assert ">48 slots<" in why
    assert ">1 given<" in why


def test_the_law_is_drawn_only_over_the_ratio_that_it_speaks_of(results: dict[str, Any]) -> None:
    assert "series predicted dashed" in render_html(results)
    for curve in results["brackets"]:
        curve["is_inverse_throughput"] = False
    assert "series predicted dashed" not in render_html(results)


@pytest.mark.parametrize("keep", [1, 0])
def test_a_run_of_one_stack_or_without_any_window_still_makes_a_page(results: dict[str, Any], keep: int) -> None:
    names = [stack["name"] for stack in results["stacks"][:keep]]
    results["stacks"] = results["stacks"][:keep]
    results["comparisons"] = results["brackets"] = []
    for part in ("levels", "windows", "cost"):
        results[part] = [row for row in results[part] if row["stack"] in names]
    results["verdict"]["kind"] = "capacity"
    assert Page(render_html(results)).problems == []


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize("ground", ["paper", "raised"])
def test_every_text_colour_meets_contrast_aa_in_light_and_dark(
    results: dict[str, Any], scheme: int, ground: str
) -> None:
    roots = re.findall(r":root {(.*?)}", render_html(results), re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", roots[scheme]))
    base = luminance(colours[ground])
    names = ("ink", "soft", "one", "two", "found", "quiet", "doubt", "bad", "predicted", "claim", "bracket-ink")
    for name in names:
        light, dark = sorted((luminance(colours[name]), base), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def test_an_invalid_level_is_drawn_hollow_and_named(results: dict[str, Any]) -> None:
    assert "dot hollow" not in render_html(results)
    results["comparisons"][0]["valid"] = False
    text = render_html(results)
    assert "dot hollow" in text
    assert "level invalid" in text


def test_percentiles_stand_beside_the_words_closed_loop(results: dict[str, Any]) -> None:
    text = render_html(results)
    for title in ("Latency, p50", "Latency, p95", "Latency, p99", "Median response time"):
        assert re.search(rf"<figcaption>{title}<small>closed loop", text), title
    assert "coordinated omission" in text
    assert "What was measured at each level (closed loop)" in text
    assert "All windows (closed loop)" in text


def test_a_pooled_p99_is_labelled_as_such_and_has_no_interval(results: dict[str, Any]) -> None:
    text = render_html(results)
    assert "<small>closed loop; all windows of a level pooled, so without an interval</small>" in text
    picture = re.search(r'<svg class="chart panel"[^>]*p99-pooled.*?</svg>', text, re.DOTALL)
    assert picture is not None
    assert "whisker" not in picture[0]


def test_requests_are_called_what_they_count(results: dict[str, Any]) -> None:
    results["counts"]["requests"] = 123_456
    assert re.search(r"<dt>Requests that ended in a window</dt><dd>123\u202f456", render_html(results))


def test_no_line_of_a_mark_runs_through_a_label(full_results: dict[str, Any], results: dict[str, Any]) -> None:
    """The claim stands inside the bracket, whose label its line would cross."""
    results["claim"]["users"] = 49
    for run in (full_results, results):
        pictures = re.findall(r'<svg class="chart (?:wide|narrow)".*?</svg>', render_html(run), re.DOTALL)
        assert len(pictures) == 4
        for picture in pictures:
            root = ElementTree.fromstring(picture)
            lines = [line.attrib for line in root.iter("line") if line.attrib["class"].startswith("mark-")]
            labels = [text for text in root.iter("text") if text.attrib["class"].startswith("mark-")]
            assert len(labels) == 3
            assert lines
            for label in labels:
                left, right = (float(label.attrib["x"]) + side * 3.2 * len(label.text or "") for side in (-1, 1))
                base = float(label.attrib["y"])
                for line in lines:
                    beside = not left < float(line["x1"]) < right
                    assert beside or float(line["y1"]) >= base - 1 or float(line["y2"]) <= base - 9, label.text


def test_no_label_of_a_mark_covers_the_name_of_the_axis(full_results: dict[str, Any], results: dict[str, Any]) -> None:
    """A bracket at the left edge pushes its label towards the unit of the vertical axis."""
    results["bracket"]["lower_users"] = results["brackets"][0]["bracket"]["lower_users"] = 37
    for run in (full_results, results):
        for picture in re.findall(r'<svg class="chart (?:wide|narrow)".*?</svg>', render_html(run), re.DOTALL):
            texts = list(ElementTree.fromstring(picture).iter("text"))
            (unit,) = (text for text in texts if text.attrib["class"] == "unit" and "users" not in (text.text or ""))
            (label,) = (text for text in texts if text.attrib["class"] == "mark-bracket")
            wide = 6.4 * len(unit.text or "")
            ends = float(unit.attrib["x"]) + (wide / 2 if unit.attrib["text-anchor"] == "middle" else 0)
            assert float(label.attrib["x"]) - 3.4 * len(label.text or "") > ends, picture[:60]
