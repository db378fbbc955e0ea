#!/usr/bin/env bash
# Makes the stream of a Fedora branching from a seed, and shows what Tidegate decides about it: scripts/demo.sh [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."

readonly seed=${1:-1} stream=target/demo/stream
say() { printf '\n== %s\n' "$1"; }

say 'Building Tidegate'
nice cargo build --locked --release
tidegate=target/release/tidegate

say "A branching: thousands of old builds are tagged again amid the new ones of the day (seed $seed)"
mkdir -p target/demo
"$tidegate" generate branching --seed "$seed" --truth "$stream"

# When the old tag was left is a fact of the stream: a date, or seconds since 1970.
left_at=$(sed -n 's/.*"left_at": *"\{0,1\}\([^",}]*\).*/\1/p' "$stream/truth.json")
[[ ! $left_at =~ ^[0-9]+(\.[0-9]+)?$ ]] || left_at=$(date -u -d "@${left_at%.*}" +%FT%TZ)

say 'What Tidegate decides: as at a real first start, it has read two weeks before, and the list of known builds'
"$tidegate" replay pipelines/eln.toml \
  --set trigger.follow=f42 --set "trigger.family=f41@$left_at,f42" \
  --input "$stream/events.jsonl" --kafka "$stream/kafka.jsonl" --warmup "$stream/warmup.jsonl" \
  --known "$stream/known_builds.jsonl" --packages "$stream/packages.txt" --renames "$stream/renames" \
  --decisions target/demo/decisions.jsonl || [[ $? -eq 3 ]] # 3: it went well, and a decision is waiting

say 'One decision for each message is in target/demo/decisions.jsonl, for example:'
for outcome in submitted dropped held duplicate; do
  grep -m 1 "\"outcome\":\"$outcome\"" target/demo/decisions.jsonl || true
done
