# The hub and the simulated home as container images.
#
#   docker build --target hub -t telltale/hub .
#   docker build --target firmware-sim -t telltale/firmware-sim .
#
# The base images are arguments, so that the same file builds on other bases: `make images` builds it without a registry or an engine.
ARG NODE_IMAGE=docker.io/library/node:22-bookworm-slim
ARG GO_IMAGE=docker.io/library/golang:1.26-bookworm
ARG RUNTIME_IMAGE=docker.io/library/debian:bookworm-slim

# The dashboard. Dependencies come first: they change less often than the code.
FROM ${NODE_IMAGE} AS dashboard
WORKDIR /src/dashboard
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
RUN npm ci
COPY dashboard/ ./
RUN npm run build

# The programs. SQLite is C, hence the full Debian image of Go.
FROM ${GO_IMAGE} AS programs
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=dashboard /src/dashboard/dist dashboard/dist
ARG VERSION=devel
# As in the Makefile: fdatasync spares the journal of the file system.
ENV CGO_CFLAGS="-O2 -g -DHAVE_FDATASYNC=1"
RUN go build -trimpath -ldflags "-X github.com/telltale-iot/telltale/internal/cli.version=${VERSION}" -o /out/ ./hub ./firmware-sim

# What both images share: a user without rights and a folder that keeps everything.
FROM ${RUNTIME_IMAGE} AS runtime
RUN groupadd --gid 10001 telltale \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin telltale \
 && install -d -o telltale -g telltale /data
ENV TELLTALE_DATA=/data
VOLUME /data
USER telltale
STOPSIGNAL SIGTERM

FROM runtime AS hub
COPY --from=programs /out/hub /usr/local/bin/hub
# Inside a container "this machine only" would reach nobody: publish the port on 127.0.0.1, as docker-compose.yml does.
ENV TELLTALE_LISTEN=0.0.0.0:8080 TELLTALE_ALLOW_NETWORK=true
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${TELLTALE_LISTEN##*:} && printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -n1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["hub"]

FROM runtime AS firmware-sim
COPY --from=programs /out/firmware-sim /usr/local/bin/firmware-sim
ENTRYPOINT ["firmware-sim"]
CMD ["run"]
