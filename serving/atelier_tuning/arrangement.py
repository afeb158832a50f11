"""How a model can be arranged on a machine, and the configuration that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

THREADS = "intra_op_thread_count"


@dataclass(frozen=True)
class Arrangement:
    """One way to serve a model.

    Attributes:
        instances: How many runs of the model there can be at once.
        threads: Of each run; None leaves them to the backend. The embedded server then gives a run
            that is alone all cores, and runs beside each other their share.
        batch: The most images of one run; 1 is no dynamic batching.
        delay: How long a request waits for others to fill its batch, in microseconds.
    """

    instances: int
    threads: int | None
    batch: int
    delay: int

    def apply(self, config: ModelConfig) -> None:
        """Changes a configuration so that it says this, and nothing else."""
        kind = config.instance_group[0].kind if config.instance_group else 0
        del config.instance_group[:]
        config.instance_group.append(ModelInstanceGroup(count=self.instances, kind=kind))
        config.parameters.pop(THREADS, None)
        if self.threads:
            config.parameters[THREADS].string_value = str(self.threads)
        if self.batch == 1:
            config.ClearField("dynamic_batching")
        else:
            config.max_batch_size = self.batch
            config.dynamic_batching.max_queue_delay_microseconds = self.delay

    def text(self) -> str:
        """What `config.pbtxt` says of it."""
        config = ModelConfig()
        self.apply(config)
        if self.batch > 1 and not self.delay:
            config.dynamic_batching.ClearField("max_queue_delay_microseconds")
        text: str = text_format.MessageToString(config)
        return text


def candidates(
    cores: int, batch: int, delays: Sequence[int], *, threads: bool
) -> list[Arrangement]:
    """Lists the arrangements that are worth a try, the plainest first.

    Args:
        cores: Of this machine. No arrangement has more runs at once, or more threads in all.
        batch: The most images that the model takes at once; 0 or 1 leaves batches out.
        delays: In microseconds, each tried with batches.
        threads: Whether the model's backend can be told the number of threads.
    """
    batches = [(1, 0), *((batch, delay) for delay in delays if batch > 1)]
    return [
        Arrangement(instances, of_each, most, delay)
        for instances in sorted({1, *(2**n for n in range(1, cores.bit_length())), cores})
        if instances <= cores
        for of_each in ([None, cores // instances] if threads and cores > 1 else [None])
        for most, delay in batches
    ]
