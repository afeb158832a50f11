#!/usr/bin/env bash
# Everything that waits for a GPU, in ten minutes and one file:
#     bench/gpu.sh                  # writes gpu.json
#     bench/gpu.sh --rehearse       # the same steps on the CPU, to see that they run
# Serves on CUDA, compares with the CPU in 32 and in 16 bits, measures batches, the share of the
# roofline and the service, and TensorRT where it is installed. A step that fails is in the file
# with its error, and the others go on. It sets up .venv as `make` does; PYTHON=… takes another one.
set -euo pipefail
cd "$(dirname "$0")/.."
export ORT_DISABLE_TELEMETRY=1
case " $* " in
*" --rehearse "*) ;;
*) command -v nvidia-smi >/dev/null || {
	echo "there is no nvidia-smi, so no GPU; --rehearse runs the steps on the CPU" >&2
	exit 2
} ;;
esac
if [ -z "${PYTHON:-}" ]; then
	make --silent .venv/.served
	.venv/bin/pip install --quiet 'onnx>=1.20,<1.24'
	PYTHON=.venv/bin/python
fi
exec timeout --kill-after=10 600 "$PYTHON" bench/gpu.py "$@"
