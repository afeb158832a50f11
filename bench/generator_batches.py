"""What a batch gains the generator: milliseconds an image, by batch and threads.

    python bench/generator_batches.py [MODEL_REPOSITORY]

Prints a Markdown table of the published graph in ONNX Runtime on the CPU; all cells take turns. The
settings of `generator.pbtxt` (batches, no delay, one instance of every core) follow from it.
"""

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from atelier_export.generator.published import PublishedGenerator
from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.reports.markdown import table

BATCHES = (1, 2, 4, 8, 16)
ROUNDS = 9


def main() -> None:
    published = PublishedGenerator(Path(sys.argv[1] if sys.argv[1:] else "model_repository"))
    cores = os.cpu_count() or 1
    sessions = {count: cpu_session(published.graph, count) for count in sorted({1, cores})}
    random = np.random.default_rng(0)
    times: dict[tuple[int, int], list[float]] = {}
    for turn in range(ROUNDS + 1):
        for batch in BATCHES:
            feed = {
                "latent": random.standard_normal((batch, published.latent), np.float32),
                "movement": random.integers(0, len(published.movements), (batch, 1)),
            }
            for threads, session in sessions.items():
                started = time.perf_counter()
                session.run(None, feed)
                if turn:
                    seconds = time.perf_counter() - started
                    times.setdefault((threads, batch), []).append(1e3 * seconds / batch)
    rows = [
        [
            f"{threads} thread{'s' * (threads > 1)}",
            *(f"{statistics.median(times[threads, batch]):.1f}" for batch in BATCHES),
        ]
        for threads in sessions
    ]
    print(table(["ms an image", *(f"batch {batch}" for batch in BATCHES)], rows))


if __name__ == "__main__":
    main()
