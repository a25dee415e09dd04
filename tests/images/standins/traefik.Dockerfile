# Stands in for traefik:v3.7; the context is the folder that holds the binary.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
COPY traefik /usr/local/bin/traefik
ENTRYPOINT ["traefik"]
