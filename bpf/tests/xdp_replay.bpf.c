// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The same frame again and again for tsi_xdp, which leaves it longer or shorter than it was, and with other headers:
 *
 *   test run --> replay: as it was --tail call--> program under test
 *                                  --tail call--> nothing, to know what the replaying costs
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* A multiple of 2, that ends where the payload begins or later. */
#define HEADERS_MAX 144

volatile const __u8 headers[HEADERS_MAX] = {0};
volatile const __u32 headers_length = 0;
volatile const __u32 frame_length = 0;
/* Where a port is that differs each time, so that every frame opens a flow; 0: nowhere. */
volatile const __u32 port_offset = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} program_under_test SEC(".maps");

static __u32 rounds;

static __always_inline int put_back(struct xdp_md *ctx)
{
	__u32 length = ctx->data_end - ctx->data;
	__u8 *data;

	if (length != frame_length && bpf_xdp_adjust_head(ctx, length - frame_length))
		return -1;
	data = (__u8 *)(long)ctx->data;
	if (data + headers_length > (__u8 *)(long)ctx->data_end)
		return -1;
#pragma unroll
	for (__u32 at = 0; at < HEADERS_MAX; at += 2) {
		if (at >= headers_length)
			break;
		if (data + at + 2 > (__u8 *)(long)ctx->data_end)
			return -1;
		*(__u16 *)(data + at) = *(volatile const __u16 *)(headers + at);
	}
	if (!port_offset)
		return 0;
	if (data + port_offset + 2 > (__u8 *)(long)ctx->data_end)
		return -1;
	*(__be16 *)(data + port_offset) = bpf_htons(1024 + ++rounds % 60000);
	return 0;
}

SEC("xdp")
int replay(struct xdp_md *ctx)
{
	if (put_back(ctx))
		return -2;
	bpf_tail_call(ctx, &program_under_test, 0);
	return -3;
}

SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	return ctx->data > ctx->data_end ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
