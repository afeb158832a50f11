# The service on NVIDIA's Triton: its container with Pillow and the model repository. It needs no GPU.
#     docker build --file deploy/gpu.Dockerfile --tag atelier:gpu .
#
# The release is named here alone. No release before 26.07 has all mended that NVIDIA's bulletins name.
FROM nvcr.io/nvidia/tritonserver:26.09-py3
COPY deploy/requirements/gpu.txt /opt/atelier/requirements.txt
# Ubuntu keeps its Python for its own packages unless it is told otherwise.
RUN python3 -m pip install --no-cache-dir --no-deps --break-system-packages --require-hashes \
        --only-binary :all: --requirement /opt/atelier/requirements.txt
COPY serving/atelier_supervisor /opt/atelier/atelier_supervisor
COPY serving/atelier_serving/closed.py deploy/serve_triton.py /opt/atelier/
COPY model_repository /models
ENV PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HOME=/tmp
# The container's own user, triton-server. It writes to /tmp and /dev/shm alone.
USER 1000:1000
EXPOSE 8001 8002
HEALTHCHECK --interval=30s --timeout=10s --start-period=600s \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=5)"]
# A command, so that the container's entry point runs before it and sets up CUDA for older drivers.
CMD ["python3", "/opt/atelier/serve_triton.py", "--model-repository=/models"]
