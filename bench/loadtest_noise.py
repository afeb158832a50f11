"""How often `atelier loadtest compare` would call two runs of the same server different.

    python bench/loadtest_noise.py

Each pair is two runs of a simulated queue: one worker, arrivals at random, work that is gamma
distributed. It counts the pairs in which the bounds of a percentile do not meet: those by rank
alone, which take requests as independent, and those of the comparison.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from atelier._loadtest.latencies import Latencies, Percentile
from atelier._loadtest.noise import Interval, Sample

SETTINGS = ((20, 40, 0.5), (20, 40, 0.8), (100, 30, 0.7), (20, 60, 0.9), (100, 60, 0.9))
"""Requests a second, seconds, and the utilisation of the worker."""
QUANTILES = (0.5, 0.95, 0.99)


def main() -> None:
    """Prints a line for each setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=100)
    pairs = parser.parse_args().pairs
    print("| requests/s | seconds | utilisation | apart by rank: p50, p95, p99 | in compare |")
    print("| --- | --- | --- | --- | --- |")
    for rate, seconds, utilisation in SETTINGS:
        random = np.random.default_rng(0)
        by_rank, compared = np.zeros(len(QUANTILES), int), np.zeros(len(QUANTILES), int)
        for _ in range(pairs):
            one, other = (sample(random, rate, seconds, utilisation) for _ in range(2))
            by_rank += list(apart(one.whole, other.whole))
            compared += list(apart(one, other))
        counts = (", ".join(map(str, each)) for each in (by_rank, compared))
        print(f"| {rate} | {seconds} | {utilisation} | {' | '.join(counts)} |", flush=True)


def sample(random: np.random.Generator, rate: int, seconds: int, utilisation: float) -> Sample:
    """A run."""
    count = random.poisson(rate * seconds)
    planned = np.sort(random.uniform(0, seconds, count))
    done = worked_off(planned, random.gamma(4, utilisation / rate / 4, count))
    parts = [Latencies() for _ in range(seconds)]
    for due, end in zip(planned.tolist(), done.tolist(), strict=True):
        parts[int(due)].record(end - due)
    answered = np.bincount(done.astype(int), minlength=seconds).tolist()
    return Sample([Interval(*each) for each in zip(parts, answered, strict=False)], 1.0)


def worked_off(
    planned: npt.NDArray[np.float64], work: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """When one worker is done with each request."""
    free, done = 0.0, []
    for due, seconds in zip(planned.tolist(), work.tolist(), strict=True):
        free = max(free, due) + seconds
        done.append(free)
    return np.array(done)


def apart(one: Latencies | Sample, other: Latencies | Sample) -> Iterator[bool]:
    """For each percentile, whether the bounds do not meet; those without bounds are not apart."""
    for quantile in QUANTILES:
        first, second = one.percentile(quantile), other.percentile(quantile)
        yield first is not None and second is not None and not meet(first, second)


def meet(one: Percentile, other: Percentile) -> bool:
    """Whether a value lies between the bounds of both."""
    return one.low <= other.high and other.low <= one.high


if __name__ == "__main__":
    main()
