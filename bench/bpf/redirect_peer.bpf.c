// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The floor for a datapath made of eBPF: a packet goes straight into the other pod, no questions
 * asked. One copy per pod, on its host-side veth; neighbours are static, so frames are right as
 * they come.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Host-side interface of the other pod. */
volatile const __u32 other_pod = 0;

SEC("tc")
int redirect_peer(struct __sk_buff *skb)
{
	(void)skb;
	return bpf_redirect_peer(other_pod, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
