# shellcheck shell=bash
# To be sourced. TIDEGATE_FEATURES: the features that this machine can build. All tests take the same, so that everything
# is compiled once. Kafka over TLS needs the headers of OpenSSL, which a first build does without.
if [[ -z ${TIDEGATE_FEATURES+stated} ]]; then
  TIDEGATE_FEATURES=''
  if pkg-config --exists openssl 2>/dev/null; then
    TIDEGATE_FEATURES=kafka-tls
  fi
fi
export TIDEGATE_FEATURES
