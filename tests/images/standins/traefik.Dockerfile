# Replaces traefik:v3.7 in the tests. The context is the folder with the binary.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
COPY traefik /usr/local/bin/traefik
ENTRYPOINT ["traefik"]
