// SPDX-License-Identifier: Apache-2.0
//
// Asks a DNS server as fast as it answers, and is one that answers at once. Single-threaded at both ends.
//
//   dnsbench server PORT [--cpu N]
//   dnsbench client ADDRESS PORT [--cpu N] [--ms DURATION] [--window OPEN] [--names NAMES]
//
// The server answers every question with an A record. The client keeps OPEN questions under way on one socket, about
// NAMES names below bench.test in turn, and prints one line of JSON: count, p50Ns, p99Ns, perSecond, lost (no answer
// within half a second) and refused (an answer with another rcode than NOERROR). The server says "ready" on stdout.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 12, MAX_MESSAGE = 512, MAX_SAMPLES = 1 << 20, MAX_WINDOW = 1024 };

static uint32_t samples[MAX_SAMPLES];
static uint64_t sent_at[MAX_WINDOW];

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("pin");
}

static long option(int argc, char **argv, const char *name, long otherwise)
{
	for (int at = 0; at + 1 < argc; at++)
		if (!strcmp(argv[at], name))
			return atol(argv[at + 1]);
	return otherwise;
}

// Where the question ends; 0: nowhere.
static ssize_t question_end(const uint8_t *message, ssize_t length)
{
	ssize_t at = HEADER;

	while (at < length && message[at] != 0)
		at += 1 + message[at];
	at += 5;
	return at <= length ? at : 0;
}

// The question and, behind it, an answer: its name a pointer to the question's.
static int serve(int port)
{
	static const uint8_t answer[] = {0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), off = 0;
	uint8_t message[MAX_MESSAGE + sizeof(answer)];

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
		bind(fd, (struct sockaddr *)&any, sizeof(any)))
		fail("listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct sockaddr_storage from;
		socklen_t from_length = sizeof(from);
		ssize_t length = recvfrom(
			fd, message, MAX_MESSAGE, 0, (struct sockaddr *)&from, &from_length);

		length = question_end(message, length);
		if (length == 0)
			continue;
		message[2] |= 0x80;
		message[3] = 0x80;
		message[7] = 1;
		message[11] = 0;
		memcpy(message + length, answer, sizeof(answer));
		sendto(fd, message, (size_t)length + sizeof(answer), 0, (struct sockaddr *)&from,
			from_length);
	}
}

static int connected(const char *address, int port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct timeval patience = {.tv_usec = 500000};
	int is_v6 = strchr(address, ':') != NULL;
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);

	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, address,
		    is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
		fail("address");
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
		connect(fd, is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
			is_v6 ? sizeof(v6) : sizeof(v4)))
		fail("connect");
	return fd;
}

static void ask(int fd, unsigned slot, unsigned number)
{
	uint8_t message[64] = {(uint8_t)(slot >> 8), (uint8_t)slot, 1, 0, 0, 1};
	char label[16];
	int length = snprintf(label, sizeof(label), "n%u", number);
	uint8_t *at = message + HEADER;

	*at++ = (uint8_t)length;
	memcpy(at, label, (size_t)length);
	at += length;
	memcpy(at, "\5bench\4test\0\0\1\0\1", 16);
	at += 16;
	sent_at[slot] = now_ns();
	if (send(fd, message, (size_t)(at - message), 0) < 0 && errno != ECONNREFUSED)
		fail("send");
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int drive(int fd, long duration_ms, unsigned window, unsigned names)
{
	uint64_t begun = now_ns(), end = begun + (uint64_t)duration_ms * 1000000u;
	unsigned long count = 0, lost = 0, refused = 0;
	unsigned next = 0;
	size_t kept;
	uint8_t message[MAX_MESSAGE];

	for (unsigned slot = 0; slot < window; slot++)
		ask(fd, slot, next++ % names);
	while (now_ns() < end) {
		ssize_t length = recv(fd, message, sizeof(message), 0);
		unsigned slot =
			length < HEADER ? MAX_WINDOW : (unsigned)message[0] << 8 | message[1];

		if (length < 0) {
			lost += window;
			for (slot = 0; slot < window; slot++)
				ask(fd, slot, next++ % names);
			continue;
		}
		if (slot >= window)
			continue;
		samples[count++ % MAX_SAMPLES] = (uint32_t)(now_ns() - sent_at[slot]);
		refused += (message[3] & 15) != 0;
		ask(fd, slot, next++ % names);
	}
	kept = count < MAX_SAMPLES ? count : MAX_SAMPLES;
	qsort(samples, kept, sizeof(*samples), compare);
	printf("{\"count\":%lu,\"p50Ns\":%u,\"p99Ns\":%u,\"perSecond\":%.0f,\"lost\":%lu,"
	       "\"refused\":%lu}\n",
		count, kept ? samples[kept / 2] : 0, kept ? samples[kept * 99 / 100] : 0,
		(double)count * 1e9 / (double)(now_ns() - begun), lost, refused);
	return 0;
}

int main(int argc, char **argv)
{
	long window = option(argc, argv, "--window", 1);

	pin((int)option(argc, argv, "--cpu", -1));
	if (argc > 2 && !strcmp(argv[1], "server"))
		return serve(atoi(argv[2]));
	if (argc < 4 || strcmp(argv[1], "client") || window < 1 || window > MAX_WINDOW)
		return 2;
	return drive(connected(argv[2], atoi(argv[3])), option(argc, argv, "--ms", 1000),
		(unsigned)window, (unsigned)option(argc, argv, "--names", 1));
}
