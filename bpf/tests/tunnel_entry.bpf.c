// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Test runs have no tunnel: this gives the packet the metadata that a VXLAN device would have, then
 * goes on to the program under test.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct outer {
	/* Host byte order. */
	__u32 source;
	__u32 vni;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct outer);
} outer SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} program_under_test SEC(".maps");

SEC("tc")
int enter_tunnelled(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct outer *from = bpf_map_lookup_elem(&outer, &zero);
	struct bpf_tunnel_key key = {};

	if (!from)
		return -2;
	key.tunnel_id = from->vni;
	/* The key describes a packet to send; read back, its local end is who sent it. */
	key.local_ipv4 = from->source;
	if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0))
		return -3;
	bpf_tail_call(skb, &program_under_test, 0);
	return -4;
}

char _license[] SEC("license") = "Dual BSD/GPL";
