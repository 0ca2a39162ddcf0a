# One image for edges, workers and every command: `docker run ampstream:0.1.0 edge`.
# What is installed is what requirements.lock says, hashes checked.

FROM python:3.11.15-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY pyproject.toml requirements.lock ./
COPY deploy/locked.py deploy/locked.py
# The lock holds the tools of development too; only what serving needs goes into the image.
RUN python -m venv --without-pip /opt/ampstream \
    && python deploy/locked.py ampstream > /tmp/runtime.lock \
    && python deploy/locked.py hatchling > /tmp/build.lock \
    && python -m pip --python /opt/ampstream/bin/python install --require-hashes --only-binary :all: -r /tmp/runtime.lock \
    && python -m pip install --require-hashes --only-binary :all: -r /tmp/build.lock
COPY LICENSE README.md ./
COPY ampstream ampstream
COPY edge edge
COPY shared shared
COPY workers workers
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
    && python -m pip --python /opt/ampstream/bin/python install --no-deps --no-index /tmp/wheel/*.whl

FROM python:3.11.15-slim-bookworm
LABEL org.opencontainers.image.title="ampstream" \
    org.opencontainers.image.licenses="Apache-2.0"
# Nothing is installed here, so nothing that installs is needed.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore setuptools wheel pip \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin ampstream \
    && install --directory --owner 10001 --group 10001 --mode 0700 /srv/ampstream/files
COPY --from=build /opt/ampstream /opt/ampstream
ENV PATH=/opt/ampstream/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp
# Stations; operators, health and metrics of an edge; files for stations; health and metrics of a worker.
EXPOSE 9000 8080 9080 8180
# Whether the process lives: a restart mends a hung one. Whether it serves is the balancer's question.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["ampstream", "health"]
ENTRYPOINT ["ampstream"]
CMD ["--help"]
