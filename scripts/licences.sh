#!/usr/bin/env bash
# Checks licences, sources and known weaknesses of the dependencies by deny.toml, where cargo-deny is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo-deny >/dev/null; then
  printf 'skipped: cargo-deny is not installed: cargo install --locked cargo-deny\n'
  exit 0
fi
cargo deny --all-features check
