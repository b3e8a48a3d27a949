# One binary with everything in it: the collector, both dashboards and the demo services.
FROM rust:1-bookworm AS build
RUN rustup target add wasm32-unknown-unknown
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo xtask build && install -D target/release/sagascope /out/sagascope

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home sagascope
COPY --from=build /out/sagascope /usr/local/bin/sagascope
USER sagascope
WORKDIR /data
ENV SAGASCOPE_DATA_DIR=/data \
    SAGASCOPE_BIND=0.0.0.0
VOLUME /data
# OTLP gRPC, OTLP HTTP, web and API. Bound to all addresses, everything but health and OTLP asks for the token.
EXPOSE 4317 4318 4319
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["sagascope", "health"]
ENTRYPOINT ["sagascope"]
CMD ["collect"]
