# One image for every part: `docker run IMAGE COMMAND` is `factoryledger COMMAND`.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /build
COPY requirements/ requirements/
# Without pip inside: what runs needs none.
RUN python3 -m venv --without-pip /opt/factoryledger \
    && python3 -m venv --without-pip /opt/build
RUN python3 -m pip --python /opt/factoryledger install --no-cache-dir --no-deps \
        --require-hashes -r requirements/image.lock \
    && python3 -m pip --python /opt/build install --no-cache-dir --no-deps \
        --require-hashes -r requirements/build.lock
COPY . .
RUN python3 -m pip --python /opt/build wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && python3 -m pip --python /opt/factoryledger install --no-cache-dir --no-deps /wheel/*.whl

# A development node of an EVM chain, for compose's profile `chain`: npm's package holds the
# program, and PyPI's holds npm.
FROM python:${PYTHON} AS npm
WORKDIR /build
COPY requirements/npm.lock requirements/npm.lock
COPY .ci/get-anvil .ci/get-anvil
RUN python3 -m venv --without-pip /opt/npm \
    && python3 -m pip --python /opt/npm install --no-cache-dir --no-deps \
        --require-hashes -r requirements/npm.lock
# npm trusts whom the image trusts, as pip does.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN PATH=/opt/npm/bin:$PATH .ci/get-anvil /opt/anvil \
    && install -m 0755 "$(.ci/get-anvil /opt/anvil)" /usr/local/bin/anvil

FROM python:${PYTHON} AS chain
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin ledger \
    && install -d -o ledger -g ledger -m 0750 /chain
COPY --from=npm /usr/local/bin/anvil /usr/local/bin/anvil
# Where it keeps what does not fit into its memory.
ENV HOME=/tmp
USER ledger
WORKDIR /chain
STOPSIGNAL SIGTERM
ENTRYPOINT ["anvil", "--host", "0.0.0.0", "--state", "/chain/state.json"]

FROM python:${PYTHON}
# The folders get the user's ownership here, and volumes mounted on them inherit it.
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin ledger \
    && install -d -o ledger -g ledger -m 0750 /data /data/broker /data/broker/server \
        /outbox /witness
COPY --from=build /opt/factoryledger /opt/factoryledger
ENV PATH=/opt/factoryledger/bin:$PATH \
    FACTORYLEDGER_DATA=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER ledger
WORKDIR /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["factoryledger"]
CMD ["--help"]
# For a container that runs by itself; docker-compose.yml has a closer one for each part.
HEALTHCHECK --interval=30s --timeout=10s CMD ["factoryledger", "stats", "--json"]
