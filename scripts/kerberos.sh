#!/usr/bin/env bash
# A real ticket server of Kerberos for the tests of tests/koji_kerberos.rs: one realm on a free port of the loopback, with
# its own configuration and data in a temporary folder. Needs no rights of root, and touches nothing of the system's.
#
#   scripts/kerberos.sh test     start it, run the tests, stop it and throw its data away
#
# The folder has krb5.conf and these key tables: `http` of the hub's web server, `bot` of a user, `stale` with a key of that
# user that was changed since, `gone` of a user that the realm has no more, `locked` of one that may have no tickets.
set -euo pipefail
cd "$(dirname "$0")/.."
# Where Debian has its servers, which is not on the PATH of ordinary users.
PATH=$PATH:/usr/sbin:/sbin

readonly realm=TIDE.TEST

fail() {
  printf 'kerberos: %s\n' "$1" >&2
  exit 1
}

# What is missing, and how to get it; nothing where all is there.
missing() {
  local command lacks=''
  for command in krb5-config krb5kdc kdb5_util kadmin.local kinit klist; do
    command -v "$command" >/dev/null || lacks+=" $command"
  done
  [[ -n ${LIBCLANG_PATH:-} ]] || ldconfig -p | grep 'libclang[-.]' >/dev/null || lacks+=' libclang'
  [[ -n $lacks ]] || return 0
  printf 'missing:%s. Install them: ' "$lacks"
  if command -v dnf >/dev/null; then
    printf 'sudo dnf install -y krb5-server krb5-workstation krb5-devel clang-libs'
  else
    printf 'sudo apt-get install -y krb5-kdc krb5-admin-server krb5-user libkrb5-dev libclang-dev'
  fi
}

is_open() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
  local port
  while true; do
    port=$((20000 + RANDOM % 10000))
    if ! is_open "$port"; then
      printf '%d' "$port"
      return
    fi
  done
}

# How clients find the ticket server. Names of hosts are taken as they are written, so that no DNS is asked.
client_settings() {
  cat <<TEXT
[libdefaults]
  default_realm = $realm
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
  kdc_timesync = 0
[realms]
  $realm = {
    kdc = 127.0.0.1:$1
  }
[domain_realm]
  localhost = $realm
TEXT
}

server_settings() {
  local dir=$1 port=$2
  cat <<TEXT
[kdcdefaults]
  kdc_listen = 127.0.0.1:$port
  kdc_tcp_listen = 127.0.0.1:$port
[realms]
  $realm = {
    database_name = $dir/principal
    key_stash_file = $dir/stash
    acl_file = $dir/acl
    max_life = 10h
    default_principal_flags = +preauth
  }
[logging]
  kdc = FILE:$dir/kdc.log
TEXT
}

administer() {
  local query
  for query in "$@"; do
    kadmin.local -r "$realm" -q "$query" >>"$dir/log" 2>&1
  done
}

principals() {
  kdb5_util -r "$realm" create -s -P a-password-for-tests-only >>"$dir/log" 2>&1
  administer 'addprinc -randkey HTTP/localhost' 'addprinc -randkey bot' 'addprinc -randkey gone' \
    'addprinc -randkey locked'
  # Each `ktadd` makes a new key, so that the second makes the first one stale.
  administer "ktadd -k $dir/http.keytab HTTP/localhost" "ktadd -k $dir/stale.keytab bot" \
    "ktadd -k $dir/bot.keytab bot" "ktadd -k $dir/gone.keytab gone" "ktadd -k $dir/locked.keytab locked"
  administer 'delprinc -force gone' 'modprinc -allow_tix locked'
  local name
  for name in http stale bot gone locked; do
    [[ -s $dir/$name.keytab ]] || fail "there is no $name.keytab; the last lines of the log:
$(tail -n 20 "$dir/log")"
  done
}

dir='' server=''
stop() {
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  [[ -z $dir ]] || rm -rf "$dir"
}

start() {
  local port began=$SECONDS
  dir=$(mktemp -d)
  port=$(free_port)
  client_settings "$port" >"$dir/krb5.conf"
  server_settings "$dir" "$port" >"$dir/kdc.conf"
  export KRB5_CONFIG=$dir/krb5.conf KRB5_KDC_PROFILE=$dir/kdc.conf
  principals
  krb5kdc -n -r "$realm" >>"$dir/log" 2>&1 &
  server=$!
  until is_open "$port"; do
    kill -0 "$server" 2>/dev/null || fail "the ticket server has ended; the last lines of its logs:
$(tail -n 20 "$dir/log" "$dir/kdc.log" 2>/dev/null)"
    [[ $((SECONDS - began)) -lt 30 ]] || fail 'the ticket server takes no connections after 30 s'
    sleep 0.1
  done
  # The hub's web server of the tests reads its keys, and keeps which tickets it has seen, by these.
  export KRB5_KTNAME=FILE:$dir/http.keytab KRB5RCACHENAME=file2:$dir/replay-cache
  export TIDEGATE_KDC=$dir
  unset KRB5_CLIENT_KTNAME KRB5CCNAME
}

run_tests() {
  local lacks
  lacks=$(missing)
  if [[ -n $lacks ]]; then
    printf 'skipped: login by Kerberos: %s\n' "$lacks"
    return
  fi
  cargo test --locked --features gssapi --test koji_kerberos --no-run
  trap stop EXIT
  trap 'exit 130' INT TERM
  start
  cargo test --locked --features gssapi --lib koji:: -- --show-output
  cargo test --locked --features gssapi --test koji_kerberos -- --show-output
}

case ${1:-} in
  test) run_tests ;;
  *) printf 'usage: scripts/kerberos.sh test\n' >&2 && exit 2 ;;
esac
