#!/usr/bin/env bash
# Generates each labelled stream, lets the shipped ELN pipelines decide about it, and judges their decisions:
# scripts/scenarios.sh SCALE SEED...
#
# A verdict passes where nothing leaks and nothing is lost; who holds everything would pass too. So here a new build may be left
# for a person only as part of a mass rebuild.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/stream.sh
source scripts/stream.sh
# shellcheck source=scripts/features.sh
source scripts/features.sh

tidegate=target/debug/tidegate scale=$1 work=target/scenarios
shift
cargo build --locked --features "$TIDEGATE_FEATURES"
passed=0 failed=0

# One stream, one pipeline. What failed stays in target/scenarios/, to be looked at.
judge() {
  local stream=$work/$1-$2 pipeline=$3 verdict
  local decisions=$stream/$pipeline.jsonl
  if replay_stream "$tidegate" "pipelines/$pipeline.toml" "$stream" "$decisions" --quiet >"$stream/log" 2>&1 \
    && verdict=$("$tidegate" score "$stream" "$decisions" 2>>"$stream/log") \
    && ! grep '^  stranded ' <<<"$verdict" | grep -v ' mass_rebuild$' >>"$stream/log"; then
    passed=$((passed + 1))
    printf 'test %s, seed %s, %s ... ok\n' "$1" "$2" "$pipeline"
  else
    failed=$((failed + 1))
    printf 'test %s, seed %s, %s ... FAILED\n' "$1" "$2" "$pipeline"
    cat "$stream/log"
  fi
  printf '%s\n' "${verdict:-}" | sed 's/^/    /'
}

mapfile -t names < <("$tidegate" generate list -o plain | awk '$1 != "mix" {print $1}')
[[ ${#names[@]} -gt 0 ]] || { printf 'there are no scenarios\n' && exit 1; }
rm -rf "$work"
mkdir -p "$work"
for seed in "$@"; do
  for name in "${names[@]}"; do
    "$tidegate" generate "$name" --seed "$seed" --scale "$scale" --truth "$work/$name-$seed" 2>/dev/null
    before=$failed
    for pipeline in eln eln-fast; do
      judge "$name" "$seed" "$pipeline"
    done
    [[ $failed -gt $before ]] || rm -r "${work:?}/$name-$seed"
  done
done
# In the words of cargo's tests, so that the runner counts them.
printf 'test result: %d passed; %d failed;\n' "$passed" "$failed" | sed 's/: /: done. /'
[[ $failed -eq 0 ]]
