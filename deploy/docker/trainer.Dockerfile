# Training, evaluation and the dashboard. From the checkout's root:
#   docker build -f deploy/docker/trainer.Dockerfile -t omnirl-trainer .
# PyPI's torch for Linux is built for CUDA; for a CPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu
FROM python:3.11.11-slim-bookworm
ARG TORCH_INDEX=https://pypi.org/simple

# gcc: triton compiles a launcher with it the first time a kernel runs
ENV PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OMNIRL_CACHE=/var/cache/omnirl
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc=4:12.* libc6-dev=2.36-* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 omnirl \
    && mkdir -p /var/cache/omnirl /data /runs \
    && chown omnirl /var/cache/omnirl /data /runs

WORKDIR /opt/omnirl
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt --index-url "${TORCH_INDEX}" torch \
    && pip install --no-cache-dir --constraint constraints.txt \
    fastapi gymnasium matplotlib numba numpy obstore pillow prometheus-client pyarrow pydantic rich safetensors \
    tensorboard uvicorn zarr zarrs
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY common common
COPY datagen datagen
COPY trainer trainer
COPY deploy deploy
RUN pip install --no-cache-dir --no-deps .

USER 1000
WORKDIR /home/omnirl
VOLUME ["/var/cache/omnirl"]
CMD ["torchrun", "-m", "trainer.main", "--help"]
