"""Draws the boards without a Grafana, out of what their queries said of a session, so that somebody can look at them.

python tests/dashboards/pictures.py RUN FOLDER     RUN: a bundle after `loadlab report RUN --queries`
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COLOURS = ("#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0")
WIDTH, HEIGHT, LEFT, BELOW = 100.0, 60.0, 14.0, 8.0
MOST_GAP_S = 11.0
"""Two evaluations: points further apart are not joined, as Grafana does not join them."""
PAGE = """<!doctype html><meta charset="utf-8"><style>
body{{background:#111217;color:#ccccdc;font:13px sans-serif;width:1560px;margin:10px}}
h1{{font-size:18px}} .grid{{display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:34px;gap:6px}}
.panel{{background:#181b1f;border:1px solid #2c3235;padding:6px;overflow:hidden;display:flex;flex-direction:column}}
.row{{font-weight:bold;padding-top:8px}} .panel b{{font-weight:500}} .stat{{font-size:26px}}
.line{{fill:none;stroke-width:.7;stroke-linecap:round}}
svg{{flex:1;min-height:0;width:100%}}
text{{fill:#9fa3ab;font-size:3.6px}} td{{padding:1px 14px 1px 0}}
.legend span{{margin-right:12px;font-size:11px}} .none{{color:#888;font-size:20px;margin:auto}}
</style><h1>{title}</h1><div class="grid">{panels}</div>"""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a panel."""

    name: str
    labels: Mapping[str, str]
    values: Sequence[tuple[float, float]]
    unit: str = "short"

    @property
    def last(self) -> float:
        """What a table shows of it."""
        return self.values[-1][1]


def main(run: Path, into: Path) -> None:
    """One page for each board."""
    into.mkdir(parents=True, exist_ok=True)
    for file in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
        board = json.loads(file.read_text(encoding="utf-8"))
        kept = json.loads((run / "queries" / file.name).read_text(encoding="utf-8"))
        panels = "".join(_panel(panel, kept) for panel in board["panels"])
        (into / f"{board['uid']}.html").write_text(PAGE.format(title=escape(board["title"]), panels=panels))


def _panel(panel: Mapping[str, Any], kept: Mapping[str, Any]) -> str:
    at = panel["gridPos"]
    place = f"grid-column:{at['x'] + 1}/span {at['w']};grid-row:{at['y'] + 1}/span {at['h']}"
    if panel["type"] == "row":
        return f'<div class="row" style="{place}">{escape(panel["title"])}</div>'
    series = _shown(panel, kept)
    body = _drawn(panel, series) if series else '<div class="none">no data</div>'
    return f'<div class="panel" style="{place}"><b>{escape(panel["title"])}</b>{body}</div>'


def _shown(panel: Mapping[str, Any], kept: Mapping[str, Any]) -> Sequence[Series]:
    """Of lines all that there was; of all else what there is at the session's end."""
    mine = {query["ref"]: query for query in reversed(kept["queries"]) if query["panel"] == panel["id"]}
    series = [one for _, query in sorted(mine.items()) for one in _series(query)]
    last_s = kept["end_s"] - kept["step_s"]
    return [one for one in series if panel["type"] == "timeseries" or one.values[-1][0] > last_s]


def _drawn(panel: Mapping[str, Any], series: Sequence[Series]) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    if panel["type"] == "stat":
        return _stat(series, defaults["unit"], defaults["thresholds"]["steps"])
    return {"timeseries": _lines, "table": _table, "xychart": _points}[panel["type"]](series, defaults["unit"])


def _series(query: Mapping[str, Any]) -> Iterator[Series]:
    """One price list of several is drawn, as on a board; NaN is a gap."""
    for one in query["result"]:
        labels = one["metric"]
        name = query["legend"]
        for label in re.findall(r"\{\{(\w+)\}\}", name):
            name = name.replace(f"{{{{{label}}}}}", labels.get(label, ""))
        values = [(float(at), float(value)) for at, value in one["values"] if value != "NaN"]
        if values:
            yield Series(name, labels, values, query["unit"])


def _told(value: float, unit: str) -> str:
    match unit:
        case "bytes":
            return f"{value / 2**20:.4g} MiB"
        case "s":
            return f"{value * 1000:.4g} ms" if value < 1 else f"{value:.4g} s"
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "currencyUSD":
            return f"${value:.5g}"
        case "reqps":
            return f"{value:.4g} req/s"
    return f"{value:.5g}"


def _legend(names: Sequence[str]) -> str:
    marks = (
        f'<span style="color:{COLOURS[number % len(COLOURS)]}">&#9632; {escape(name)}</span>'
        for number, name in enumerate(names)
    )
    return f'<div class="legend">{"".join(marks)}</div>'


def _axes(series: Sequence[Series], unit: str) -> tuple[float, float, float, str]:
    """First and last moment, top, and the labels."""
    moments = [at for one in series for at, _ in one.values]
    top = max(value for one in series for _, value in one.values) * 1.05 or 1.0
    bottom = HEIGHT - BELOW
    labels = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{bottom * (1 - share):.2f}" y2="{bottom * (1 - share):.2f}" stroke="#333" '
        f'stroke-width=".2"/><text x="0" y="{bottom * (1 - share) + 3:.2f}">{_told(top * share, unit)}</text>'
        for share in (0, 0.5, 0.95)
    )
    labels += f'<text x="{LEFT}" y="{HEIGHT - 1}">0 s</text>'
    labels += f'<text x="{WIDTH - 12}" y="{HEIGHT - 1}">{max(moments) - min(moments):.0f} s</text>'
    return min(moments), max(moments), top, labels


def _lines(series: Sequence[Series], unit: str) -> str:
    first, last, top, labels = _axes(series, unit)
    drawn = []
    for number, one in enumerate(series):
        path, before = "", None
        for at, value in one.values:
            x = LEFT + (WIDTH - LEFT) * (at - first) / ((last - first) or 1)
            y = (HEIGHT - BELOW) * (1 - value / top)
            path += f"{'M' if before is None or at - before > MOST_GAP_S else 'L'}{x:.2f} {y:.2f} l0.01 0 "
            before = at
        drawn.append(f'<path d="{path}" stroke="{COLOURS[number % len(COLOURS)]}" class="line"/>')
    return _picture(labels, drawn) + _legend([one.name for one in series])


def _picture(labels: str, drawn: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">{labels}{"".join(drawn)}</svg>'


def _stat(series: Sequence[Series], unit: str, steps: Sequence[Mapping[str, Any]]) -> str:
    told = "".join(
        f'<div style="color:{_colour(one.last, steps)}">{escape(one.name)} {_told(one.last, unit)}</div>'
        for one in series
    )
    return f'<div class="stat">{told}</div>'


def _colour(value: float, steps: Sequence[Mapping[str, Any]]) -> str:
    """That of the highest bound that the value reaches; the first step has none."""
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c"}[reached[-1]]


def _table(series: Sequence[Series], unit: str) -> str:
    """A line for each cell: its row's labels, its column, its value."""
    del unit  # each column has its own
    rows = (
        f"<tr><td>{escape(' '.join(one.labels.values()))}</td><td>{escape(one.name)}</td>"
        f"<td>{_told(one.last, one.unit)}</td></tr>"
        for one in series
    )
    return f"<table>{''.join(rows)}</table>"


def _points(series: Sequence[Series], unit: str) -> str:
    """The last value of each series against the users of its label, coloured by stack."""
    stacks = sorted({one.labels["stack"] for one in series})
    users = [float(one.labels["users"]) for one in series]
    top = max(one.last for one in series) * 1.05
    drawn = [
        f'<circle r="1.2" cx="{LEFT + (WIDTH - LEFT) * 0.95 * at / max(users):.2f}" '
        f'cy="{(HEIGHT - BELOW) * (1 - one.last / top):.2f}" fill="{COLOURS[stacks.index(one.labels["stack"])]}"/>'
        for at, one in zip(users, series, strict=True)
    ]
    _, _, _, labels = _axes([Series("", {}, [(0.0, one.last), (max(users), one.last)]) for one in series], unit)
    return _picture(labels.replace(" s</text>", " users</text>"), drawn) + _legend(stacks)


if __name__ == "__main__":
    if not (Path(sys.argv[1]) / "queries").is_dir():
        sys.exit(f"{sys.argv[1]}: has no queries/; `loadlab report {sys.argv[1]} --queries` makes them")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
