"""The `onnxruntime` backend of the embedded server, written as a Python-based Triton backend.

It serves, unchanged, a repository that is written for NVIDIA's ONNX Runtime backend: every field
of a model's configuration keeps its meaning, and what that backend refuses is refused here.

The way of the data: `contract` completes and checks the configuration against the model,
`session` and `providers` turn it into ONNX Runtime sessions, `instance` runs them with as many
threads as the `cores` have room for, `batch` merges requests into one run and parts the results
again, and `model` is the only module that speaks to Triton.

Where it differs:

- Every instance is a process with a session of its own, so weights lie in memory once an
  instance; `share_session_between_instances` is read and has no effect.
- A request that fails inside a merged run fails alone: its neighbours are run again without it.
- A batched output whose first dimension is not the batch size is an error, never cut to fit.
- Threads of a CPU session do not spin while they wait, because instances share the cores.
- Where a model has several instances on the CPU and the configuration sets no
  `intra_op_thread_count`, a run that is alone on the machine uses every core, and runs side by side
  share them, instance for instance.
- Where the control group limits the cores (a container, a systemd unit), there are no more threads
  than whole cores within the limit, unless `intra_op_thread_count` says so.
- Strings must be UTF-8, as ONNX defines them.
- `allow_ragged_batch`, `batch_input`, `batch_output`, decoupled responses and the implicit state
  of sequence models are refused when the model is loaded.
"""

import os

# ONNX Runtime reads it when it is imported, and every import of it passes through this package.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
