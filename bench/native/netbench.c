// SPDX-License-Identifier: Apache-2.0
//
// Measures what one connection costs. Single-threaded and blocking at both ends, so that nothing
// but the path between them and the system calls of a plain program is in the numbers.
//
//   netbench server KIND PORT [--cpu N]
//   netbench client KIND ADDRESS PORT [--cpu N] [--ms DURATION]
//
// KIND: rr      one TCP connection, 1 byte there and 1 back, again and again
//       crr     connect, 1 byte there and 1 back, the server closes (no TIME_WAIT on the client's
//       ports) stream  64 KiB writes over one TCP connection udp     1-byte datagrams there and
//       back
//       connect (client only) a datagram socket made, connected and closed: no packet is sent
//
// The server says "ready" on stdout once it listens. The client prints one line of JSON: count,
// p50Ns, p99Ns (of one exchange; of one write for stream) and, for stream, bytesPerSecond. Both
// families; an address is numeric.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SAMPLES = 1 << 20, WARM_UP = 64, STREAM_WRITE = 65536 };

enum kind { RR, CRR, STREAM, UDP, CONNECT };

struct options {
	enum kind kind;
	const char *address;
	const char *port;
	int cpu;
	long duration_ms;
};

static uint32_t samples[MAX_SAMPLES];
static size_t sample_count;

static _Noreturn void fail(const char *format, ...)
{
	int saved = errno;
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "netbench: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, ": %s\n", strerror(saved));
	va_end(arguments);
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
		fail("pin to CPU %d", cpu);
}

static void no_delay(int fd)
{
	int yes = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)))
		fail("TCP_NODELAY");
}

/* --- server --- */

static int listen_on(const struct options *options)
{
	bool datagrams = options->kind == UDP;
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(atoi(options->port))};
	int fd = socket(AF_INET6, datagrams ? SOCK_DGRAM : SOCK_STREAM, 0);
	int yes = 1, no = 0;

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		fail("bind port %s", options->port);
	if (!datagrams && listen(fd, 128))
		fail("listen");
	return fd;
}

static void echo_datagrams(int fd)
{
	char data[2048];

	for (;;) {
		struct sockaddr_in6 from;
		socklen_t from_size = sizeof(from);
		ssize_t size =
			recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &from_size);

		if (size >= 0)
			sendto(fd, data, size, 0, (struct sockaddr *)&from, from_size);
	}
}

static void serve_connection(int fd, enum kind kind)
{
	static char data[STREAM_WRITE];

	for (;;) {
		ssize_t size = recv(fd, data, sizeof(data), 0);

		if (size <= 0)
			return;
		if (kind == STREAM)
			continue;
		if (send(fd, data, size, 0) != size || kind == CRR)
			return;
	}
}

static void serve(const struct options *options)
{
	int listener = listen_on(options);

	puts("ready");
	fflush(stdout);
	if (options->kind == UDP)
		echo_datagrams(listener);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		no_delay(fd);
		serve_connection(fd, options->kind);
		close(fd);
	}
}

/* --- client --- */

struct server {
	struct sockaddr_in6 address;
	struct sockaddr_in address4;
	int type;
	bool is_ipv4;
};

static struct server parse_server(const struct options *options)
{
	bool datagrams = options->kind == UDP || options->kind == CONNECT;
	struct server server = {.type = datagrams ? SOCK_DGRAM : SOCK_STREAM};
	in_port_t port = htons(atoi(options->port));

	server.address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
	server.address4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
	server.is_ipv4 = inet_pton(AF_INET, options->address, &server.address4.sin_addr) == 1;
	if (!server.is_ipv4 &&
		inet_pton(AF_INET6, options->address, &server.address.sin6_addr) != 1) {
		errno = EINVAL;
		fail("address %s", options->address);
	}
	return server;
}

static int connect_to(const struct server *server)
{
	struct timeval patience = {.tv_sec = 5};
	int fd = socket(server->is_ipv4 ? AF_INET : AF_INET6, server->type, 0);

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (server->is_ipv4 ? connect(fd, (void *)&server->address4, sizeof(server->address4))
			    : connect(fd, (void *)&server->address, sizeof(server->address)))
		fail("connect");
	return fd;
}

static void exchange(int fd)
{
	char byte = 'x';

	if (send(fd, &byte, 1, 0) != 1)
		fail("send");
	if (recv(fd, &byte, 1, 0) != 1)
		fail("receive");
}

static void connect_request_close(const struct server *server)
{
	char byte;
	int fd = connect_to(server);

	exchange(fd);
	/* The server's end comes first. */
	if (recv(fd, &byte, 1, 0) != 0)
		fail("wait for the end");
	close(fd);
}

static void write_chunk(int fd)
{
	static char data[STREAM_WRITE];
	size_t sent = 0;

	while (sent < sizeof(data)) {
		ssize_t size = send(fd, data + sent, sizeof(data) - sent, 0);

		if (size < 0)
			fail("send");
		sent += size;
	}
}

static void once(const struct options *options, const struct server *server, int fd)
{
	if (options->kind == CRR)
		connect_request_close(server);
	else if (options->kind == CONNECT)
		close(connect_to(server));
	else if (options->kind == STREAM)
		write_chunk(fd);
	else
		exchange(fd);
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static void report(const struct options *options, uint64_t elapsed_ns)
{
	double per_second = (double)sample_count * 1e9 / (double)elapsed_ns;

	qsort(samples, sample_count, sizeof(samples[0]), compare);
	printf("{\"count\":%zu,\"p50Ns\":%u,\"p99Ns\":%u,\"perSecond\":%.0f", sample_count,
		samples[sample_count / 2], samples[sample_count * 99 / 100], per_second);
	if (options->kind == STREAM)
		printf(",\"bytesPerSecond\":%.0f", per_second * STREAM_WRITE);
	printf("}\n");
}

static void measure(const struct options *options)
{
	struct server server = parse_server(options);
	bool keeps = options->kind != CRR && options->kind != CONNECT;
	int fd = keeps ? connect_to(&server) : -1;
	uint64_t start, end, last;

	if (fd >= 0 && options->kind != UDP)
		no_delay(fd);
	for (int round = 0; round < WARM_UP; round++)
		once(options, &server, fd);
	start = last = now_ns();
	end = start + (uint64_t)options->duration_ms * 1000000u;
	while (last < end && sample_count < MAX_SAMPLES) {
		uint64_t now;

		once(options, &server, fd);
		now = now_ns();
		samples[sample_count++] = (uint32_t)(now - last);
		last = now;
	}
	report(options, last - start);
}

/* --- command line --- */

static enum kind parse_kind(const char *name)
{
	static const char *const names[] = {[RR] = "rr",
		[CRR] = "crr",
		[STREAM] = "stream",
		[UDP] = "udp",
		[CONNECT] = "connect"};

	for (int kind = RR; kind <= CONNECT; kind++)
		if (!strcmp(name, names[kind]))
			return kind;
	errno = EINVAL;
	fail("kind %s", name);
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: netbench server KIND PORT [--cpu N]\n"
			"       netbench client KIND ADDRESS PORT [--cpu N] [--ms DURATION]\n"
			"KIND: rr crr stream udp connect\n");
	exit(2);
}

int main(int argc, char **argv)
{
	bool client = argc > 1 && !strcmp(argv[1], "client");
	int at = client ? 5 : 4;
	struct options options = {.cpu = -1, .duration_ms = 300};

	if (argc < at || (!client && strcmp(argv[1], "server")))
		usage();
	options.kind = parse_kind(argv[2]);
	if (!client && options.kind == CONNECT)
		usage();
	options.address = client ? argv[3] : NULL;
	options.port = argv[client ? 4 : 3];
	for (; at + 1 < argc; at += 2) {
		if (!strcmp(argv[at], "--cpu"))
			options.cpu = atoi(argv[at + 1]);
		else if (!strcmp(argv[at], "--ms"))
			options.duration_ms = atol(argv[at + 1]);
		else
			usage();
	}
	signal(SIGPIPE, SIG_IGN);
	pin(options.cpu);
	if (client)
		measure(&options);
	else
		serve(&options);
	return 0;
}
