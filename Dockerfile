# runway-rs alone: a static binary, the certificates by which it knows servers, and nothing else. `cargo xtask image` puts
# the same files together without Docker, and tries them.

FROM rust:1.95-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates musl-tools && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# The C parts of the TLS library are built for musl as well.
ENV TARGET_CC=musl-gcc
RUN target="$(uname -m)-unknown-linux-musl" \
    && rustup target add "$target" \
    && cargo build --release --locked --package runway-cli --target "$target" \
    && cp "target/$target/release/runway-rs" /runway-rs

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /runway-rs /runway-rs
USER 65532:65532
ENTRYPOINT ["/runway-rs"]
