# Stands in for caddy:2.11; the context is the folder that holds the binary. The official image gives the binary this
# capability too, which is why it does not start where the capability is forbidden.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends libcap2-bin >/dev/null \
    && rm -rf /var/lib/apt/lists/*
COPY caddy /usr/local/bin/caddy
RUN setcap cap_net_bind_service=+ep /usr/local/bin/caddy
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
