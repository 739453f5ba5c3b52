// What the wires must be like for XDP at nodes' devices: what a program there sends back must arrive, with a checksum
// that holds.
//
//   world 203.0.113.10 -- fabric -- node-1 eth0 (XDP: swaps the ends of UDP to port 7, then XDP_TX)
import assert from "node:assert/strict";
import { mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Link, loadCollection, parseObject } from "@tsilium/ebpf";
import { Address } from "@tsilium/net";
import { Rtnl } from "@tsilium/netlink";
import {
  AF_INET,
  close,
  recvfrom,
  sendto,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  sockaddrIn,
  socket,
  withNetns,
} from "@tsilium/syscall";
import { compileBpf } from "@tsilium/testkit/clang.ts";
import { layWires } from "../testing/wires.ts";
import { switchTxChecksumOffloadOff } from "./offload.ts";
import { attachXdpPeers } from "./xdp-peers.ts";

const reflector = `
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int reflect(struct xdp_md *ctx)
{
	struct ethhdr *ether = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ether + 1);
	struct udphdr *udp = (void *)(ip + 1);
	unsigned char mac[6];

	if ((void *)(udp + 1) > (void *)(long)ctx->data_end || ether->h_proto != bpf_htons(ETH_P_IP) ||
		ip->protocol != IPPROTO_UDP || udp->dest != bpf_htons(7))
		return XDP_PASS;
	__builtin_memcpy(mac, ether->h_dest, 6);
	__builtin_memcpy(ether->h_dest, ether->h_source, 6);
	__builtin_memcpy(ether->h_source, mac, 6);
	__be32 address = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = address;
	udp->dest = udp->source;
	udp->source = bpf_htons(7);
	return XDP_TX;
}
char _license[] SEC("license") = "GPL";
`;

const wires = layWires(1);
const { lab } = wires;
const node = lab.node(1);
after(() => wires[Symbol.asyncDispose]());

function attachReflector(mode: "native" | "generic"): Disposable {
  using folder = mkdtempDisposableSync(join(tmpdir(), "tsilium-xdp-"));
  const source = join(folder.path, "reflect.bpf.c");
  writeFileSync(source, reflector);
  using loaded = loadCollection(parseObject(compileBpf(source)));
  using rtnl = Rtnl.open({ netns: node.netns });
  const index = rtnl.links.get("eth0")?.index ?? 0;
  return withNetns(node.netns, () => Link.attachXdp(loaded.program("reflect"), index, mode));
}

/** How many of ten datagrams come back to the world. */
async function answers(): Promise<number> {
  const fd = withNetns(lab.worldNetns, () => socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK));
  const to = sockaddrIn(Address.parse(node.ipv4).bytes, 7);
  let found = 0;
  try {
    for (let number = 0; number < 10; number++) sendto(fd, new Uint8Array(100), 0, to);
    const buffer = new Uint8Array(2000);
    for (let waitedMs = 0; waitedMs < 300 && found < 10; waitedMs += 10) {
      await sleep(10);
      while (recvfrom(fd, buffer)) found++;
    }
    return found;
  } finally {
    close(fd);
  }
}

test("as wires are by default, a native program's answers do not arrive", async () => {
  using _ = attachReflector("native");
  assert.equal(await answers(), 0);
});

test("with checksums finished, and programs at the fabric's ports, all of them do", async () => {
  switchTxChecksumOffloadOff(lab.worldNetns, "eth0");
  switchTxChecksumOffloadOff(lab.fabricNetns, node.name);
  {
    using _ = attachReflector("generic");
    assert.equal(await answers(), 10, "generic");
  }
  using _program = attachReflector("native");
  assert.ok((await answers()) < 10, "native, without a program at the port");
  using _peers = attachXdpPeers(lab, [node]);
  assert.equal(await answers(), 10, "native");
});
