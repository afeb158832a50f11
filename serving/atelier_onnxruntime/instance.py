"""One instance of a model: a session for runs that are alone, one for runs beside others."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime

from atelier_onnxruntime import session
from atelier_onnxruntime.batch import Array, Arrays
from atelier_onnxruntime.cores import Cores
from atelier_onnxruntime.parameters import Config, boolean_parameter, integer_parameter
from atelier_onnxruntime.quota import core_quota

LARGE_BYTES = 4 * 2**20
"""The memory that inputs larger than this needed is given back with the next run of smaller ones.

Not at once: to take it again, a run needs an eighth of its time, and large ones often follow each
other.
"""


class Instance:
    """Runs a model with as many threads as the cores have room for.

    Attributes:
        signature: The tensors of the model.
    """

    def __init__(
        self, config: Config, version: Path, kind: str, device_id: int, cores: Cores
    ) -> None:
        """Opens the sessions.

        Args:
            config: The model's configuration.
            version: The directory of the version that is served.
            kind: "GPU" for an instance on a GPU; anything else is the CPU.
            device_id: The number of the GPU.
            cores: What this instance shares with all others.

        Raises:
            ConfigError: As in `session.open_instance`.
        """
        options = session.session_options(config)
        has_arena = kind != "GPU" and boolean_parameter(config, "enable_mem_arena", True)
        share = None if kind == "GPU" else share_of_cores(config)
        if share is not None and has_arena:
            # One arena for both sessions, which never run at once: half the memory of two.
            cpu = onnxruntime.OrtMemoryInfo(
                "Cpu",
                onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
                0,
                onnxruntime.OrtMemType.DEFAULT,
            )
            onnxruntime.create_and_register_allocator(cpu, None)
            options.add_session_config_entry("session.use_env_allocators", "1")
        instance = config, version, kind, device_id
        self._alone = self._beside_others = session.open_instance(*instance, options)
        if share is not None:
            options.intra_op_num_threads = share
            self._beside_others = session.open_instance(*instance, options)
        self._options = session.run_options(config)
        self._shrinking = session.run_options(config, shrinks=has_arena)
        self._was_large = False
        self._cores = cores
        self.signature = session.signature(self._alone)

    def run(self, names: list[str], feed: Arrays) -> list[Array]:
        """Runs the model once.

        Args:
            names: The outputs that are wanted.
            feed: The inputs by name.

        Returns:
            The outputs in the order of `names`.
        """
        large = sum(array.nbytes for array in feed.values()) > LARGE_BYTES
        options = self._shrinking if self._was_large and not large else self._options
        self._was_large = large
        with self._cores.taken() as alone:
            chosen = self._alone if alone else self._beside_others
            outputs: list[Array] = chosen.run(names, feed, options)
        return outputs


def share_of_cores(config: Config) -> int | None:
    """Returns the threads that an instance on the CPU has while others run beside it.

    That is its share of the cores, at least 1. None where threads are no matter of choice: the
    configuration says how many there are, or the model has one instance alone.

    Raises:
        ConfigError: `intra_op_thread_count` is no whole number.
    """
    if integer_parameter(config, "intra_op_thread_count", 0) > 0:
        return None
    groups = config.get("instance_group", [])
    instances = sum(group["count"] for group in groups if group["kind"] != "KIND_GPU")
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, core_quota() or cores) // instances) if instances > 1 else None
