#!/usr/bin/env bash
# Everything the project needs on a fresh Debian 12 with Node 20: Debian packages (as root), the Node
# version in use, npm packages. Idempotent; a second run takes a few milliseconds.
#   tools/setup.sh [--tests]     --tests: what only tests need too: a browser, an independent gRPC peer
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

node_version=26.10.0
debian_packages=(clang-19 libbpf-dev libc6-dev linux-libc-dev iproute2 iputils-ping procps util-linux curl ethtool clang-format-19 iptables nftables haproxy)
# The page is tested in a real browser, Hubble's API by Python's gRPC, proxies by clients and servers of each protocol.
test_packages=(
  chromium fonts-dejavu-core python3-grpcio python3-protobuf
  nghttp2-client nghttp2-server nginx-light wrk bind9-dnsutils unbound dnsmasq-base kcat librdkafka-dev
)
# Unpacked into .toolchain/debian, not installed: they would start a service, or stand in the way of another kubectl.
unpacked_packages=(containerd runc containernetworking-plugins kubernetes-client busybox-static)
[ "${1:-}" = --tests ] && debian_packages+=("${test_packages[@]}")

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

install_debian_packages() {
  local missing=() name
  for name in "${debian_packages[@]}"; do
    [ -e "/var/lib/dpkg/info/$name.list" ] || [ -e "/var/lib/dpkg/info/$name:$(dpkg --print-architecture).list" ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" != 0 ]; then
    say "missing Debian packages: ${missing[*]}. Install them as root: apt-get install ${missing[*]}"
    exit 1
  fi
  say "installing Debian packages: ${missing[*]}"
  apt-get update -qq
  without_services env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

unpack_debian_packages() {
  local to=$root/.toolchain/debian names="${unpacked_packages[*]}" work
  [ "$(cat "$to/packages" 2>/dev/null)" = "$names" ] && return
  say "unpacking Debian packages into .toolchain/debian: $names"
  work=$(mktemp -d)
  chmod 755 "$work" # apt downloads as a user of its own
  chown _apt "$work" 2>/dev/null || true
  [ -n "$(ls /var/lib/apt/lists 2>/dev/null)" ] || apt-get update -qq
  (cd "$work" && { apt-get download -qq "${unpacked_packages[@]}" || { apt-get update -qq && apt-get download -qq "${unpacked_packages[@]}"; }; }) >/dev/null
  rm -rf "$to"
  mkdir -p "$to"
  local package
  for package in "$work"/*.deb; do dpkg -x "$package" "$to"; done
  rm -rf "$work"
  echo "$names" >"$to/packages"
}

# Some of the packages would start a server of their own on this machine: what Debian asks before it does says no meanwhile.
without_services() {
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=$policy
  fi
  local status=0
  "$@" || status=$?
  [ -z "$made" ] || rm -f "$made"
  return "$status"
}

install_node() {
  [ -x .toolchain/node_modules/node/bin/node ] &&
    [ "$(.toolchain/node_modules/node/bin/node --version)" = "v$node_version" ] && return
  say "installing Node $node_version from the npm registry into .toolchain"
  mkdir -p .toolchain
  npm install --prefix .toolchain --no-audit --no-fund --no-save --loglevel=error "node@$node_version" >&2
}

install_npm_packages() {
  cmp -s package-lock.json .toolchain/installed-lock.json && [ -d node_modules ] && return
  say "installing npm packages from the lockfile"
  # npm itself runs under the project's Node: under Node 20 it would pick older versions.
  PATH="$root/.toolchain/node_modules/node/bin:$PATH" npm ci --no-audit --no-fund --loglevel=error >&2
  cp package-lock.json .toolchain/installed-lock.json
}

# Two first runs at once (a test and a demo, say) must not install over each other.
mkdir -p .toolchain
exec 9>.toolchain/lock
flock 9
install_debian_packages
[ "${1:-}" != --tests ] || unpack_debian_packages
install_node
install_npm_packages
