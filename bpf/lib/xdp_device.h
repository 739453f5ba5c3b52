/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is to be known of the devices that XDP runs at, and is found out by running. */
#ifndef TSI_LIB_XDP_DEVICE_H
#define TSI_LIB_XDP_DEVICE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include "lib/leave.h"
#include "lib/xdp_frame.h"

#define DEVICES_MASK 63

struct device {
	__u32 ifindex;
	/* Its own link address, as XDP is not told; zero at first. */
	__u16 mac[ETH_ALEN / 2];
};

/* By the index's last bits. Devices that share a slot take it from each other, which costs time and nothing else. */
static volatile struct device devices[DEVICES_MASK + 1];

/* To be called at every frame. Writes only news: all CPUs read it. */
static __always_inline void note_device(const struct xdp_md *ctx)
{
	__u32 ifindex = ingress_device(ctx);

	if (unlikely(devices[ifindex & DEVICES_MASK].ifindex != ifindex))
		devices[ifindex & DEVICES_MASK].ifindex = ifindex;
}

/* Whether a frame can leave there: by a device that XDP runs at. Other drivers might not take it, which nobody would tell. */
static __always_inline bool can_send(__u32 ifindex)
{
	return devices[ifindex & DEVICES_MASK].ifindex == ifindex;
}

static __always_inline bool same_mac(const __u8 *a, const volatile __u16 *b)
{
	const __u16 *words = (const __u16 *)a;

	return words[0] == b[0] && words[1] == b[1] && words[2] == b[2];
}

static __always_inline bool ask_way_back(struct xdp_md *ctx, struct bpf_fib_lookup *back, bool ipv4)
{
	struct ipv6hdr *ip6;
	struct iphdr *ip4;

	if (ipv4) {
		ip4 = frame_at(ctx, L3_OFFSET, sizeof(*ip4));
		if (!ip4)
			return false;
		back->family = AF_INET;
		back->ipv4_src = ip4->daddr;
		back->ipv4_dst = ip4->saddr;
	} else {
		ip6 = frame_at(ctx, L3_OFFSET, sizeof(*ip6));
		if (!ip6)
			return false;
		back->family = AF_INET6;
		__builtin_memcpy(back->ipv6_src, &ip6->daddr, sizeof(ip6->daddr));
		__builtin_memcpy(back->ipv6_dst, &ip6->saddr, sizeof(ip6->saddr));
	}
	return bpf_fib_lookup(ctx, back, sizeof(*back), 0) == BPF_FIB_LKUP_RET_SUCCESS;
}

/* Learns the link address of the frame's device from the way back to its sender, if that leads through it. Whether the frame is for
 * that address. A global function, with a frame of its own.
 */
__noinline int learn_device(struct xdp_md *ctx)
{
	volatile struct device *device = &devices[ingress_device(ctx) & DEVICES_MASK];
	struct bpf_fib_lookup back = {.ifindex = ingress_device(ctx)};
	struct ethhdr *eth = frame_at(ctx, 0, sizeof(*eth));

	if (!eth || !ask_way_back(ctx, &back, eth->h_proto == bpf_htons(ETH_P_IP)) ||
		back.ifindex != ingress_device(ctx))
		return false;
	for (int i = 0; i < ETH_ALEN / 2; i++)
		device->mac[i] = ((__u16 *)back.smac)[i];
	return same_mac(eth->h_dest, device->mac);
}

/* Whether the frame is for its device, and was not overheard by one that is promiscuous. */
static __always_inline bool is_ours(struct xdp_md *ctx)
{
	struct ethhdr *eth = frame_at(ctx, 0, sizeof(*eth));

	return eth &&
	       (likely(same_mac(eth->h_dest, devices[ingress_device(ctx) & DEVICES_MASK].mac)) ||
		       learn_device(ctx));
}

#endif
