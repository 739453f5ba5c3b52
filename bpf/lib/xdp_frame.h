/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A frame as its driver has it, before there is an skb: memory between two pointers, and no sums but those that it carries. */
#ifndef TSI_LIB_XDP_FRAME_H
#define TSI_LIB_XDP_FRAME_H

#include "lib/metrics.h"
#include "lib/packet.h"
#include "maps/ipcache.h"

struct frame {
	struct xdp_md *ctx;
	/* What its headers say; later what they are to say (rewrite_frame()). There is no skb. */
	struct packet packet;
	/* Of the packet's Ethernet header: 0, or what a tunnel has before it. */
	__u32 offset;
	/* Bytes of the IP packet; what comes after it is padding. */
	__u32 length;
	/* The last two bits of the IP header's DSCP and ECN. */
	__u8 ecn;
	/* Its UDP header has no checksum. */
	bool unsummed;
	/* The node that it is to be tunnelled to, NULL: it is not. */
	const struct ipcache_entry *remote;
	__u32 vni;
	/* Of the flow, as its client sends it. */
	__u32 hash;
};

/* Verifier trick: see packet_start() (lib/packet.h). */
static __always_inline void *frame_start(const struct xdp_md *ctx)
{
	void *start;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		: "=r"(start)
		: "r"(ctx), "i"(__builtin_offsetof(struct xdp_md, data)));
	return start;
}

static __always_inline void *frame_end(const struct xdp_md *ctx)
{
	void *end;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		: "=r"(end)
		: "r"(ctx), "i"(__builtin_offsetof(struct xdp_md, data_end)));
	return end;
}

static __always_inline __u32 ingress_device(const struct xdp_md *ctx)
{
	__u32 ifindex;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		: "=r"(ifindex)
		: "r"(ctx), "i"(__builtin_offsetof(struct xdp_md, ingress_ifindex)));
	return ifindex;
}

static __always_inline __u32 frame_length(const struct xdp_md *ctx)
{
	return frame_end(ctx) - frame_start(ctx);
}

/* The size bytes at offset, NULL if the frame is shorter. Void after the frame grew or shrank. */
static __always_inline void *frame_at(const struct xdp_md *ctx, __u32 offset, __u32 size)
{
	void *header = frame_start(ctx) + offset;

	return header + size <= frame_end(ctx) ? header : 0;
}

#endif
