// SPDX-License-Identifier: Apache-2.0
//
// One TCP connection to an echo server, request after request, until SIGINT.
//
//   stream ADDRESS PORT
//
// Prints "connected", and at the end "requests N retransmits N longest-ms N": requests answered,
// segments this side had to send again, the longest a request waited for its answer. Exit status 1
// when the connection broke.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// A request takes a few segments, so that a lost one is not always the last.
enum { BODY = 8192, PAUSE_US = 1000, PATIENCE_S = 20 };

static volatile sig_atomic_t interrupted;
static char request[BODY + 256], answer[65536];

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void fail(const char *what)
{
	printf("%s: %s\n", what, errno ? strerror(errno) : "the server closed the connection");
	exit(1);
}

static int connect_to(const char *address, int port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	struct timeval patience = {.tv_sec = PATIENCE_S};

	if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
		fail(address);
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
		    is_v4 ? sizeof(v4) : sizeof(v6)) < 0)
		fail("connect");
	return fd;
}

static size_t prepare_request(void)
{
	int head = snprintf(request, sizeof(request),
		"POST /stream HTTP/1.1\r\nHost: echo\r\nContent-Length: %d\r\n\r\n", BODY);

	memset(request + head, 'x', BODY);
	return (size_t)head + BODY;
}

// Bytes of the whole answer, 0 while its head has not come yet.
static size_t answer_length(void)
{
	const char *end = strstr(answer, "\r\n\r\n");
	const char *length = strcasestr(answer, "content-length:");

	if (!end || !length || length > end)
		return 0;
	return (size_t)(end + 4 - answer) + strtoul(length + strlen("content-length:"), NULL, 10);
}

// An interrupted call is made again, so that no request is cut short.
static void ask(int fd, size_t length)
{
	size_t got = 0, wanted = 0;

	for (size_t put = 0; put < length;) {
		ssize_t sent = send(fd, request + put, length - put, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			fail("send");
		put += (size_t)sent;
	}
	while (wanted == 0 || got < wanted) {
		ssize_t more = recv(fd, answer + got, sizeof(answer) - 1 - got, 0);

		if (more < 0 && errno == EINTR)
			continue;
		if (more <= 0)
			fail("receive");
		got += (size_t)more;
		answer[got] = '\0';
		wanted = answer_length();
	}
}

static void interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

int main(int argc, char **argv)
{
	struct sigaction on_interrupt = {.sa_handler = interrupt};

	if (argc != 3) {
		fprintf(stderr, "usage: stream ADDRESS PORT\n");
		return 2;
	}
	sigaction(SIGINT, &on_interrupt, NULL);
	int fd = connect_to(argv[1], atoi(argv[2]));
	size_t length = prepare_request();
	int64_t longest = 0;
	long requests = 0;

	printf("connected\n");
	fflush(stdout);
	while (!interrupted) {
		int64_t begun = now_us();

		ask(fd, length);
		int64_t took = now_us() - begun;

		longest = took > longest ? took : longest;
		requests++;
		usleep(PAUSE_US);
	}
	struct tcp_info info;
	socklen_t info_length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_length) < 0)
		fail("getsockopt");
	printf("requests %ld retransmits %u longest-ms %lld\n", requests, info.tcpi_total_retrans,
		(long long)longest / 1000);
	return 0;
}
