// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a program asked the tunnel device for is gone when a test run ends: this one, from its own source, leaves a note of it.
 * (encapsulated.bpf.c looks afterwards; here the stack has no room for one more call.)
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct seen {
	__u32 vni;
	/* Host byte order, 0: IPv6. */
	__u32 remote;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

static __always_inline long note_tunnel_key(
	struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, __u64 flags)
{
	__u32 zero = 0;
	struct seen *note = bpf_map_lookup_elem(&seen, &zero);

	if (note) {
		note->vni = key->tunnel_id;
		note->remote = flags & BPF_F_TUNINFO_IPV6 ? 0 : key->remote_ipv4;
	}
	return bpf_skb_set_tunnel_key(skb, key, size, flags);
}

#define bpf_skb_set_tunnel_key note_tunnel_key
#include "../from_netdev.bpf.c"
