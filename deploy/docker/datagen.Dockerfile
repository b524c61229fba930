# Data generation: head, workers and driver of a Ray cluster are all this image. From the checkout's root:
#   docker build -f deploy/docker/datagen.Dockerfile -t omnirl-datagen .
FROM python:3.11.11-slim-bookworm

# Ray's API runs whatever it is sent: it asks for a token unless you say otherwise. Compiled kernels lie in OMNIRL_CACHE:
# a volume there spares every new container the compiling.
ENV PYTHONUNBUFFERED=1 \
    RAY_AUTH_MODE=token \
    RAY_USAGE_STATS_ENABLED=0 \
    RAY_DEDUP_LOGS=0 \
    RAY_COLOR_PREFIX=0 \
    OMNIRL_CACHE=/var/cache/omnirl

# wget is what KubeRay's health checks call
RUN apt-get update \
    && apt-get install --yes --no-install-recommends wget=1.21.* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 omnirl \
    && mkdir -p /var/cache/omnirl /data \
    && chown omnirl /var/cache/omnirl /data

WORKDIR /opt/omnirl
COPY constraints.txt ./
# not torch, which generating needs nothing of: so the package itself comes without its dependencies, below
RUN pip install --no-cache-dir --constraint constraints.txt \
    gymnasium matplotlib numba numpy obstore pillow prometheus-client pyarrow pydantic "ray[default]" rich zarr zarrs
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY common common
COPY datagen datagen
COPY trainer trainer
COPY deploy deploy
RUN pip install --no-cache-dir --no-deps .

USER 1000
WORKDIR /home/omnirl
VOLUME ["/var/cache/omnirl"]
CMD ["python", "-m", "datagen", "--help"]
