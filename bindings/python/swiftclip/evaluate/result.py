"""What an experiment returns: something that prints as a table, is written as JSON, and can be drawn."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Sequence, Union

import numpy as np

from .optional import needed


class Result:
    """The base of all results. Since 1.1."""

    experiment: ClassVar[str] = ""
    """Its name on the command line, and of its files."""

    def __str__(self) -> str:
        """The table, for people."""
        raise NotImplementedError

    def as_dict(self) -> Dict[str, Any]:
        """Everything that was found, as JSON has it. Accuracies and recalls are 0...1."""
        return {"experiment": self.experiment, **{name: plain(value) for name, value in vars(self).items()}}

    def draw(self, axes: Any) -> None:
        """Draws the plot into matplotlib's axes."""
        raise NotImplementedError

    @property
    def has_plot(self) -> bool:
        """Whether there is something to draw."""
        return type(self).draw is not Result.draw

    def save(self, folder: Union[str, "os.PathLike[str]"], name: Optional[str] = None) -> List[str]:
        """Writes NAME.txt, NAME.json, NAME.png and NAME.svg into a folder and returns their paths.

        name  the experiment's own where it is None

        Raises OSError, and UnsupportedError without matplotlib.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        stem = place / (name or self.experiment)
        written = [f"{stem}.txt", f"{stem}.json"]
        Path(written[0]).write_text(f"{self}\n", encoding="utf-8", errors="surrogateescape")
        Path(written[1]).write_text(self.json() + "\n", encoding="utf-8")
        if self.has_plot:
            written += self.save_plot(stem)
        return written

    def json(self) -> str:
        """`as_dict` as text."""
        return json.dumps(self.as_dict(), indent=1, allow_nan=False)

    def save_plot(self, stem: Union[str, "os.PathLike[str]"]) -> List[str]:
        """Writes STEM.png and STEM.svg, the same bytes each time. Raises as `save` does."""
        matplotlib = needed("matplotlib", "matplotlib", "A plot")
        figures = needed("matplotlib.figure", "matplotlib", "A plot")
        style = {
            "svg.fonttype": "none",  # text stays text, which is smaller
            "svg.hashsalt": "swiftclip",
            "font.family": "sans-serif",
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e4e4e4",
            "axes.axisbelow": True,
        }
        written = [f"{os.fspath(stem)}.png", f"{os.fspath(stem)}.svg"]
        with matplotlib.rc_context(style):
            figure = figures.Figure(figsize=(6.4, 4.2), layout="constrained")
            self.draw(figure.add_subplot())
            figure.savefig(written[0], dpi=120, metadata={"Software": None})
            figure.savefig(written[1], metadata={"Date": None, "Creator": None})
        return written


def plain(value: Any) -> Any:
    """Numbers, texts, lists and dicts in place of arrays, tuples and results; None for NaN."""
    if isinstance(value, Result):
        return value.as_dict()
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns, the first to the left, the others to the right, in the form that Markdown reads too."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        return "| " + " | ".join([first, *(cell.rjust(w) for cell, w in zip(cells[1:], widths[1:]))]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(heads), rule, *(line(row) for row in rows)])


def percent(share: float) -> str:
    """67.6 % for 0.676."""
    return "-" if share is None or np.isnan(share) else f"{100 * share:.1f} %"
