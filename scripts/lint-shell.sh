#!/usr/bin/env bash
# Checks the shell scripts: that they parse, and by shellcheck where that is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run)
for script in "${scripts[@]}"; do
  bash -n "$script"
done
if command -v shellcheck >/dev/null; then
  shellcheck "${scripts[@]}"
else
  printf 'shellcheck is not installed: only the syntax was checked\n'
fi
