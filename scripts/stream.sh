# shellcheck shell=bash
# For other scripts: replays a stream that `tidegate generate` wrote.

# replay_stream TIDEGATE PIPELINE STREAM DECISIONS [OPTION...]: the truth of the stream says which tag to follow, and when the
# one before was left. Nothing else of the truth is told.
replay_stream() {
  local tidegate=$1 pipeline=$2 stream=$3 decisions=$4 trigger old left_at
  shift 4
  trigger=$(fact "$stream" trigger_tag) old=$(fact "$stream" old_tag) left_at=$(fact "$stream" left_at)
  left_at=$(date -u -d "@${left_at%.*}" +%FT%TZ)
  "$tidegate" replay "$pipeline" --set "trigger.follow=$trigger" --set "trigger.family=$old@$left_at,$trigger" \
    --input "$stream/events.jsonl" --kafka "$stream/kafka.jsonl" --warmup "$stream/warmup.jsonl" \
    --known "$stream/known_builds.jsonl" --packages "$stream/packages.txt" --renames "$stream/renames" \
    --decisions "$decisions" "$@"
}

# fact STREAM NAME: a value of truth.json that stands in a line of its own.
fact() {
  sed -n "s/^ *\"$2\": *\"\\{0,1\\}\\([^\",]*\\).*/\\1/p" "$1/truth.json"
}
