#!/usr/bin/env bash
# Fuzzes all targets of fuzz/, in equal shares of the given seconds (default 600): scripts/fuzz.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-600}
[[ $seconds =~ ^[0-9]+$ ]] || { printf 'usage: scripts/fuzz.sh [SECONDS]\n' >&2; exit 2; }
skip() {
  printf 'skipped: fuzz: %s\n' "$1"
  exit 0
}

[[ -d fuzz ]] || skip 'fuzz/ is not there'
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz || skip 'cargo-fuzz cannot be installed'
if command -v rustup >/dev/null; then
  rustup run nightly rustc --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal \
    || skip 'fuzzing needs a nightly toolchain, which cannot be installed'
else
  skip 'fuzzing needs a nightly toolchain, and there is no rustup'
fi

mapfile -t targets < <(cargo +nightly fuzz list)
[[ ${#targets[@]} -gt 0 ]] || skip 'fuzz/ has no targets'
for target in "${targets[@]}"; do
  printf '%s: %d s\n' "$target" $((seconds / ${#targets[@]}))
  # Without the address sanitizer: what is fuzzed is safe Rust alone, and the C libraries beside it do not link with it.
  cargo +nightly fuzz run --sanitizer none "$target" -- -max_total_time=$((seconds / ${#targets[@]}))
done
