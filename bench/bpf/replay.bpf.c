// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Makes BPF_PROG_TEST_RUN repeatable: the program under test changes its packet (addresses, hop
 * count), so each round begins by putting the headers back. With `vary_port` every round is a new
 * connection.
 *
 *   test run --> replay: headers back --tail call--> program under test
 *                                     --tail call--> nothing, to know what the replaying costs
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

enum { HEADERS4 = 14 + 20 + 20, HEADERS6 = 14 + 40 + 20, PORTS4 = 14 + 20, PORTS6 = 14 + 40 };
/* No verdict of a program under test. */
enum { REPLAY_FAILED = -2 };

volatile const __u8 headers[80] = {0};
volatile const __u32 is_ipv6 = 0;
volatile const __u32 vary_port = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} replay_target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} replay_round SEC(".maps");

static __always_inline void put_back(__u8 *data, __u32 size)
{
#pragma unroll
	for (__u32 at = 0; at < size; at += 2)
		*(__u16 *)(data + at) = *(volatile const __u16 *)(headers + at);
}

static __always_inline __be16 next_port(void)
{
	__u32 zero = 0;
	__u32 *round = bpf_map_lookup_elem(&replay_round, &zero);

	if (!round)
		return 0;
	return bpf_htons(1024 + ++*round % 64000);
}

SEC("tc")
int replay(struct __sk_buff *skb)
{
	__u8 *data = (__u8 *)(long)skb->data;
	__u8 *end = (__u8 *)(long)skb->data_end;

	if (is_ipv6) {
		if (data + HEADERS6 > end)
			return REPLAY_FAILED;
		put_back(data, HEADERS6);
		if (vary_port)
			*(__be16 *)(data + PORTS6) = next_port();
	} else {
		if (data + HEADERS4 > end)
			return REPLAY_FAILED;
		put_back(data, HEADERS4);
		if (vary_port)
			*(__be16 *)(data + PORTS4) = next_port();
	}
	bpf_tail_call(skb, &replay_target, 0);
	return REPLAY_FAILED;
}

SEC("tc")
int nothing(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
