"""Paired timing: every contestant once a round, in turn, so that a slow moment of the machine meets them all."""

from __future__ import annotations

import platform
import statistics
import time
from typing import Callable, Dict, List


PAUSE = 0.02
"""Seconds before each call: the threads of the one before go on spinning for a while, on the cores of the next."""


def interleaved(contestants: Dict[str, Callable[[], object]], rounds: int, seconds: float) -> Dict[str, List[float]]:
    """Seconds of each call, by contestant: at least `rounds`, and fewer when `seconds` are used up after three."""
    times: Dict[str, List[float]] = {name: [] for name in contestants}
    for call in contestants.values():
        call()
    started = time.perf_counter()
    for finished in range(rounds):
        if finished >= 3 and time.perf_counter() - started > seconds:
            break
        for name, call in contestants.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return times


def summary(times: List[float]) -> Dict[str, float]:
    """Median, minimum and maximum in milliseconds."""
    return {
        "median_ms": 1000 * statistics.median(times),
        "min_ms": 1000 * min(times),
        "max_ms": 1000 * max(times),
        "rounds": len(times),
    }


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
        f"model {facts.get('model')}; {', '.join(sets)})"
    )
