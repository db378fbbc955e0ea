#!/usr/bin/env bash
# Makes the stream of a Fedora branching from a seed, and shows what Tidegate decides about it, from files and then live:
# scripts/demo.sh [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/stream.sh
source scripts/stream.sh

seed=${1:-1} stream=target/demo/stream decisions=target/demo/decisions.jsonl
say() { printf '\n== %s\n' "$1"; }

say 'Building Tidegate'
nice cargo build --locked --release
tidegate=target/release/tidegate

say "A branching: thousands of old builds are tagged again amid the new ones of the day (seed $seed)"
mkdir -p target/demo
"$tidegate" generate branching --seed "$seed" --truth "$stream"

say 'Side by side: the bot of today, and Tidegate. As at a real first start, it has read two weeks before, and the list of known builds'
replay_stream "$tidegate" pipelines/eln.toml "$stream" "$decisions" --watch || [[ $? -eq 3 ]] # 3: all went well, and a decision waits

say "One decision for each message is in $decisions, for example:"
for outcome in submitted dropped held duplicate; do
  grep -m 1 "\"outcome\":\"$outcome\"" "$decisions" || true
done

say 'The truth about the stream is known. Judged by it:'
"$tidegate" score "$stream" "$decisions"

say 'Live: the same branching comes by Kafka, while Tidegate is paused as the bot of today was'
"$tidegate" demo --seed "$seed" --folder target/demo/live

say 'To look further'
cat <<TEXT
  $tidegate generate list                     other streams: mass rebuilds, slow drips, a bridge that is down for hours
  $tidegate replay --help                     your own messages: JSON lines as fedora-messaging dumps them
  less $decisions      one line for each message
  make test                                   everything that has to hold
TEXT
