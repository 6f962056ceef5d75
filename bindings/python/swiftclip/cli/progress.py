"""Progress on stderr: tqdm's bar where it is installed, else a plain count."""

from __future__ import annotations

import sys
import time
from typing import Any, Optional


class ProgressLine:
    """Shows how far the work has come. To be used in a `with` block, and called with (done, total).

    On a terminal it is drawn over and over; otherwise, so that logs stay short, nothing is said for work
    of under five seconds and then one line every five.
    """

    def __init__(self, what: str, unit: str) -> None:
        self._what = what
        self._unit = unit
        self._bar: Optional[Any] = None
        self._last = time.monotonic()
        self._drawn = False
        self._terminal = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        if total <= 1:
            return
        if not self._terminal:
            self._log(done, total)
        elif not self._with_tqdm(done, total):
            print(f"\r{self._what}: {done} of {total} {self._unit}", end="", file=sys.stderr, flush=True)
            self._drawn = True

    def _log(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= 5:
            self._last = now
            print(f"{self._what}: {done} of {total} {self._unit}", file=sys.stderr, flush=True)

    def _with_tqdm(self, done: int, total: int) -> bool:
        if self._bar is None:
            try:
                from tqdm import tqdm
            except ImportError:
                return False
            self._bar = tqdm(total=total, desc=self._what, unit=f" {self._unit}", file=sys.stderr, leave=False)
        self._bar.update(done - self._bar.n)
        return True

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._drawn:
            print(file=sys.stderr)


class Stages:
    """Progress of work in several stages, each with its own `ProgressLine`. Called with (what, done, total)."""

    def __init__(self) -> None:
        self._what = ""
        self._line: Optional[ProgressLine] = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self.close()
            self._what, self._line = what, ProgressLine(what, "done")
        if self._line is not None:
            self._line(done, total)

    def close(self) -> None:
        """Ends the last line."""
        if self._line is not None:
            self._line.__exit__()
            self._line = None
        self._what = ""

    def __enter__(self) -> "Stages":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
