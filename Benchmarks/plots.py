"""Rows to pictures, each as PNG and SVG. Needs matplotlib."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import peers
from encoding import WORKS
from report import contestants
from rows import OWN, Row, figure, groups, ratio, title

COLOURS = {
    OWN: "#d1495b", f"{OWN}, AVX2": "#e8a0a8", "onnxruntime": "#30638e", "OpenVINO": "#3c9d8f", "PyTorch": "#8d6a9f",
}
OTHER_COLOURS = ("#7f7f7f", "#b5a642", "#4c4c4c")


def colour(name: str) -> str:
    return COLOURS.get(name) or OTHER_COLOURS[sum(map(ord, name)) % len(OTHER_COLOURS)]


def draw_into(folder: Path, facts: Dict[str, Any], rows: List[Row]) -> List[Path]:
    """The pictures that these rows have something for."""
    if importlib.util.find_spec("matplotlib") is None:
        peers.say("No plots are drawn: the Python package matplotlib is not installed in this environment.")
        return []
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    folder.mkdir(parents=True, exist_ok=True)
    made: List[Path] = []

    def finish(name: str, drawing: Any) -> None:
        drawing.text(0.005, 0.005, facts["processor"], fontsize=6, color="#666666")
        drawing.tight_layout(rect=(0, 0.03, 1, 1))
        for suffix in (".png", ".svg"):
            made.append(folder / f"{name}{suffix}")
            drawing.savefig(made[-1], dpi=150)
        pyplot.close(drawing)

    with pyplot.rc_context({
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
        "axes.axisbelow": True, "font.size": 9, "legend.frameon": False, "svg.hashsalt": "swiftclip",
    }):
        encoders = [measured for measured in rows if measured["work"] in WORKS]
        for work in dict.fromkeys(measured["work"] for measured in encoders):
            of_work = [measured for measured in encoders if measured["work"] == work]
            unit = of_work[0]["unit"]
            finish(f"{work}-batch", _against_batch(pyplot, of_work, unit, lambda m: m["median"], spread=True))
            if any(measured["share_of_fma_limit"] for measured in of_work):
                label = "share of the FMA limit, %"
                finish(f"{work}-fma", _against_batch(pyplot, of_work, label, _share, spread=False))
            if len({measured["threads"] for measured in of_work}) > 1:
                finish(f"{work}-threads", _against_threads(pyplot, of_work))
        for name, work in (("start", "start to first embedding"), ("memory", "peak memory")):
            of_work = [measured for measured in rows if measured["work"] == work]
            if of_work:
                finish(name, _bars(pyplot, of_work))
        if any(ratio(group) for group in groups(rows)):
            finish("ratios", _ratios(pyplot, rows))
    return made


def _share(measured: Row) -> Optional[float]:
    return None if measured["share_of_fma_limit"] is None else 100 * measured["share_of_fma_limit"]


def _panels(pyplot: Any, count: int) -> Any:
    """A figure with some panels side by side, four in a line at most."""
    columns = min(count, 4)
    lines = (count + columns - 1) // columns
    drawing, axes = pyplot.subplots(lines, columns, figsize=(1.2 + 3.4 * columns, 0.6 + 3 * lines), squeeze=False)
    for unused in axes.flat[count:]:
        unused.set_visible(False)
    return drawing, list(axes.flat[:count])


def _against_batch(
    pyplot: Any, rows: List[Row], label: str, value: Callable[[Row], Optional[float]], *, spread: bool
) -> Any:
    """A panel for each model and number of threads; the spread is that of the quartiles."""
    panels = list(dict.fromkeys((measured["model"], measured["threads"]) for measured in rows))
    drawing, axes = _panels(pyplot, len(panels))
    for axis, (model, threads) in zip(axes, panels):
        for name in contestants(rows):
            line = sorted(
                (m for m in rows if (m["model"], m["threads"], m["contestant"]) == (model, threads, name) and value(m)),
                key=lambda measured: measured["batch"],
            )
            if not line:
                continue
            batches = [measured["batch"] for measured in line]
            axis.plot(batches, [value(m) for m in line], "o-", color=colour(name), label=name, markersize=4)
            if spread:
                axis.fill_between(
                    batches, [m["lower_quartile"] for m in line], [m["upper_quartile"] for m in line],
                    color=colour(name), alpha=0.2, linewidth=0,
                )
        ticks = sorted({measured["batch"] for measured in rows})
        axis.set_xscale("log", base=2)
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.set_ylim(bottom=0)
        axis.set_title(f"{model}, {threads} thread" + ("s" if threads > 1 else ""), fontsize=9)
        axis.set_xlabel("batch")
    axes[0].set_ylabel(label)
    axes[0].legend(fontsize=8)
    return drawing


def _against_threads(pyplot: Any, rows: List[Row]) -> Any:
    """How many times faster than the same contestant on the fewest threads."""
    panels = list(dict.fromkeys((measured["model"], measured["batch"]) for measured in rows))
    drawing, axes = _panels(pyplot, len(panels))
    counts = sorted({measured["threads"] for measured in rows})
    for axis, (model, batch) in zip(axes, panels):
        axis.plot(counts, [count / counts[0] for count in counts], ":", color="#999999", label="linear")
        for name in contestants(rows):
            line = {m["threads"]: m["median"] for m in rows
                    if (m["model"], m["batch"], m["contestant"]) == (model, batch, name)}
            if counts[0] in line:
                axis.plot(list(line), [line[counts[0]] / median for median in line.values()], "o-", color=colour(name),
                          label=name, markersize=4)
        axis.set_xticks(counts)
        axis.set_ylim(bottom=0)
        axis.set_title(f"{model}, batch {batch}", fontsize=9)
        axis.set_xlabel("threads")
    axes[0].set_ylabel(f"times as fast as on {counts[0]}")
    axes[0].legend(fontsize=8)
    return drawing


def _bars(pyplot: Any, rows: List[Row]) -> Any:
    panels = list(dict.fromkeys((measured["model"], measured["threads"]) for measured in rows))
    drawing, axes = _panels(pyplot, len(panels))
    for axis, (model, threads) in zip(axes, panels):
        bars = [measured for measured in rows if (measured["model"], measured["threads"]) == (model, threads)][::-1]
        names = [measured["contestant"] for measured in bars]
        drawn = axis.barh(names, [measured["median"] for measured in bars], color=[colour(name) for name in names])
        axis.bar_label(drawn, [f" {figure(measured['median'])}" for measured in bars], fontsize=8)
        axis.margins(x=0.2)
        axis.grid(axis="y", visible=False)
        axis.set_title(f"{model}, {threads} thread" + ("s" if threads > 1 else ""), fontsize=9)
        axis.set_xlabel(f"{rows[0]['work']}, {rows[0]['unit']}")
    return drawing


def _ratios(pyplot: Any, rows: List[Row]) -> Any:
    """The best other over swiftclip, for every piece of work."""
    found = [(title(next(iter(group.values()))), ratio(group)) for group in groups(rows)]
    found = [(name, value) for name, value in found if value][::-1]
    drawing, axis = pyplot.subplots(figsize=(8, 0.9 + 0.24 * len(found)))
    values = [value["ratio"] for _, value in found]
    spread = [[max(0, v["ratio"] - v["lower"]) for _, v in found], [max(0, v["upper"] - v["ratio"]) for _, v in found]]
    axis.errorbar(values, [name for name, _ in found], xerr=spread, fmt="o", color=colour(OWN), markersize=5)
    for place, (_, value) in enumerate(found):
        words = f"  {value['ratio']:.2f} × {value['best']}"
        axis.text(max(value["ratio"], value["upper"]), place, words, va="center", fontsize=7)
    axis.axvline(1, color="#333333", linewidth=0.8)
    axis.set_xscale("log")
    axis.minorticks_off()
    axis.set_xlim(min([0.9, *(v["lower"] for _, v in found)]), 1.8 * max([1, *(v["upper"] for _, v in found)]))
    ticks = [tick for tick in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if axis.get_xlim()[0] <= tick <= axis.get_xlim()[1]]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xlabel("times as fast (or as small) as the best other")
    axis.tick_params(axis="y", labelsize=7)
    return drawing
