#!/usr/bin/env bash
# Finds runway-gh-action, or builds it and runway-rs from the checkout this file is in, and becomes it: a cancelled job
# then interrupts the program itself. Inputs are variables with dashes in their names, which printenv can read.
set -euo pipefail

input() {
    printenv "INPUT_$1" || true
}

front_end=$(input ACTION-BINARY)
if [ -z "$front_end" ]; then
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
    target=${CARGO_TARGET_DIR:-$root/target}
    packages=(--package runway-gh-action)
    if [ -z "$(input BINARY)" ]; then
        packages+=(--package runway-cli)
    fi
    echo "::group::Build runway-rs"
    cargo build --release --locked --manifest-path "$root/Cargo.toml" --target-dir "$target" "${packages[@]}"
    echo "::endgroup::"
    front_end=$target/release/runway-gh-action
fi
exec "$front_end"
