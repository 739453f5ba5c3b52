// SPDX-License-Identifier: Apache-2.0
//
// Probes many targets from one process, so that a connectivity matrix costs one process per pod.
// Reads targets from stdin, a line each, and prints a line for each:
//
//   tcp ADDRESS PORT SIZE      POST SIZE bytes to an echo server, expects its answer to say how
//   many came udp ADDRESS PORT SIZE      sends SIZE bytes, expects the same bytes back icmp ADDRESS
//   0 SIZE        echo request with SIZE bytes, expects the same bytes back
//
//   ok PROTOCOL ADDRESS PORT SIZE MICROSECONDS | fail PROTOCOL ADDRESS PORT SIZE REASON
//
// One try each: a lost packet is a failure. Exit status 1 when any probe failed.
//
// With --batches a line may end in a time limit in ms, targets up to an empty line are probed all at once, and an
// empty line follows their answers, which come in any order. Made for targets that do not answer: a batch takes no
// longer than its slowest target.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 3000, MAX_SIZE = 70000, MAX_LINE = 256 };

struct target {
	char protocol[8];
	char address[64];
	int port;
	int size;
	int timeout_ms;
	struct sockaddr_storage socket_address;
	socklen_t socket_address_length;
};

static char reason[256];
static unsigned char sent[MAX_SIZE + 8], received[MAX_SIZE + 8192];

__attribute__((format(printf, 1, 2))) static bool because(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return false;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int64_t deadline_of(const struct target *target)
{
	return now_us() + target->timeout_ms * 1000LL;
}

static bool readable(int fd, int64_t deadline_us, const struct target *target)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};
	int64_t left_ms = (deadline_us - now_us()) / 1000;

	if (poll(&wanted, 1, left_ms > 0 ? (int)left_ms : 0) > 0)
		return true;
	return because("no answer within %d ms", target->timeout_ms);
}

static bool resolve(struct target *target)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&target->socket_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&target->socket_address;

	memset(&target->socket_address, 0, sizeof(target->socket_address));
	if (inet_pton(AF_INET, target->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)target->port);
		target->socket_address_length = sizeof(*v4);
		return true;
	}
	if (inet_pton(AF_INET6, target->address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)target->port);
		target->socket_address_length = sizeof(*v6);
		return true;
	}
	return because("not an address");
}

static void fill_pattern(int size, unsigned seed)
{
	for (int i = 0; i < size; i++)
		sent[i] = (unsigned char)(i * 31 + seed + (unsigned)i / 256);
}

static bool send_all(int fd, const void *bytes, size_t length)
{
	for (const char *at = bytes; length > 0;) {
		ssize_t put = send(fd, at, length, MSG_NOSIGNAL);

		if (put < 0)
			return because("send: %s", strerror(errno));
		at += put;
		length -= (size_t)put;
	}
	return true;
}

// The answer is JSON with a member "bodyLength" for a POST.
static bool answer_counts(const char *answer, int size)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "\"bodyLength\":%d", size);
	if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
		return because("answer: %.60s", answer);
	return strstr(answer, wanted) ? true : because("%s is missing in: %.120s", wanted, answer);
}

static bool probe_tcp(int fd, const struct target *target)
{
	int64_t deadline = deadline_of(target);
	struct timeval limit = {
		.tv_sec = target->timeout_ms / 1000, .tv_usec = target->timeout_ms % 1000 * 1000};
	char head[160];
	size_t length = 0;

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&target->socket_address,
		    target->socket_address_length) < 0)
		return because("connect: %s", strerror(errno));
	snprintf(head, sizeof(head),
		"POST /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\nContent-Length: "
		"%d\r\n\r\n",
		target->size);
	fill_pattern(target->size, 1);
	if (!send_all(fd, head, strlen(head)) || !send_all(fd, sent, (size_t)target->size))
		return false;
	for (;;) {
		if (!readable(fd, deadline, target))
			return false;
		ssize_t got = recv(fd, received + length, sizeof(received) - 1 - length, 0);

		if (got < 0)
			return because("receive: %s", strerror(errno));
		if (got == 0)
			break;
		length += (size_t)got;
	}
	received[length] = '\0';
	return answer_counts((const char *)received, target->size);
}

static bool probe_udp(int fd, const struct target *target)
{
	int64_t deadline = deadline_of(target);

	fill_pattern(target->size, (unsigned)getpid());
	// A connected socket learns of ICMP errors.
	if (connect(fd, (const struct sockaddr *)&target->socket_address,
		    target->socket_address_length) < 0)
		return because("connect: %s", strerror(errno));
	if (send(fd, sent, (size_t)target->size, 0) < 0)
		return because("send: %s", strerror(errno));
	if (!readable(fd, deadline, target))
		return false;
	ssize_t got = recv(fd, received, sizeof(received), 0);

	if (got < 0)
		return because("receive: %s", strerror(errno));
	if (got != target->size || memcmp(sent, received, (size_t)got) != 0)
		return because("%zd bytes came back, not the %d sent", got, target->size);
	return true;
}

static uint16_t internet_checksum(const unsigned char *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (length % 2)
		sum += (uint32_t)bytes[length - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static bool probe_icmp(int fd, const struct target *target)
{
	static uint16_t sequence;
	bool v6 = target->socket_address.ss_family == AF_INET6;
	unsigned char reply_type = v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
	int64_t deadline = deadline_of(target);
	size_t length = 8 + (size_t)target->size;

	fill_pattern((int)length, 7);
	memset(sent, 0, 8);
	sent[0] = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	sent[4] = (unsigned char)(getpid() >> 8);
	sent[5] = (unsigned char)getpid();
	sent[7] = (unsigned char)++sequence;
	if (!v6) {
		uint16_t sum = internet_checksum(sent, length);

		memcpy(sent + 2, &sum, 2);
	}
	if (sendto(fd, sent, length, 0, (const struct sockaddr *)&target->socket_address,
		    target->socket_address_length) < 0)
		return because("send: %s", strerror(errno));
	while (readable(fd, deadline, target)) {
		ssize_t got = recv(fd, received, sizeof(received), 0);
		unsigned char *reply = received;

		if (got < 0)
			return because("receive: %s", strerror(errno));
		if (!v6) {
			reply += (received[0] & 15) * 4;
			got -= (received[0] & 15) * 4;
		}
		// A raw socket sees every ICMP message of the namespace: wait for ours.
		if (got < 8 || reply[0] != reply_type || memcmp(reply + 4, sent + 4, 4) != 0)
			continue;
		if ((size_t)got != length || memcmp(reply + 8, sent + 8, length - 8) != 0)
			return because("%zd bytes came back, not the %zu sent", got, length);
		return true;
	}
	return false;
}

static bool probe(struct target *target)
{
	bool tcp = strcmp(target->protocol, "tcp") == 0, udp = strcmp(target->protocol, "udp") == 0;

	if (!resolve(target))
		return false;
	int family = target->socket_address.ss_family;
	int fd =
		tcp   ? socket(family, SOCK_STREAM, 0)
		: udp ? socket(family, SOCK_DGRAM, 0)
		      : socket(family, SOCK_RAW, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (fd < 0)
		return because("socket: %s", strerror(errno));
	bool ok = tcp	? probe_tcp(fd, target)
		  : udp ? probe_udp(fd, target)
			: probe_icmp(fd, target);

	close(fd);
	return ok;
}

// One write, so that the answers of a batch do not mix.
static bool probe_and_tell(struct target *target)
{
	char line[512];
	int64_t begun = now_us();
	bool ok = probe(target);
	int length = snprintf(line, sizeof(line), "%s %s %s %d %d ", ok ? "ok" : "fail",
		target->protocol, target->address, target->port, target->size);

	if (ok)
		length += snprintf(line + length, sizeof(line) - (size_t)length, "%lld\n",
			(long long)(now_us() - begun));
	else
		length += snprintf(line + length, sizeof(line) - (size_t)length, "%s\n", reason);
	return write(STDOUT_FILENO, line, (size_t)length) == length && ok;
}

static bool parse_target(const char *line, struct target *target)
{
	target->timeout_ms = TIMEOUT_MS;
	return sscanf(line, "%7s %63s %d %d %d", target->protocol, target->address, &target->port,
		       &target->size, &target->timeout_ms) >= 4 &&
	       target->size >= 0 && target->size <= MAX_SIZE;
}

// A process per target: probes block, and have their buffers for themselves.
static int probe_in_batches(void)
{
	char line[MAX_LINE];
	struct target target;
	int failed = 0, status;

	while (fgets(line, sizeof(line), stdin)) {
		if (line[0] != '\n') {
			if (!parse_target(line, &target))
				return 2;
			pid_t child = fork();

			if (child < 0)
				return 2;
			if (child == 0)
				_exit(probe_and_tell(&target) ? 0 : 1);
			continue;
		}
		while (wait(&status) > 0)
			failed |= status != 0;
		if (write(STDOUT_FILENO, "\n", 1) != 1)
			return 2;
	}
	return failed;
}

static int probe_in_turn(void)
{
	char line[MAX_LINE];
	struct target target;
	int failed = 0;

	while (fgets(line, sizeof(line), stdin)) {
		if (!parse_target(line, &target))
			return 2;
		failed |= !probe_and_tell(&target);
	}
	return failed;
}

int main(int argc, char **argv)
{
	bool batches = argc == 2 && strcmp(argv[1], "--batches") == 0;

	return batches ? probe_in_batches() : probe_in_turn();
}
