"""Rows to files: JSON with every sample, CSV, and a page of Markdown tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Dict, List, Optional

from rows import COLUMNS, OWN, Row, figure, groups, ratio, title

QUIET = 0.1
"""Of a processor: what others may use before a run is called noisy."""


def write(folder: Path, facts: Dict[str, Any], rows: List[Row], stages: List[Dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    everything = {**facts, "rows": rows, "stages": stages}
    (folder / "results.json").write_text(json.dumps(everything, indent=1, ensure_ascii=False), encoding="utf-8")
    _write_csv(folder / "results.csv", COLUMNS, rows)
    if stages:
        _write_csv(folder / "stages.csv", tuple(stages[0]), stages)
    (folder / "results.md").write_text(markdown(facts, rows, stages), encoding="utf-8")


def _write_csv(path: Path, columns: "tuple[str, ...]", rows: List[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def markdown(facts: Dict[str, Any], rows: List[Row], stages: List[Dict[str, Any]]) -> str:
    lines = [f"Processor: {facts['processor']}. {facts['began']}, swiftclip {facts['commit']}.", "", noise(rows), ""]
    lines += [f"{sentence}" for sentence in facts["left_out"]]
    lines += [""] if facts["left_out"] else []
    if rows:
        lines += ["Medians, in brackets the quartiles. Ratio: the best other over swiftclip.", "", *_comparison(rows)]
    if stages:
        lines += ["", "Where swiftclip's time goes (ms an item; waiting is a part of it):", "", *_stages(stages)]
    return "\n".join(lines) + "\n"


def noise(rows: List[Row]) -> str:
    if not any(measured["others_busy"] is not None for measured in rows):
        return "Nothing was measured by the clock."
    busy = max(measured["others_busy"] or 0 for measured in rows)
    if busy <= QUIET:
        return f"Other programs used at most {busy:.2f} processors while a piece of work was measured: a quiet run."
    return (
        f"Other programs used up to {busy:.2f} processors while a piece of work was measured: "
        "NOT a quiet run, its figures are not to be quoted."
    )


def contestants(rows: List[Row]) -> List[str]:
    """In order of appearance, swiftclip first."""
    names = list(dict.fromkeys(measured["contestant"] for measured in rows))
    return sorted(names, key=lambda name: not name.startswith(OWN))


def _comparison(rows: List[Row]) -> List[str]:
    """A table for each set of contestants, so that none has empty columns."""
    tables: Dict[tuple, List[str]] = {}
    for group in groups(rows):
        names = tuple(contestants(list(group.values())))
        found = ratio(group)
        cells = [title(group[names[0]]), group[names[0]]["unit"], *(_cell(group[name]) for name in names)]
        cells.append(f"{found['ratio']:.2f} [{found['lower']:.2f}, {found['upper']:.2f}]" if found else "")
        cells.append(_percent(group.get(OWN, {}).get("share_of_fma_limit")))
        cells.append("; ".join(dict.fromkeys(f"{name}: {m['note']}" for name, m in group.items() if m["note"]))
                     if len({m["note"] for m in group.values()}) > 1 else group[names[0]]["note"])
        tables.setdefault(names, []).append("| " + " | ".join(cells) + " |")
    lines: List[str] = []
    for names, table in tables.items():
        header = ["work", "unit", *names, "ratio", "swiftclip's share of the FMA limit", "note"]
        lines += ["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *table, ""]
    return lines[:-1]


def _cell(measured: Row) -> str:
    return f"{figure(measured['median'])} [{figure(measured['lower_quartile'])}, {figure(measured['upper_quartile'])}]"


def _percent(share: Optional[float]) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _stages(stages: List[Dict[str, Any]]) -> List[str]:
    lines = ["| work | threads | batch | stage | ms | share | waiting ms | GFLOP/s |", "|" + "---|" * 8]
    for stage in stages:
        lines.append(
            f"| {stage['work']}, {stage['model']} | {stage['threads']} | {stage['batch']} | {stage['stage']} "
            f"| {stage['ms_per_item']:.3f} | {stage['share_percent']:.1f} % | {stage['waiting_ms_per_item']:.3f} "
            f"| {stage['gflops']:.1f} |"
        )
    return lines
