// SPDX-License-Identifier: Apache-2.0
//
// Sends Ethernet frames exactly as they are given, and shows what comes back.
//
//   frames INTERFACE WAIT_MS < frames to send > frames received
//
// A frame is a line of hex digits, from the Ethernet header on, without frame check sequence. All
// are sent in order; then every frame that the interface received since the start is printed, until
// none has come for WAIT_MS.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FRAME = 70000 };

static unsigned char frame[MAX_FRAME];
static char line[2 * MAX_FRAME + 2];

static void fail(const char *what)
{
	fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int open_on(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (address.sll_ifindex == 0 || fd < 0)
		fail(interface);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		fail("bind");
	return fd;
}

// The frame's length, 0 when the line is no hex digits.
static size_t read_hex(const char *text)
{
	size_t length = 0;
	unsigned value;

	for (; length < MAX_FRAME && sscanf(text, "%2x", &value) == 1; text += 2)
		frame[length++] = (unsigned char)value;
	return *text == '\n' || *text == '\0' ? length : 0;
}

static void print_hex(ssize_t length)
{
	for (ssize_t at = 0; at < length; at++)
		printf("%02x", frame[at]);
	putchar('\n');
}

static bool readable(int fd, int wait_ms)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};

	return poll(&wanted, 1, wait_ms) > 0;
}

static void print_received(int fd, int wait_ms)
{
	struct sockaddr_ll from;

	while (readable(fd, wait_ms)) {
		socklen_t from_length = sizeof(from);
		ssize_t got = recvfrom(
			fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_length);

		if (got < 0)
			fail("receive");
		if (from.sll_pkttype != PACKET_OUTGOING)
			print_hex(got);
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: frames INTERFACE WAIT_MS < frames in hex\n");
		return 2;
	}
	int fd = open_on(argv[1]);

	while (fgets(line, sizeof(line), stdin)) {
		size_t length = read_hex(line);

		if (length == 0) {
			fprintf(stderr, "frames: a line is no hex digits\n");
			return 2;
		}
		if (send(fd, frame, length, 0) < 0)
			fail("send");
	}
	print_received(fd, atoi(argv[2]));
	return 0;
}
