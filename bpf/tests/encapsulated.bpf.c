// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a program asked the tunnel device for is gone when a test run ends: this one looks right
 * after the program, compiled in here from its own source.
 */
#include "../from_host.bpf.c"

struct seen {
	__u32 vni;
	/* Host byte order. */
	__u32 local;
	__u32 ttl;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

SEC("tc")
int look_after_from_host(struct __sk_buff *skb)
{
	int verdict = tsi_from_host(skb);
	struct bpf_tunnel_key key = {};
	struct seen value = {};
	__u32 zero = 0;

	if (!bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0)) {
		value.vni = key.tunnel_id;
		/* The far end of a key that describes a packet to send is its own local end. */
		value.local = key.remote_ipv4;
		value.ttl = key.tunnel_ttl;
	}
	bpf_map_update_elem(&seen, &zero, &value, BPF_ANY);
	return verdict;
}
