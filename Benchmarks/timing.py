"""Paired timing: every contestant once a round, in turn, so that a slow moment of the machine meets them all."""

from __future__ import annotations

import os
import platform
import time
from typing import Callable, Dict, List


PAUSE = 0.02
"""Seconds before each call: the threads of the one before go on spinning for a while, on the cores of the next."""

FEWEST_ROUNDS = 3


def interleaved(contestants: Dict[str, Callable[[], object]], rounds: int, seconds: float) -> Dict[str, List[float]]:
    """Seconds of each call, by contestant: `rounds` of them, or fewer when `seconds` are used up after three.

    Each round begins with another contestant, so that nobody always follows the same one.
    """
    times: Dict[str, List[float]] = {name: [] for name in contestants}
    for call in contestants.values():
        call()
    names = list(contestants)
    started = time.perf_counter()
    for finished in range(rounds):
        if finished >= FEWEST_ROUNDS and time.perf_counter() - started > seconds:
            break
        turn = finished % len(names)
        for name in names[turn:] + names[:turn]:
            time.sleep(PAUSE)
            start = time.perf_counter()
            contestants[name]()
            times[name].append(time.perf_counter() - start)
    return times


class Others:
    """How much of one processor everybody but this process and its children uses, the hypervisor among them."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._busy, self._own = self._read()

    @staticmethod
    def _read() -> "tuple[float, float]":
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, soft, steal = (int(field) for field in file.readline().split()[1:9])
        busy = (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
        return busy, sum(os.times()[:4])

    def share(self) -> float:
        """Processors that others kept busy since this was made, on average."""
        busy, own = self._read()
        return max(0.0, (busy - self._busy) - (own - self._own)) / (time.perf_counter() - self._start)


def allowed_threads() -> int:
    return len(os.sched_getaffinity(0))


def processor() -> str:
    """What the figures were measured on."""
    facts: Dict[str, str] = {}
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    flags = facts.get("flags", "").split()
    sets = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni") if flag in flags]
    return (
        f"{facts.get('model name', platform.processor())} (family {facts.get('cpu family')}, "
        f"model {facts.get('model')}; {', '.join(sets)}), {allowed_threads()} threads allowed"
    )
