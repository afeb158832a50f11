# The service on CPUs: Python, and the Triton of the wheel nvidia-pytriton. That release of Triton has
# known faults, so this image is for callers that are trusted (docs/deploying.md).
#     docker build --file deploy/cpu.Dockerfile --tag atelier:cpu .
FROM python:3.11.16-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY deploy/requirements ./requirements
RUN python -m venv /opt/atelier \
    && /opt/atelier/bin/pip install --require-hashes --only-binary :all: \
        --requirement requirements/cpu.txt \
    && pip install --require-hashes --only-binary :all: --requirement requirements/build.txt
COPY LICENSE README.md pyproject.toml ./
COPY clients ./clients
COPY export ./export
COPY serving ./serving
RUN pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
    && /opt/atelier/bin/pip install --no-deps --no-index --find-links wheels atelier-art \
    && /opt/atelier/bin/pip uninstall --yes pip setuptools

FROM python:3.11.16-slim-bookworm
COPY --from=build /opt/atelier /opt/atelier
COPY model_repository /models
ENV PATH=/opt/atelier/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HOME=/tmp \
    ATELIER_SERVE_MODEL_REPOSITORY=/models \
    ATELIER_SERVE_HOST=0.0.0.0
# It writes to /tmp and /dev/shm alone.
USER 10001:10001
EXPOSE 8001 8002
# By gRPC's own health protocol, which needs no token; 1 is SERVING.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "import grpc, sys; sys.exit(grpc.insecure_channel('localhost:8001').unary_unary('/grpc.health.v1.Health/Check')(b'', timeout=5) != b'\\x08\\x01')"]
ENTRYPOINT ["atelier", "serve"]
