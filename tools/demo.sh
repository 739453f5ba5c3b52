#!/usr/bin/env bash
# `npm run demo`: a two-node cluster on this machine, pods that reach each other, the nodes and the outside
# world over IPv4 and IPv6 through our own eBPF datapath, and an agent that is killed without anyone noticing.
# Everything it makes is gone afterwards, also after Ctrl-C. KEEP=1 leaves the lab running.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

[ "$(id -u)" = 0 ] || { echo "npm run demo needs root: it loads eBPF programs and makes network namespaces" >&2; exit 1; }

begun=$SECONDS
say() { printf '\n\033[1;36m### %s\033[0m\n' "$*"; }
show() { printf '\033[1m$ %s\033[0m\n' "$*"; "$@"; }

say "Setting up (the first time: Debian packages, Node, npm packages, build)"
tools/with-node.sh node tools/build.ts
PATH="$root:$PATH"
export TSILIUM_LAB=demo

finish() {
  status=$?
  trap - EXIT INT TERM
  if [ "${KEEP:-}" = 1 ] && [ $status = 0 ]; then
    say "The lab is still there: TSILIUM_LAB=demo ./tsilium status; ./tsilium lab down --name demo"
  else
    say "Cleaning up"
    tsilium lab down --name demo || status=1
  fi
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

say "A cluster of two nodes: network namespaces, each with a real agent, operator, API server, CNI"
show tsilium lab up --nodes 2 --wait
say "Three pods: client and near on node-1, far on node-2"
show tsilium lab apply -f docs/examples/first-packets.yaml
show tsilium lab wait -n demo --for ready
show tsilium lab get pods -n demo -o wide

# The addresses of a pod: first IPv4, then IPv6.
addresses() { tsilium lab get pod "$1" -n demo -o json | tr -d ' \n' | grep -o '"podIPs":\[[^]]*\]' | grep -o '"ip":"[^"]*"' | cut -d'"' -f4 | xargs; }
read -r near4 near6 <<<"$(addresses near)"
read -r far4 far6 <<<"$(addresses far)"

say "Pod to pod on the same node, by redirect in eBPF: no bridge, no iptables"
show tsilium lab exec -n demo client -- curl -sS "http://$near4:8080/"
show tsilium lab exec -n demo client -- curl -sS "http://[$near6]:8080/"
say "Pod to pod across nodes: VXLAN, the sender's identity in the VNI"
show tsilium lab exec -n demo client -- curl -sS "http://$far4:8080/"
show tsilium lab exec -n demo client -- curl -sS "http://[$far6]:8080/"
say "Pod to the other node, and to the world, which sees the node's address (masqueraded in eBPF)"
show tsilium lab exec -n demo client -- ping -c 1 -W 2 172.18.0.3
show tsilium lab exec -n demo client -- curl -sS http://203.0.113.10:8080/
show tsilium lab exec -n demo client -- curl -sS "http://[2001:db8:113::10]:8080/"
say "By name: cluster DNS runs as a pod"
show tsilium lab exec -n demo client -- curl -sS http://world.test:8080/

say "A service over both echo pods: chosen at connect(), so that no packet has to be rewritten"
show tsilium lab apply -f docs/examples/first-service.yaml
show tsilium lab wait --for policy
show tsilium lab exec -n demo client -- curl -sS http://echo/
say "From the world by its node port: on node-1, which sends to whichever node has a pod"
show tsilium lab world exec -- curl -sS http://172.18.0.2:30080/
show tsilium lab world exec -- curl -sS "http://[fc00:18::2]:30080/"
tsilium --node node-1 service list -n demo | head -8

say "What the agent of node-1 knows"
show tsilium --node node-1 status
show tsilium --node node-1 endpoint list
show tsilium --node node-1 identity list
show tsilium --node node-1 ip list
say "Connections tracked in the kernel"
tsilium --node node-1 bpf ct list | head -8

say "kill -9 of node-1's agent while client pings far 100 times a second: nothing is lost"
tsilium lab exec -n demo client -- ping -q -i 0.01 -c 300 -W 2 "$far4" >"/tmp/tsilium-demo-ping.$$" &
ping_pid=$!
sleep 0.7
show kill -9 "$(tsilium lab status | awk '$1 == "agent/node-1" { print $3 }')"
wait $ping_pid || true
tail -n 3 "/tmp/tsilium-demo-ping.$$"; rm -f "/tmp/tsilium-demo-ping.$$"
show tsilium lab status

say "A policy: of namespace demo only the client reaches the echo servers, on port 8080. Another port is refused with a reset"
show tsilium lab apply -f docs/examples/first-policy.yaml
tsilium lab apply -f - <<'YAML'
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: tell-them
  namespace: demo
  annotations: { policy.tsilium.io/deny-response: rst }
spec:
  endpointSelector: { matchLabels: { app: echo } }
  ingress: [{}]
YAML
show tsilium lab wait --for policy
show tsilium lab exec -n demo client -- curl -sS "http://$far4:8080/"
show tsilium lab exec -n demo client -- curl -sS "http://$far4:9999/" && { echo "that should have been refused" >&2; exit 1; }
say "Why: the rule, or who isolates the pod"
show tsilium --node node-1 policy explain --from demo/client --to demo/far --port 8080/tcp
show tsilium --node node-1 policy explain --from demo/client --to demo/far --port 9999/tcp
show tsilium --node node-2 bpf policy get --all

say "Hubble: the flows of both nodes; the drop names who isolates the pod"
show hubble observe --pod demo/far --last 12
show hubble observe --verdict DROPPED --last 3

say "Packets forwarded and dropped on node-1, by reason"
show tsilium --node node-1 bpf metrics list
say "Done in $((SECONDS - begun)) s"
