# Stands in for traefik:v3.7. The context is the folder with the binary.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
COPY traefik /usr/local/bin/traefik
ENTRYPOINT ["traefik"]
