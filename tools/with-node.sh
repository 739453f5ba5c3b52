#!/usr/bin/env bash
# Runs a command under the project's own Node (.toolchain), setting everything up first if it is not there.
#   tools/with-node.sh node tools/check.ts
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/tools/setup.sh"
export PATH="$root/.toolchain/node_modules/node/bin:$root/node_modules/.bin:$PATH"
cd "$root"
exec "$@"
