# AuthGate's image. It builds for amd64 and arm64: nothing is compiled, and nothing here names an architecture.
#
#   docker build -t authgate:0.1.0 .
#
# PYTHON_IMAGE may be any Debian with python3, python3-venv and ca-certificates. If your company's CA signs what pip
# downloads, add: --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt

ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /build
COPY requirements.lock requirements-build.lock deploy/strip_symbols.py ./
RUN --mount=type=secret,id=ca,required=false \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
    && python3 -m venv tools \
    && python3 -m venv --without-pip /opt/authgate \
    && export PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 \
    && export PIP_ONLY_BINARY=:all: PIP_REQUIRE_HASHES=1 \
    && tools/bin/pip install --requirement requirements-build.lock \
    && tools/bin/pip --python /opt/authgate/bin/python3 install --requirement requirements.lock \
    && python3 strip_symbols.py /opt/authgate
COPY . .
RUN tools/bin/pip wheel --quiet --no-deps --no-build-isolation --no-index . \
    && tools/bin/pip --python /opt/authgate/bin/python3 install --quiet --no-compile --no-deps --no-index ./*.whl

# The root file system of the image: the base image and AuthGate. It leaves out the tools that install software (pip,
# apt, and the perl that apt needs) and iconv's tables. It includes the bytecode of what AuthGate imports: with a
# read-only root Python cannot write any, and would compile 500 modules at each start and each health check. It keeps
# Debian's package list, for vulnerability scanners, and the CAs, which verify the URLs of keys.
FROM ${PYTHON_IMAGE} AS root
COPY --from=builder /opt/authgate /opt/authgate
RUN test -s /etc/ssl/certs/ca-certificates.crt \
    && rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/bin/pip* /usr/share/python-wheels \
        /usr/local/lib/python3*/ensurepip /usr/lib/python3*/ensurepip /usr/lib/python3*/test \
        /usr/bin/apt* /usr/lib/apt /usr/lib/*/libapt-* /usr/bin/perl* /usr/lib/*/perl* /usr/lib/*/gconv \
        /usr/share/doc /usr/share/man /usr/share/locale /var/lib/apt /var/cache /var/log \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && echo 'authgate:x:65532:65532:AuthGate:/:/usr/sbin/nologin' >>/etc/passwd \
    && echo 'authgate:x:65532:' >>/etc/group \
    && for command in serve check mint explain keys healthcheck; do \
        /opt/authgate/bin/authgate "${command}" --help >/dev/null || exit 1; \
    done

# One layer, so that removed files take no space. With more layers the image would exceed 150 MB.
FROM scratch
# hadolint ignore=DL3067
COPY --from=root / /
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="AuthGate" \
      org.opencontainers.image.description="Forward auth for nginx, Traefik and Caddy: verifies sessions (Better Auth, Auth.js, NextAuth 4) and JWTs" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT"
# AUTHGATE_IN_CONTAINER: listen on 0.0.0.0 by default.
ENV PATH=/opt/authgate/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    AUTHGATE_IN_CONTAINER=true
USER 65532:65532
EXPOSE 4190 4191
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["authgate", "healthcheck"]
ENTRYPOINT ["authgate"]
CMD ["serve"]
