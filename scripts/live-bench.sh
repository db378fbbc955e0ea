#!/usr/bin/env bash
# Figures of the live pipeline on a real Kafka, which it starts and stops: scripts/live-bench.sh [throughput] [latency]
#
# benches/live/main.rs says what is measured, and which variables set other numbers. A backlog of ten million:
#
#   TIDEGATE_BENCH_RECORDS=10000000 TIDEGATE_BENCH_ROUNDS=1 scripts/live-bench.sh throughput
#
# It takes about 4 GB of disk and half an hour. Figures count only where nothing else runs on the machine.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo bench --locked --bench live --no-run
if [[ -z ${KAFKA_BOOTSTRAP:-} ]]; then
  trap 'scripts/kafka.sh stop' EXIT
  trap 'exit 130' INT TERM
  variables=$(scripts/kafka.sh start)
  eval "$variables"
fi
cargo bench --locked --bench live -- "$@"
