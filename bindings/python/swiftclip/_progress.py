"""Progress out of long calls, and Ctrl-C into them."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional

from ._declarations import BatchFunction, EmbeddedBatch, Progress

ProgressFunction = Callable[[int, int], Any]
"""Called with how many items are done and how many there are; raising an exception stops the work."""


class Watch:
    """What one call of the library passes as its callback, of either kind. Made by `watching`."""

    def __init__(self, progress: Optional[ProgressFunction], offset: int, total: Optional[int]) -> None:
        self._progress = progress
        self._offset = offset
        self._total = total
        self._interrupted = False
        self._raised: Optional[BaseException] = None
        self.callback = Progress(lambda context, done, total: self._called(done, total))

    def batches(self, take: Callable[[EmbeddedBatch], None]) -> Any:
        """The callback for a call that hands over batches, each of which `take` gets first."""

        def called(context: Optional[int], batch: Any) -> int:
            given = batch.contents
            return self._called(given.first + given.count, given.total, lambda: take(given))

        return BatchFunction(called)

    def _called(self, done: int, total: int, before: Callable[[], None] = lambda: None) -> int:
        try:
            before()
            if self._progress is not None and not self._interrupted:
                self._progress(self._offset + done, total if self._total is None else self._total)
        except BaseException as error:  # it is raised again when the call has come back
            self._raised = error
        return int(self._interrupted or self._raised is not None)

    def interrupt(self, *_: Any) -> None:
        """Stops the work at the next callback; the handler of SIGINT meanwhile."""
        self._interrupted = True

    def finish(self) -> None:
        """Raises what stopped the work, if something did."""
        if self._raised is not None:
            raise self._raised
        if self._interrupted:
            raise KeyboardInterrupt


@contextmanager
def watching(
    progress: Optional[ProgressFunction] = None, offset: int = 0, total: Optional[int] = None
) -> Iterator[Watch]:
    """A `Watch` for one call of the library, made inside the block.

    An exception from `progress`, and KeyboardInterrupt, leave the block in place of CancelledError.
    Python would lose a KeyboardInterrupt that arises on the way into a callback, so while the block
    runs Python's own handler of SIGINT is exchanged for one that only takes note; a handler that the
    program has set itself is left alone.
    """
    watch = Watch(progress, offset, total)
    exchanged = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if exchanged:
        try:
            signal.signal(signal.SIGINT, watch.interrupt)
        except ValueError:  # a subinterpreter may not
            exchanged = False
    try:
        yield watch
    finally:
        if exchanged:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        watch.finish()
