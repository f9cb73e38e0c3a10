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
# What a wheel brings and no program reads goes: C sources, and symbols where there is a `strip`.
RUN (command -v strip || { apt-get update && apt-get install -y --no-install-recommends binutils; }) \
        >/dev/null 2>&1 || echo "no strip to be had: the image is larger" >&2; \
    find /opt/factoryledger \( -name '*.c' -o -name '*.pyx' -o -name '*.pxd' \) -delete; \
    if command -v strip >/dev/null; then \
        find /opt/factoryledger -type f -name '*.so*' -not -path '*.libs/*' \
            -exec sh -c 'head -c 4 "$1" | grep -q ELF && strip --strip-unneeded "$1"' _ {} \; ; fi
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

# What runs needs no pip, no package lists and no caches of the base.
FROM python:${PYTHON} AS base
RUN find / -xdev \( -name pip -o -name setuptools -o -name wheel -o -name ensurepip \
        -o -name 'pip-*.dist-info' -o -name 'setuptools-*.dist-info' -o -name 'wheel-*.dist-info' \
        -o -name pkg_resources -o -name idlelib -o -name turtledemo -o -name lib2to3 \) \
        -path '*/python3*' -prune -exec rm -rf {} + \
    && rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/* /usr/share/doc /usr/share/man \
        /usr/share/python-wheels /usr/local/bin/pip* /root/.cache
# The folders get the user's ownership here, and volumes mounted on them inherit it.
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin ledger \
    && for folder in /data /data/log /data/requests /data/broker /data/broker/server /outbox /witness /introductions \
            /parts/anchor /parts/collector /parts/simulator /parts/web /parts/public \
            /secrets/owner /secrets/reader /secrets/web; do \
        install -d -o ledger -g ledger -m 0750 "$folder"; done \
    && chmod 0755 /parts /secrets
COPY --from=build /opt/factoryledger /opt/factoryledger
COPY docker/ready /usr/local/bin/ready

FROM scratch
COPY --from=base / /
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="factoryledger" \
      org.opencontainers.image.description="A simulated IoT factory whose telemetry cannot be quietly changed" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/factoryledger/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    FACTORYLEDGER_DATA=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER ledger
WORKDIR /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["factoryledger"]
CMD ["--help"]
# For a container that serves its metrics there; docker-compose.yml has one for each part.
HEALTHCHECK --interval=30s --timeout=5s CMD ["ready", "9460"]
