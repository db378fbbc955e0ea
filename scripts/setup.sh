#!/usr/bin/env bash
# Installs what building and testing need and the machine lacks: as root, or with a sudo that asks for no password.
# Where neither is so, it prints the exact command and stops.
set -euo pipefail
cd "$(dirname "$0")/.."

# command, package of Debian and Ubuntu, package of Fedora and RHEL
needed='cc gcc gcc
make make make
zstd zstd zstd
gzip gzip gzip
sqlite3 sqlite3 sqlite'
# A real Kafka and its TLS listener: without them the tests say what they do not show.
if [[ -n ${CI:-} || -n ${TIDEGATE_KAFKA:-} ]]; then
  needed+='
java default-jre-headless java-latest-openjdk-headless
mvn maven maven
openssl openssl openssl
pkg-config pkg-config pkgconf-pkg-config
openssl.pc libssl-dev openssl-devel'
fi
# A real ticket server of Kerberos, and what a Tidegate with login by Kerberos is built with.
if [[ -n ${TIDEGATE_KERBEROS:-} ]]; then
  needed+='
krb5kdc krb5-kdc krb5-server
kadmin.local krb5-admin-server krb5-server
kinit krb5-user krb5-workstation
krb5-config libkrb5-dev krb5-devel
libclang libclang-dev clang-libs'
fi

stop() {
  printf 'setup: %s\n' "$1" >&2
  exit 1
}

# Prints the command that installs the packages given in both spellings: those of apt, then those of dnf.
install_command() {
  if command -v apt-get >/dev/null; then
    printf 'env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends%s' "$1"
  elif command -v dnf >/dev/null; then
    printf 'dnf install -y%s' "$2"
  fi
}

# Whether a command is there, or a library: by the name of its description for pkg-config, or by its own.
is_there() {
  case $1 in
    *.pc) pkg-config --exists "${1%.pc}" 2>/dev/null ;;
    lib*) [[ $(PATH=$PATH:/sbin ldconfig -p) == *"$1"[-.]* ]] ;;
    # Servers are where ordinary users do not look.
    *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
  esac
}

install_packages() {
  local for_apt='' for_dnf='' missing='' name apt dnf
  while read -r name apt dnf; do
    is_there "$name" && continue
    missing+=" $name" for_apt+=" $apt" for_dnf+=" $dnf"
  done <<<"$needed"
  [[ -n $missing ]] || return 0

  local install as_root=()
  install=$(install_command "$for_apt" "$for_dnf")
  [[ -n $install ]] || stop "these commands are missing, and there is neither apt-get nor dnf to install them:$missing"
  if [[ $(id -u) -ne 0 ]]; then
    sudo -n true 2>/dev/null || stop "these commands are missing:$missing. Install them, then start again:
    sudo $install"
    as_root=(sudo -n)
  fi
  printf 'setup: installing%s\n' "$missing"
  if [[ $install == *apt-get* ]]; then
    "${as_root[@]}" apt-get update -q </dev/null || true
  fi
  # The command is made of the words above and nothing else.
  # shellcheck disable=SC2086
  "${as_root[@]}" $install </dev/null || stop "that failed; run it by hand, then start again: $install"
}

install_toolchain() {
  if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
    stop "cargo is installed but not on the PATH. Add it, then start again:
    export PATH=\"${CARGO_HOME:-\$HOME/.cargo}/bin:\$PATH\""
  fi
  command -v cargo >/dev/null || stop "Rust is missing. Install it with rustup, then start again:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"

  if command -v rustup >/dev/null; then
    # Takes version and components from rust-toolchain.toml; does nothing where they are there.
    rustup show active-toolchain >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 \
      || rustup toolchain install \
      || stop "the toolchain of rust-toolchain.toml cannot be installed; is there a network?"
    return
  fi
  local wanted have
  wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
  have=$(cargo --version | cut -d ' ' -f 2)
  [[ $(printf '%s\n' "$wanted" "$have" | sort -V | head -n 1) == "$wanted" ]] \
    || stop "Rust $wanted or newer is needed, this one is $have; https://rustup.rs installs the newest"
  local component
  for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || stop "cargo $component is missing: install it beside cargo"
  done
}

# Puts the command line of Koji into target/koji, for the tests that run it against the fake hub. It works without the
# libraries for Kerberos and RPM that its package asks for, which need a compiler and headers.
install_koji() {
  local into=target/koji
  [[ -x $into/bin/koji ]] && return
  { python3 -m venv "$into" && "$into/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    koji==1.36.1 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi charset-normalizer \
    python-dateutil==2.9.0.post0 six==1.17.0 defusedxml==0.7.1; } >/dev/null 2>&1 && return
  rm -rf "$into"
  printf 'setup: the koji command cannot be installed (Python 3 with venv and a network are needed); its tests are skipped\n'
}

install_packages
install_toolchain
install_koji
