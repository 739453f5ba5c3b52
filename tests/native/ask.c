// SPDX-License-Identifier: Apache-2.0
//
// Asks echo servers who they are. Stays where it was started and takes batch after batch from stdin, a request on each
// line; an empty line ends a batch, whose requests then run side by side, each in a process and socket of its own.
//
//   tcp ADDRESS PORT TIMEOUT_MS FROM FROM_PORT            GET / over a connection of its own
//   udp ADDRESS PORT TIMEOUT_MS FROM FROM_PORT            sendto() and recvfrom()
//   udp-connected ADDRESS PORT TIMEOUT_MS FROM FROM_PORT  connect(), send() and recv()
//   bind-tcp ADDRESS PORT 0 - 0                           bind() alone; bind-udp as well
//
// FROM is an address to send from, or -; FROM_PORT 0 is any. Each answers, in any order, with a line, and the batch with
// an empty one:
//
//   NUMBER ok MICROSECONDS LOCAL PEER JSON        PEER: by getpeername() or recvfrom()
//   NUMBER refused|timeout|unreachable|reset|denied|in-use|closed|other MICROSECONDS DETAIL
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BATCH = 4096, AT_ONCE = 32, MAX_LINE = 512, MAX_ANSWER = 16384, NAME = 64 };

struct request {
	char protocol[16], address[64], from[64];
	int port, timeout_ms, from_port;
};

static struct request batch[MAX_BATCH];
static int number; // of the request that this process is about
static int64_t begun_us, deadline_us;

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

// One write, so that lines of many processes do not mix: shorter than what a pipe takes at once.
__attribute__((format(printf, 2, 3), noreturn)) static void finish(
	const char *word, const char *format, ...)
{
	char line[4000];
	va_list args;
	int length = snprintf(
		line, sizeof(line), "%d %s %lld ", number, word, (long long)(now_us() - begun_us));

	va_start(args, format);
	length += vsnprintf(line + length, sizeof(line) - 1 - (size_t)length, format, args);
	va_end(args);
	if (length > (int)sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	_exit(write(STDOUT_FILENO, line, (size_t)length) == length ? 0 : 1);
}

__attribute__((noreturn)) static void fail(const char *what)
{
	const char *word = "other";

	switch (errno) {
	case ECONNREFUSED:
		word = "refused";
		break;
	case ETIMEDOUT:
	case EAGAIN:
		word = "timeout";
		break;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
		word = "unreachable";
		break;
	case ECONNRESET:
	case EPIPE:
		word = "reset";
		break;
	case EPERM:
	case EACCES:
		word = "denied";
		break;
	case EADDRINUSE:
		word = "in-use";
		break;
	}
	finish(word, "%s: %s", what, strerror(errno));
}

static void await(int fd, short events)
{
	struct pollfd wait = {.fd = fd, .events = events};
	int64_t left_ms = (deadline_us - now_us()) / 1000;

	if (left_ms > 0 && poll(&wait, 1, (int)left_ms) > 0)
		return;
	errno = ETIMEDOUT;
	fail("poll");
}

static socklen_t fill(struct sockaddr_storage *out, const char *address, int port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, address, &v6->sin6_addr) != 1)
		finish("other", "not an address: %s", address);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)port);
	return sizeof(*v6);
}

static const char *end_text(const struct sockaddr_storage *from, char text[NAME])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	bool is_v4 = from->ss_family == AF_INET;
	char address[INET6_ADDRSTRLEN];

	inet_ntop(from->ss_family, is_v4 ? (const void *)&v4->sin_addr : &v6->sin6_addr, address,
		sizeof(address));
	snprintf(text, NAME, is_v4 ? "%s:%d" : "[%s]:%d", address,
		ntohs(is_v4 ? v4->sin_port : v6->sin6_port));
	return text;
}

static int open_socket(const struct request *request, int family, bool tcp)
{
	int fd = socket(family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
	struct sockaddr_storage from;
	int on = 1;

	if (fd < 0)
		fail("socket");
	if (strcmp(request->from, "-") == 0 && request->from_port == 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	const char *any = family == AF_INET ? "0.0.0.0" : "::";
	socklen_t length = fill(
		&from, strcmp(request->from, "-") == 0 ? any : request->from, request->from_port);

	if (bind(fd, (struct sockaddr *)&from, length) < 0)
		fail("bind");
	return fd;
}

static void open_connection(int fd, const struct sockaddr_storage *to, socklen_t length)
{
	int error = 0;
	socklen_t error_length = sizeof(error);

	if (connect(fd, (const struct sockaddr *)to, length) == 0)
		return;
	if (errno != EINPROGRESS)
		fail("connect");
	await(fd, POLLOUT);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_length);
	errno = error;
	if (error)
		fail("connect");
}

__attribute__((noreturn)) static void tell(
	int fd, const struct sockaddr_storage *peer, char *answer)
{
	struct sockaddr_storage local = {0};
	socklen_t length = sizeof(local);
	char local_text[NAME], peer_text[NAME];

	getsockname(fd, (struct sockaddr *)&local, &length);
	answer[strcspn(answer, "\n")] = '\0';
	finish("ok", "%s %s %s", end_text(&local, local_text), end_text(peer, peer_text), answer);
}

__attribute__((noreturn)) static void ask_tcp(const struct request *request)
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: echo\r\nConnection: close\r\n\r\n";
	static char answer[MAX_ANSWER];
	struct sockaddr_storage to, peer = {0};
	socklen_t length = fill(&to, request->address, request->port), peer_length = sizeof(peer);
	int fd = open_socket(request, to.ss_family, true);
	size_t got = 0;

	open_connection(fd, &to, length);
	getpeername(fd, (struct sockaddr *)&peer, &peer_length);
	if (send(fd, get, sizeof(get) - 1, MSG_NOSIGNAL) < 0)
		fail("send");
	for (;;) {
		await(fd, POLLIN);
		ssize_t more = recv(fd, answer + got, sizeof(answer) - 1 - got, 0);

		if (more < 0)
			fail("recv");
		if (more == 0)
			break;
		got += (size_t)more;
	}
	char *body = strstr(answer, "\r\n\r\n");

	if (!body || body[4] != '{')
		finish("closed", "after %zu bytes", got);
	tell(fd, &peer, body + 4);
}

__attribute__((noreturn)) static void ask_udp(const struct request *request, bool connected)
{
	static char answer[MAX_ANSWER];
	struct sockaddr_storage to, peer = {0};
	socklen_t length = fill(&to, request->address, request->port), peer_length = sizeof(peer);
	int fd = open_socket(request, to.ss_family, false);
	int on = 1;

	// Without it, ICMP errors reach only sockets that are connected.
	if (to.ss_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	if (connected)
		open_connection(fd, &to, length);
	ssize_t sent = connected ? send(fd, "?", 1, 0)
				 : sendto(fd, "?", 1, 0, (struct sockaddr *)&to, length);

	if (sent < 0)
		fail("send");
	await(fd, POLLIN);
	ssize_t got =
		recvfrom(fd, answer, sizeof(answer) - 1, 0, (struct sockaddr *)&peer, &peer_length);

	if (got < 0)
		fail("recv");
	answer[got] = '\0';
	tell(fd, &peer, answer);
}

__attribute__((noreturn)) static void try_bind(const struct request *request, bool tcp)
{
	struct sockaddr_storage at;
	socklen_t length = fill(&at, request->address, request->port);
	int fd = socket(at.ss_family, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, length) < 0)
		fail("bind");
	tell(fd, &at, (char[]){"{}"});
}

__attribute__((noreturn)) static void run(const struct request *request)
{
	begun_us = now_us();
	deadline_us = begun_us + request->timeout_ms * 1000LL;
	if (strcmp(request->protocol, "tcp") == 0)
		ask_tcp(request);
	if (strcmp(request->protocol, "udp") == 0)
		ask_udp(request, false);
	if (strcmp(request->protocol, "udp-connected") == 0)
		ask_udp(request, true);
	if (strcmp(request->protocol, "bind-tcp") == 0)
		try_bind(request, true);
	if (strcmp(request->protocol, "bind-udp") == 0)
		try_bind(request, false);
	finish("other", "no such protocol: %s", request->protocol);
}

static void run_batch(int count)
{
	int running = 0;

	for (number = 0; number < count; number++) {
		if (running == AT_ONCE && wait(NULL) > 0)
			running--;
		pid_t child = fork();

		if (child == 0)
			run(&batch[number]);
		if (child < 0) {
			perror("ask: fork");
			exit(1);
		}
		running++;
	}
	while (wait(NULL) > 0)
		;
	if (write(STDOUT_FILENO, "\n", 1) != 1)
		exit(1);
}

int main(void)
{
	char line[MAX_LINE];
	int count = 0;

	while (fgets(line, sizeof(line), stdin)) {
		struct request *request = &batch[count];

		if (line[0] == '\n') {
			run_batch(count);
			count = 0;
			continue;
		}
		if (count == MAX_BATCH ||
			sscanf(line, "%15s %63s %d %d %63s %d", request->protocol, request->address,
				&request->port, &request->timeout_ms, request->from,
				&request->from_port) != 6) {
			fprintf(stderr, "ask: bad request: %s", line);
			return 1;
		}
		count++;
	}
	return 0;
}
