// SPDX-License-Identifier: Apache-2.0
//
// Sends small UDP datagrams at a steady pace, whatever comes back.
//
//   flood ADDRESS PORT FROM_PORT RATE MILLISECONDS
//
// RATE a second, 0: as many as can be sent. Prints "sent N": so many left by the socket.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 64, PAYLOAD = 16, SECOND_NS = 1000000000 };

static void fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * (int64_t)SECOND_NS + now.tv_nsec;
}

static int open_socket(int family, in_port_t from_port)
{
	struct sockaddr_in6 from6 = {.sin6_family = AF_INET6, .sin6_port = htons(from_port)};
	struct sockaddr_in from4 = {.sin_family = AF_INET, .sin_port = htons(from_port)};
	bool is_v6 = family == AF_INET6;
	int fd = socket(family, SOCK_DGRAM, 0);

	if (fd < 0)
		fail("socket");
	if (bind(fd, is_v6 ? (struct sockaddr *)&from6 : (struct sockaddr *)&from4,
		    is_v6 ? sizeof(from6) : sizeof(from4)))
		fail("bind");
	return fd;
}

/* Sends up to count datagrams. Returns how many. */
static int64_t send_some(int fd, struct sockaddr_storage *to, socklen_t to_length, int64_t count)
{
	static char payload[PAYLOAD];
	struct iovec data = {.iov_base = payload, .iov_len = sizeof(payload)};
	struct mmsghdr messages[AT_ONCE];
	int done;

	for (int i = 0; i < AT_ONCE; i++)
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = to,
						       .msg_namelen = to_length,
						       .msg_iov = &data,
						       .msg_iovlen = 1}};
	done = sendmmsg(fd, messages, count < AT_ONCE ? (unsigned int)count : AT_ONCE, 0);
	if (done >= 0)
		return done;
	// Not sent, and not counted.
	if (errno != ENOBUFS && errno != EINTR)
		fail("sendmmsg");
	return 0;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found;
	struct sockaddr_storage to;
	int64_t rate, begin, end, sent = 0;
	int fd;

	if (argc != 6) {
		fprintf(stderr, "usage: flood ADDRESS PORT FROM_PORT RATE MILLISECONDS\n");
		return 2;
	}
	if (getaddrinfo(argv[1], argv[2], &hints, &found))
		fail("not an address and port");
	memcpy(&to, found->ai_addr, found->ai_addrlen);
	fd = open_socket(to.ss_family, (in_port_t)atoi(argv[3]));
	rate = atoll(argv[4]);
	begin = now_ns();
	end = begin + atoll(argv[5]) * 1000000;
	for (int64_t now = begin; now < end; now = now_ns()) {
		int64_t due = rate ? (now - begin) / 1000 * rate / 1000000 - sent : AT_ONCE;

		if (due > 0)
			sent += send_some(fd, &to, found->ai_addrlen, due);
		else
			usleep(500);
	}
	printf("sent %lld\n", (long long)sent);
	return 0;
}
