"""What every measurement becomes: a row with the same columns. Less is better in all of them."""

from __future__ import annotations

import statistics
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

Row = Dict[str, Any]

OWN = "swiftclip"
COLUMNS = (
    "work", "model", "threads", "batch", "contestant", "unit", "median", "lower_quartile", "upper_quartile", "min",
    "max", "rounds", "difference", "share_of_fma_limit", "fma_gflops", "others_busy", "note",
)


def row(
    work: str, contestant: str, unit: str, samples: List[float], *, model: str = "", threads: int = 1,
    batch: int = 1, difference: Optional[float] = None, others_busy: Optional[float] = None, note: str = "",
) -> Row:
    """`samples` in `unit`, one for each round; `difference`: the largest relative one of an output to swiftclip's."""
    lower, median, upper = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else samples * 3
    return {
        "work": work, "model": model, "threads": threads, "batch": batch, "contestant": contestant, "unit": unit,
        "median": median, "lower_quartile": lower, "upper_quartile": upper, "min": min(samples), "max": max(samples),
        "rounds": len(samples), "difference": difference, "share_of_fma_limit": None, "fma_gflops": None,
        "others_busy": others_busy, "note": note, "samples": samples,
    }


def key(measured: Row) -> Tuple[str, str, int, int]:
    """What contestants are compared on."""
    return measured["work"], measured["model"], measured["threads"], measured["batch"]


def groups(rows: Iterable[Row]) -> Iterator[Dict[str, Row]]:
    """The contestants of each piece of work, by name."""
    found: Dict[Tuple[str, str, int, int], Dict[str, Row]] = {}
    for measured in rows:
        found.setdefault(key(measured), {})[measured["contestant"]] = measured
    yield from found.values()


def ratio(group: Dict[str, Row]) -> Optional[Dict[str, Any]]:
    """The best other over swiftclip: the ratio of the medians, and the quartiles of the ratios of single rounds."""
    own = group.get(OWN)
    others = [measured for name, measured in group.items() if not name.startswith(OWN)]
    if own is None or not others:
        return None
    best = min(others, key=lambda measured: measured["median"])
    rounds = [theirs / ours for theirs, ours in zip(best["samples"], own["samples"])]
    lower, _, upper = statistics.quantiles(rounds, n=4, method="inclusive") if len(rounds) > 1 else rounds * 3
    return {"best": best["contestant"], "ratio": best["median"] / own["median"], "lower": lower, "upper": upper}


def figure(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def title(measured: Row) -> str:
    """The piece of work in words."""
    parts = [measured["work"]]
    if measured["model"]:
        parts.append(measured["model"])
    parts.append(f"{measured['threads']} thread" + ("s" if measured["threads"] > 1 else ""))
    if measured["batch"] > 1 or measured["work"] in ("image", "text77", "captions"):
        parts.append(f"batch {measured['batch']}")
    return ", ".join(parts)


def show(group: Dict[str, Row]) -> None:
    """A line for a piece of work, as soon as it is measured."""
    first = next(iter(group.values()))
    line = f"{title(first)}, {first['unit']}: "
    line += ", ".join(f"{name} {figure(measured['median'])}" for name, measured in group.items())
    found = ratio(group)
    if found:
        line += f"  -> {found['ratio']:.2f} x {found['best']} [{found['lower']:.2f}, {found['upper']:.2f}]"
    wrong = {name: m["difference"] for name, m in group.items() if (m["difference"] or 0) > 1e-4}
    if wrong:
        line += "; outputs differ from swiftclip's: " + ", ".join(f"{n} by {d:.1e}" for n, d in wrong.items())
    print(line, flush=True)
