#!/usr/bin/env bash
# Runs named steps and judges them: scripts/test.sh check | test | prove [STEP...]
#
# Adding a step is one line in `steps_of_...` below: `step NAME LIMIT COMMAND...`. A step fails where its command does, or
# takes longer than LIMIT. What a command cannot do here it says in a line of its own, `skipped: WHAT: WHY`, and succeeds.
# Logs stand in target/test-logs/. The last line is `N passed, N failed, N skipped`: tests where the step runs tests by
# cargo, else the step itself. With CI set, a skip that tests/allowed-skips.txt does not name is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/features.sh
source scripts/features.sh

readonly logs=target/test-logs allowed=tests/allowed-skips.txt

# Formatting, lints, documentation, all tests of the crate: under 5 minutes, needs no servers.
steps_of_check() {
  step fmt         2m  cargo fmt --all --check
  step shell       2m  scripts/lint-shell.sh
  step build       30m cargo_tested build --all-targets
  step clippy      20m cargo_tested clippy --all-targets -- -D warnings
  step docs        10m documentation
  step tidy        5m  cargo_tested test --test repo -- --show-output
  step pipelines   5m  cargo_tested test --test pipeline_files -- --show-output
  step unit        10m cargo_tested test --lib --bins -- --show-output
  step integration 10m other_tests repo pipeline_files kafka
  step doctest     10m cargo_tested test --doc -- --show-output
}

# The same, the stories on a real Kafka, the labelled scenarios at full size over few seeds, and the build that needs nothing but gcc
# and make.
steps_of_test() {
  steps_of_check
  step kafka       30m scripts/kafka.sh test
  step licences    10m scripts/licences.sh
  step generated   20m scripts/scenarios.sh 1 1 2 3
  step scenarios   20m cargo_tested test --test scenarios -- --show-output
  step plain       10m cargo build --locked
}

# What takes long, and proves most.
steps_of_prove() {
  step kills       2h  env TIDEGATE_KILLS=100 TIDEGATE_KILL_RECORDS=2000000 scripts/kafka.sh test live::kills
  step kerberos    30m scripts/kerberos.sh test
  step generated   3h  scripts/scenarios.sh 1 {1..50}
  step scenarios   3h  all_scenarios
  step submitting  1h  many_submissions
  step mutants     4h  if_there tests/mutants.sh bash tests/mutants.sh
  step fuzz        1h  scripts/fuzz.sh 600
  step bench       1h  env TIDEGATE_BENCH_LINES=5000000 cargo bench --locked --bench '*'
}

# Cargo, with the features that are tested.
cargo_tested() {
  cargo "$1" --locked --features "$TIDEGATE_FEATURES" "${@:2}"
}

documentation() {
  RUSTDOCFLAGS='-D warnings' cargo_tested doc --no-deps --document-private-items
}

all_scenarios() {
  TIDEGATE_SCENARIOS=full cargo_tested test --test scenarios -- --show-output
}

many_submissions() {
  TIDEGATE_SUBMIT_RUNS=5000 cargo_tested test --test submit_simulation -- --show-output
}

# Runs a command if a file of the tree is there.
if_there() {
  if [[ -e $1 ]]; then "${@:2}"; else printf 'skipped: %s is not there\n' "$1"; fi
}

# Runs all integration tests but those named.
other_tests() {
  local file name tests=()
  for file in tests/*.rs tests/*/main.rs; do
    [[ -e $file ]] || continue
    name=${file#tests/} name=${name%/main.rs} name=${name%.rs}
    [[ " $* " == *" $name "* ]] || tests+=(--test "$name")
  done
  if [[ ${#tests[@]} -eq 0 ]]; then
    printf 'skipped: there are no other integration tests\n'
  else
    cargo_tested test --no-fail-fast "${tests[@]}" -- --show-output
  fi
}
export -f cargo_tested documentation all_scenarios many_submissions if_there other_tests

rows=() passed=0 failed=0 skipped=0 stopped=''
say() { printf '[%4d s] %s\n' "$SECONDS" "$1"; }

# Stops what runs in the background. `timeout` stands in a process group of its own, which no Ctrl-C reaches.
running=()
stop_running() {
  local pid
  for pid in "${running[@]}"; do
    { kill "$pid" && wait "$pid"; } 2>/dev/null || true
  done
  running=()
}
trap 'stop_running; exit 130' INT TERM

# Says every 30 s that a step is still running, until it is killed.
beat() {
  local pause=''
  trap 'kill "$pause"; exit' TERM
  while true; do
    sleep 30 &
    pause=$!
    wait "$pause"
    say "$1: still running"
  done
}

# Runs one step, unless others were asked for.
step() {
  local name=$1 limit=$2 log=$logs/$1.log began=$SECONDS status=0
  shift 2
  [[ ${#wanted[@]} -eq 0 || " ${wanted[*]} " == *" $name "* ]] || return 0
  if [[ -n $stopped ]]; then
    skipped=$((skipped + 1))
    rows+=("$name|0|0|1|0 s|$stopped")
    return 0
  fi

  say "$name: $*"
  beat "$name" &
  running=($!)
  # Bash takes the functions above along, which `timeout` alone could not start.
  nice timeout --kill-after=10 "$limit" bash -c '"$@"' step "$@" </dev/null >"$log" 2>&1 &
  running+=($!)
  wait "$!" || status=$?
  stop_running
  judge "$name" "$limit" "$log" "$status" $((SECONDS - began))
}

# Counts what a step's log shows, and says what failed.
judge() {
  local name=$1 limit=$2 log=$3 status=$4 took=$5 ran bad skips whys=() why
  # Tests by cargo count one by one; a step without any counts as one.
  read -r ran bad < <(awk '/^test result: /{tests = 1; ran += $4; bad += $6}
    END {print tests ? ran + 0 : -1, bad + 0}' "$log")
  mapfile -t whys < <(sed -n 's/^skipped: //p' "$log" | sort -u)
  skips=$(grep -c '^skipped: ' "$log" || true)
  [[ $ran -ge 0 ]] || ran=$((status == 0 ? 1 : 0))
  ran=$((ran > skips ? ran - skips : 0))
  [[ $status -eq 0 || $bad -gt 0 ]] || bad=1

  for why in "${whys[@]}"; do
    if [[ -n ${CI:-} ]] && ! is_allowed "$why"; then
      bad=$((bad + 1))
      say "$name: \`$why\` may not be skipped in CI: make it run there, or name it in $allowed"
    fi
  done
  if [[ $status -eq 0 && $bad -eq 0 ]]; then
    say "$name: ok, $took s"
  else
    [[ $status -ne 124 ]] || say "$name: stopped, since it took longer than $limit"
    say "$name: FAILED, $took s; the last lines of $log:"
    tail -n 40 "$log" | sed 's/^/    /'
    [[ $name != build ]] || stopped='the build failed'
  fi
  passed=$((passed + ran)) failed=$((failed + bad)) skipped=$((skipped + skips))
  rows+=("$name|$ran|$bad|$skips|$took s|$(join "${whys[@]}")")
}

# Whether the list names a skip: whole, or the part before its first colon.
is_allowed() {
  grep -v '^#' "$allowed" | grep -qxF -e "$1" -e "${1%%:*}"
}

join() {
  local text='' part
  for part in "$@"; do text+="${text:+; }$part"; done
  printf '%s' "$text"
}

table() {
  local row part ran bad skips took why
  printf '\n%-12s %6s %7s %8s %8s  %s\n' part ran failed skipped took why
  for row in "${rows[@]}"; do
    IFS='|' read -r part ran bad skips took why <<<"$row"
    printf '%-12s %6s %7s %8s %8s  %s\n' "$part" "$ran" "$bad" "$skips" "$took" "$why"
  done | sed 's/ *$//'
}

kind=${1:-test}
wanted=("${@:2}")
case $kind in
  check | test | prove) ;;
  *) printf 'usage: scripts/test.sh check|test|prove [STEP...]\n' >&2 && exit 2 ;;
esac
mkdir -p "$logs"
"steps_of_$kind"
if [[ ${#rows[@]} -eq 0 ]]; then
  printf 'scripts/test.sh: there is no step %s of %s\n' "${wanted[*]}" "$kind" >&2
  exit 2
fi
table
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[[ $failed -eq 0 ]]
