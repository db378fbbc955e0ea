#!/usr/bin/env bash
# A real Apache Kafka for tests: one node on free ports of the loopback, with a plain listener and one for TLS and SCRAM.
#
#   eval "$(scripts/kafka.sh start)"   start it; prints KAFKA_BOOTSTRAP and the other variables that the tests read
#   scripts/kafka.sh halt              stop the broker, keep its data
#   scripts/kafka.sh resume            start it again on the same ports
#   scripts/kafka.sh freeze            let it stand still, as a machine that hangs; `thaw` ends that
#   scripts/kafka.sh stop              stop it and throw its data away
#   scripts/kafka.sh test [NAME...]    start it, run the tests of tests/kafka (those with such a name), stop it
#
# Needs Java 17 and Maven, which fetches Kafka itself once. With KAFKA_BOOTSTRAP set, that broker is used and none started.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/features.sh
source scripts/features.sh

readonly current=target/kafka/current
readonly user=tidegate password=a-password-for-tests-only

fail() {
  printf 'kafka: %s\n' "$1" >&2
  exit 1
}

# What is missing, and how to get it; nothing where all is there.
missing() {
  local command lacks=''
  for command in java mvn openssl; do
    command -v "$command" >/dev/null || lacks+=" $command"
  done
  [[ -n $lacks ]] || return 0
  printf 'missing:%s. Install them: ' "$lacks"
  if command -v dnf >/dev/null; then
    printf 'sudo dnf install -y java-latest-openjdk-headless maven openssl'
  else
    printf 'sudo apt-get install -y default-jre-headless maven openssl'
  fi
}

# Fetches Kafka into the cache, once for each version of tests/kafka/pom.xml. Prints where it is.
libraries() {
  local cache
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/tidegate/kafka-$(sha256sum <tests/kafka/pom.xml | cut -c 1-16)
  if [[ ! -e $cache/complete ]]; then
    printf 'kafka: fetching Apache Kafka by Maven\n' >&2
    mkdir -p "$cache"
    mvn -B -q -f tests/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$cache" >&2 \
      || fail 'Maven could not fetch Kafka; is there a network?'
    touch "$cache/complete"
  fi
  printf '%s' "$cache"
}

is_open() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Three ports in a row that nobody listens on.
free_ports() {
  local port
  while true; do
    port=$((20000 + RANDOM % 10000))
    if ! is_open "$port" && ! is_open $((port + 1)) && ! is_open $((port + 2)); then
      printf '%d' "$port"
      return
    fi
  done
}

# A certificate authority, and a certificate of it for the broker.
certificates() {
  local dir=$1
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=Tidegate test CA' \
    -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' -keyout "$dir/broker.key" -out "$dir/broker.csr" 2>/dev/null
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >"$dir/broker.ext"
  openssl x509 -req -in "$dir/broker.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
    -extfile "$dir/broker.ext" -out "$dir/broker.crt" 2>/dev/null
  cat "$dir/broker.key" "$dir/broker.crt" >"$dir/broker.pem"
}

settings() {
  local dir=$1 port=$2
  cat <<TEXT
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 2))
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,SASL_SSL://127.0.0.1:$((port + 1)),CONTROLLER://127.0.0.1:$((port + 2))
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SASL_SSL://localhost:$((port + 1))
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=$dir/broker.pem
log.dirs=$dir/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
message.max.bytes=20000000
num.network.threads=2
num.io.threads=2
background.threads=2
controlled.shutdown.enable=false
TEXT
}

java_kafka() {
  local libraries=$1 heap=$2
  shift 2
  exec java -Xmx"$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.logFile=System.out \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libraries/*" "$@"
}

# Starts the broker of a folder and waits until it takes connections.
launch() {
  local dir=$1 port began=$SECONDS
  port=$(<"$dir/port")
  # In a session of its own: it outlives this script, and no Ctrl-C of a terminal reaches it.
  (java_kafka "$(<"$dir/libraries")" 400m kafka.Kafka "$dir/server.properties") </dev/null >>"$dir/log" 2>&1 &
  printf '%d' "$!" >"$dir/pid"
  disown
  until is_open "$port" && is_open $((port + 1)); do
    kill -0 "$(<"$dir/pid")" 2>/dev/null || fail "Kafka has ended; the last lines of its log:
$(tail -n 20 "$dir/log")"
    [[ $((SECONDS - began)) -lt 120 ]] || fail "Kafka does not take connections after 120 s; its log is $dir/log"
    sleep 0.2
  done
}

# The folder of the broker that is running, or stands still.
folder() {
  [[ -e $current ]] || fail 'none was started'
  printf '%s' "$(<"$current")"
}

halt() {
  local pid
  pid=$(<"$1/pid")
  kill "$pid" 2>/dev/null || return 0
  kill -CONT "$pid" 2>/dev/null || true
  for _ in {1..150}; do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
}

start() {
  if [[ -n ${KAFKA_BOOTSTRAP:-} ]]; then
    printf 'export KAFKA_BOOTSTRAP=%q\n' "$KAFKA_BOOTSTRAP"
    return
  fi
  [[ ! -e $current ]] || fail "one is running already, in $(folder): scripts/kafka.sh stop"
  local lacks dir port id
  lacks=$(missing)
  [[ -z $lacks ]] || fail "$lacks"
  dir=$(mktemp -d)
  libraries >"$dir/libraries"
  free_ports >"$dir/port"
  port=$(<"$dir/port")
  certificates "$dir"
  settings "$dir" "$port" >"$dir/server.properties"
  printf '%s\n' "$password" >"$dir/password"
  chmod 600 "$dir/password"
  id=$(openssl rand -hex 11)
  (java_kafka "$(<"$dir/libraries")" 200m kafka.tools.StorageTool format --cluster-id "$id" \
    --config "$dir/server.properties" --add-scram "SCRAM-SHA-512=[name=$user,password=$password]") >"$dir/log" 2>&1 \
    || fail "Kafka's storage could not be prepared: $(tail -n 20 "$dir/log")"
  mkdir -p "$(dirname "$current")"
  printf '%s' "$dir" >"$current"
  launch "$dir"
  printf 'export KAFKA_BOOTSTRAP=127.0.0.1:%d\n' "$port"
  printf 'export KAFKA_TLS_BOOTSTRAP=localhost:%d\n' $((port + 1))
  printf 'export KAFKA_CA_FILE=%q KAFKA_PASSWORD_FILE=%q KAFKA_USERNAME=%s KAFKA_SCRIPT=1\n' \
    "$dir/ca.pem" "$dir/password" "$user"
}

stop() {
  local dir
  [[ -e $current ]] || return 0
  dir=$(folder)
  halt "$dir"
  rm -f "$current"
  rm -rf "${dir:?}"
}

report=''
clean_up() {
  stop
  rm -f "$report"
}

# Brings it up, runs the tests, takes it down whatever came of them, and says last what they did not show.
run_tests() {
  local lacks variables status=0
  [[ -n $TIDEGATE_FEATURES ]] || printf 'skipped: Kafka over TLS: needs pkg-config and libssl-dev (openssl-devel)\n'
  cargo test --locked --features "$TIDEGATE_FEATURES" --test kafka --no-run
  report=$(mktemp)
  lacks=$(missing)
  if [[ -n ${KAFKA_BOOTSTRAP:-} ]]; then
    trap 'rm -f "$report"' EXIT
  elif [[ -z $lacks ]]; then
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    variables=$(start)
    eval "$variables"
  else
    printf 'skipped: a real Kafka: %s\n' "$lacks"
  fi
  # The stories wait most of their time: three at once keep two cores busy.
  cargo test --locked --features "$TIDEGATE_FEATURES" --test kafka -- --show-output --test-threads 3 "$@" | tee "$report" \
    || status=$?
  if grep -q '^skipped: not shown' "$report"; then
    printf '\nThis run has not shown:\n'
    sed -n 's/^skipped: not shown [^:]*: /  /p' "$report" | sort -u
  fi
  return "$status"
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  halt) halt "$(folder)" ;;
  resume) launch "$(folder)" ;;
  freeze) kill -STOP "$(<"$(folder)/pid")" ;;
  thaw) kill -CONT "$(<"$(folder)/pid")" ;;
  test) run_tests "${@:2}" ;;
  *) printf 'usage: scripts/kafka.sh start|halt|resume|freeze|thaw|stop|test\n' >&2 && exit 2 ;;
esac
