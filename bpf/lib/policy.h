/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one place where a flow is judged. Called for the first packet of a flow and again whenever
 * the epoch under which it was judged is over; never for the packets between.
 */
#ifndef TSI_LIB_POLICY_H
#define TSI_LIB_POLICY_H

#include "lib/packet.h"

struct decision {
	/* Policy rule that decided, 0: none. */
	__u32 rule;
	/* Listener to redirect to, 0: none. */
	__u16 proxy_port;
};

/* 0, or the drop reason. Without policies every pair of identities may talk. */
static __always_inline int decide(const struct packet *pkt, struct decision *decision)
{
	(void)pkt;
	*decision = (struct decision){};
	return 0;
}

#endif
