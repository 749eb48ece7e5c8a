# The image of one process: `tillgate serve` by default, `tillgate work` or `migrate` by argument.
#
# Law: it is built by the Makefile's own steps from the lock's versions, runs as nobody special,
# writes below /var/lib/tillgate only, and never falls back to the slower pure fast path.

FROM python:3.13-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /srv/tillgate
COPY Makefile pyproject.toml setup.py README.md LICENSE requirements.lock ./
COPY fastpath ./fastpath
COPY gateway ./gateway
ENV FASTPATH_REQUIRE=cython
RUN make build RUNTIME=1

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/tillgate tillgate
COPY --from=build /srv/tillgate /srv/tillgate
ENV PATH=/srv/tillgate/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    FASTPATH_REQUIRE=cython \
    TILLGATE_DATA=/var/lib/tillgate \
    TILLGATE_HOST=0.0.0.0 \
    TILLGATE_METRICS_HOST=0.0.0.0
USER 10001
WORKDIR /var/lib/tillgate
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/livez', timeout=2)"]
ENTRYPOINT ["tillgate"]
CMD ["serve"]
