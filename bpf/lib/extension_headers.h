/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_LIB_EXTENSION_HEADERS_H
#define TSI_LIB_EXTENSION_HEADERS_H

#include <linux/in.h>
#include <linux/in6.h>
#include "lib/packet.h"

/* More than any honest packet has (RFC 8200 4.1 recommends an order of six, each once); a bound is
 * what keeps a crafted chain from buying unlimited work.
 */
#define MAX_EXTENSION_HEADERS 6
/* Bytes; within HEADERS_MASK. */
#define MAX_EXTENSION_LENGTH 2048

struct extension_walk {
	/* In: of the IPv6 header. Out: the upper-layer protocol. */
	__u8 next_header;
	/* In: after the IPv6 header. Out: where the upper-layer header is. */
	__u32 offset;
	bool fragmented;
	bool more_fragments;
	/* In units of 8 bytes. */
	__u16 fragment_offset;
	__be32 fragment_id;
};

struct fragment_header {
	__u8 next_header;
	__u8 reserved;
	__be16 offset_and_flags;
	__be32 id;
};

static __always_inline bool is_extension_header(__u8 next_header)
{
	return next_header == IPPROTO_HOPOPTS || next_header == IPPROTO_ROUTING ||
	       next_header == IPPROTO_DSTOPTS || next_header == IPPROTO_FRAGMENT ||
	       next_header == IPPROTO_AH || next_header == IPPROTO_MH;
}

/* One header further; nonzero if it is not there. */
static __always_inline int step_extension_header(struct __sk_buff *skb, struct extension_walk *walk)
{
	struct fragment_header header;

	if (bpf_skb_load_bytes(skb, walk->offset, &header, sizeof(header)))
		return -1;
	if (walk->next_header == IPPROTO_FRAGMENT) {
		__u16 field = bpf_ntohs(header.offset_and_flags);

		walk->fragmented = true;
		walk->fragment_offset = field >> 3;
		walk->more_fragments = field & 1;
		walk->fragment_id = header.id;
		walk->offset += sizeof(header);
	} else if (walk->next_header == IPPROTO_AH) {
		/* RFC 4302 2.2 counts in 4 bytes, minus 2. */
		walk->offset += (header.reserved + 2) * 4;
	} else {
		walk->offset += (header.reserved + 1) * 8;
	}
	walk->next_header = header.next_header;
	return 0;
}

/* 0, or nonzero when the chain is truncated or longer than either bound. Stops after the fragment
 * header of a later fragment: what follows there is payload. Verifier trick: a global function is
 * verified once by itself; inlined, every way out of the loop was followed to the end of the
 * program (600k instructions instead of 10k).
 */
__noinline int walk_extension_headers(struct __sk_buff *skb, struct extension_walk *walk)
{
	if (!walk)
		return -1;
	for (int i = 0; i < MAX_EXTENSION_HEADERS; i++) {
		if (!is_extension_header(walk->next_header) || walk->fragment_offset)
			return 0;
		if (step_extension_header(skb, walk))
			return -1;
	}
	return is_extension_header(walk->next_header) && !walk->fragment_offset;
}

#endif
