# Replaces caddy:2.11 in the tests. The context is the folder with the binary. As in the official image, there is a wget,
# and the binary has this capability and does not start without it.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends libcap2-bin wget >/dev/null \
    && rm -rf /var/lib/apt/lists/*
COPY caddy /usr/local/bin/caddy
RUN setcap cap_net_bind_service=+ep /usr/local/bin/caddy
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
