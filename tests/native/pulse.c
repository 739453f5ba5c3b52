// SPDX-License-Identifier: Apache-2.0
//
// Two ends send each other a small packet at a steady pace, and each notes which of the other's arrive.
//
//   pulse [-g] [-i MICROSECONDS] [-p PORT] client udp|tcp ADDRESS PORT   opens a flow (-p: from this port)
//   pulse [-g] [-i MICROSECONDS] server udp|tcp PORT                     the other end of the first that comes
//   pulse [-i MICROSECONDS] knock ADDRESS PORT                      UDP, every packet from another port
//   pulse sink PORT                                                 UDP from whatever port, unanswered
//
// A packet says its number and when it was sent (CLOCK_MONOTONIC, the same in all of a machine's namespaces). Prints
// "ready" when it can be spoken to, "connected" with the first arrival, then a line for every run of arrivals, by when
// they were sent; between two runs lie 20 ms of which nothing arrived:
//
//   run FIRST_NS LAST_NS COUNT
//
// and after SIGINT "sent N arrived N lost N": lost are the numbers missing between the first and the last arrival. With -g
// also, at once, which ones: the numbers, and when those before and after them were sent; and who came after all, late:
//
//   gap FIRST LAST AFTER_NS BEFORE_NS
//   late NUMBER
//
// TCP: a connection of the kernel's stays idle, and segments of its 4-tuple are sent and received past it. What a
// kernel sends again later would say nothing about when it was sent. Their checksum is wrong, so that it is not heard.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	// Between packets of a flow that has not been answered.
	OPENING_NS = 10000000,
	RUN_GAP_NS = 20000000,
	// How long arrivals wait in the socket: looking after each packet sent would cost as much as sending.
	LOOK_NS = 2000000,
	BUFFER = 64 << 20,
	SECOND_NS = 1000000000,
};

struct pulse {
	char magic[8];
	uint64_t number;
	int64_t sent_ns;
};

struct segment {
	struct tcphdr header;
	struct pulse pulse;
} __attribute__((packed));

// What pulses go through. TCP's is a raw socket, and looks at ports itself.
struct flow {
	int fd;
	bool tcp;
	int family;
	in_port_t local_port, peer_port;
};

static const char magic[8] = "tsipulse";
static volatile sig_atomic_t interrupted;
static bool tell_gaps;
static uint64_t sent, first_number, last_number, arrived;
static struct {
	int64_t first_ns, last_ns;
	long count;
} run;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * (int64_t)SECOND_NS + now.tv_nsec;
}

static void interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

static void fail(const char *what)
{
	if (interrupted)
		exit(0);
	fprintf(stderr, "pulse: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void say(const char *line)
{
	puts(line);
	fflush(stdout);
}

static in_port_t *port_of(struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? &((struct sockaddr_in *)address)->sin_port
					     : &((struct sockaddr_in6 *)address)->sin6_port;
}

static struct sockaddr_storage peer_at(const char *text, int port)
{
	struct sockaddr_storage peer = {};

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&peer)->sin_addr) == 1)
		peer.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&peer)->sin6_addr) == 1)
		peer.ss_family = AF_INET6;
	else
		fail(text);
	*port_of(&peer) = htons((uint16_t)port);
	return peer;
}

static int open_socket(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol), size = BUFFER, one = 1;

	if (fd < 0)
		fail("socket");
	// Who is not scheduled for a while must not lose what arrived.
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd;
}

static void bind_to(int fd, int family, int port)
{
	struct sockaddr_storage any = {.ss_family = (sa_family_t)family};

	*port_of(&any) = htons((uint16_t)port);
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		fail("bind");
}

static void connect_to(int fd, const struct sockaddr_storage *peer)
{
	if (connect(fd, (const struct sockaddr *)peer, sizeof(*peer)) < 0)
		fail("connect");
}

// An IPv4 client of an IPv6 socket, as what it is.
static struct sockaddr_storage unmapped(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	struct sockaddr_storage plain = {.ss_family = AF_INET};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&plain;

	if (v6->sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return *address;
	memcpy(&v4->sin_addr, &v6->sin6_addr.s6_addr[12], sizeof(v4->sin_addr));
	v4->sin_port = v6->sin6_port;
	return plain;
}

// The raw socket beside a connection of the kernel's.
static struct flow beside(int connection)
{
	struct sockaddr_storage local, peer;
	socklen_t local_size = sizeof(local), peer_size = sizeof(peer);

	if (getsockname(connection, (struct sockaddr *)&local, &local_size) < 0 ||
		getpeername(connection, (struct sockaddr *)&peer, &peer_size) < 0)
		fail("addresses of the connection");
	peer = unmapped(&peer);
	struct flow flow = {
		.fd = open_socket(peer.ss_family, SOCK_RAW, IPPROTO_TCP),
		.tcp = true,
		.family = peer.ss_family,
		.local_port = *port_of(&local),
		.peer_port = *port_of(&peer),
	};

	*port_of(&peer) = 0;
	connect_to(flow.fd, &peer);
	return flow;
}

static struct flow open_flow(bool tcp, const char *address, int port, int local_port)
{
	struct sockaddr_storage peer = peer_at(address, port);
	int fd = open_socket(peer.ss_family, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);

	if (local_port)
		bind_to(fd, peer.ss_family, local_port);
	connect_to(fd, &peer);
	return tcp ? beside(fd) : (struct flow){.fd = fd};
}

// The flow of the first client that comes.
static struct flow await_flow(bool tcp, int port)
{
	int fd = open_socket(AF_INET6, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	char nothing;

	bind_to(fd, AF_INET6, port);
	if (tcp) {
		if (listen(fd, 1) < 0)
			fail("listen");
		say("ready");
		int connection = accept(fd, NULL, NULL);

		if (connection < 0)
			fail("accept");
		return beside(connection);
	}
	say("ready");
	if (recvfrom(fd, &nothing, 1, MSG_PEEK, (struct sockaddr *)&peer, &size) < 0)
		fail("receive");
	connect_to(fd, &peer);
	return (struct flow){.fd = fd};
}

// What became of it is for the other end to notice.
static void send_pulse(const struct flow *flow)
{
	struct segment segment = {
		.header = {.source = flow->local_port,
			.dest = flow->peer_port,
			.doff = sizeof(struct tcphdr) / 4,
			.ack = 1,
			.check = 0xbad},
		.pulse = {.number = ++sent, .sent_ns = now_ns()},
	};

	memcpy(segment.pulse.magic, magic, sizeof(magic));
	if (flow->tcp)
		send(flow->fd, &segment, sizeof(segment), MSG_DONTWAIT);
	else
		send(flow->fd, &segment.pulse, sizeof(segment.pulse), MSG_DONTWAIT);
}

static void end_run(void)
{
	char line[100];

	if (run.count == 0)
		return;
	snprintf(line, sizeof(line), "run %lld %lld %ld", (long long)run.first_ns,
		(long long)run.last_ns, run.count);
	say(line);
	run.count = 0;
}

static void say_gap(const struct pulse *pulse)
{
	char line[120];

	if (pulse->number < last_number)
		snprintf(line, sizeof(line), "late %llu", (unsigned long long)pulse->number);
	else if (pulse->number > last_number + 1)
		snprintf(line, sizeof(line), "gap %llu %llu %lld %lld",
			(unsigned long long)last_number + 1, (unsigned long long)pulse->number - 1,
			(long long)run.last_ns, (long long)pulse->sent_ns);
	else
		return;
	say(line);
}

static void note(const struct pulse *pulse)
{
	if (arrived++ == 0) {
		say("connected");
		first_number = pulse->number;
	} else if (tell_gaps) {
		say_gap(pulse);
	}
	if (pulse->sent_ns - run.last_ns > RUN_GAP_NS)
		end_run();
	if (run.count++ == 0)
		run.first_ns = pulse->sent_ns;
	run.last_ns = pulse->sent_ns;
	// Who comes late does not become the last one.
	if (pulse->number > last_number)
		last_number = pulse->number;
}

static void note_pulse_in(const char *bytes, ssize_t length)
{
	struct pulse pulse;

	if (length != sizeof(pulse))
		return;
	memcpy(&pulse, bytes, sizeof(pulse));
	if (memcmp(pulse.magic, magic, sizeof(magic)) == 0)
		note(&pulse);
}

// A raw socket receives what is for other sockets too, and IPv4's with the IP header.
static void note_segment(const struct flow *flow, const char *bytes, ssize_t length)
{
	ssize_t head = flow->family == AF_INET ? (bytes[0] & 15) * 4 : 0;
	struct tcphdr header;

	if (length - head < (ssize_t)sizeof(header))
		return;
	memcpy(&header, bytes + head, sizeof(header));
	head += sizeof(header);
	if (header.dest == flow->local_port && header.source == flow->peer_port)
		note_pulse_in(bytes + head, length - head);
}

static void receive_all(const struct flow *flow)
{
	char bytes[2048];

	for (;;) {
		ssize_t length = recv(flow->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (length < 0 && errno == EAGAIN)
			return;
		// An ICMP error is what a socket heard, and not its end.
		if (length < 0)
			continue;
		if (flow->tcp)
			note_segment(flow, bytes, length);
		else
			note_pulse_in(bytes, length);
	}
}

// Wakes for arrivals only when there is much time.
static void sleep_until(const struct flow *flow, int64_t moment_ns)
{
	int64_t left_ns = moment_ns - now_ns();
	struct timespec left = {.tv_sec = left_ns / SECOND_NS, .tv_nsec = left_ns % SECOND_NS};
	struct pollfd readable = {.fd = flow->fd, .events = POLLIN};

	if (left_ns <= 0 || interrupted)
		return;
	if (left_ns < LOOK_NS)
		nanosleep(&left, NULL);
	else
		ppoll(&readable, 1, &left, NULL);
}

// Whatever arrives.
static void sleep_through(int64_t moment_ns)
{
	struct timespec moment = {
		.tv_sec = moment_ns / SECOND_NS, .tv_nsec = moment_ns % SECOND_NS};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL);
}

// Whoever comes late does not hurry afterwards.
static int64_t following(int64_t tick_ns, int64_t interval_ns)
{
	int64_t now = now_ns();

	return tick_ns + interval_ns > now ? tick_ns + interval_ns : now;
}

static void exchange(const struct flow *flow, int64_t interval_ns)
{
	int64_t tick_ns = now_ns(), look_ns = 0;
	bool greeted = false;

	while (!interrupted) {
		if (interval_ns > LOOK_NS || !greeted || now_ns() >= look_ns) {
			receive_all(flow);
			look_ns = now_ns() + LOOK_NS;
		}
		// An answer to the answer makes it an established connection, whatever the pace.
		if (arrived > 0 && !greeted) {
			greeted = true;
			tick_ns = now_ns();
		}
		if (now_ns() >= tick_ns) {
			send_pulse(flow);
			tick_ns = following(tick_ns, greeted ? interval_ns : OPENING_NS);
		}
		sleep_until(flow, tick_ns);
	}
	receive_all(flow);
}

static void knock(const char *address, int port, int64_t interval_ns)
{
	for (int64_t tick_ns = now_ns(); !interrupted; tick_ns = following(tick_ns, interval_ns)) {
		struct flow flow = open_flow(false, address, port, 0);

		send_pulse(&flow);
		sleep_through(tick_ns + interval_ns);
		close(flow.fd);
	}
}

static void listen_on(int port)
{
	struct flow flow = {.fd = open_socket(AF_INET6, SOCK_DGRAM, 0)};

	bind_to(flow.fd, AF_INET6, port);
	say("ready");
	while (!interrupted) {
		receive_all(&flow);
		sleep_until(&flow, now_ns() + SECOND_NS);
	}
	receive_all(&flow);
}

static int usage(void)
{
	fputs("usage: pulse [-g] [-i MICROSECONDS] [-p PORT] client udp|tcp ADDRESS PORT | server "
	      "udp|tcp PORT | knock "
	      "ADDRESS PORT | sink PORT\n",
		stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct sigaction on_interrupt = {.sa_handler = interrupt};
	int64_t interval_ns = 100000;
	int local_port = 0, option;

	while ((option = getopt(argc, argv, "gi:p:")) != -1) {
		if (option == 'g')
			tell_gaps = true;
		else if (option == 'i')
			interval_ns = atoll(optarg) * 1000;
		else if (option == 'p')
			local_port = atoi(optarg);
		else
			return usage();
	}
	char **words = argv + optind;
	int count = argc - optind;
	const char *role = count > 0 ? words[0] : "";
	bool tcp = count > 1 && strcmp(words[1], "tcp") == 0;

	sigaction(SIGINT, &on_interrupt, NULL);
	prctl(PR_SET_TIMERSLACK, 1);
	if (count == 4 && strcmp(role, "client") == 0) {
		struct flow flow = open_flow(tcp, words[2], atoi(words[3]), local_port);

		exchange(&flow, interval_ns);
	} else if (count == 3 && strcmp(role, "server") == 0) {
		struct flow flow = await_flow(tcp, atoi(words[2]));

		exchange(&flow, interval_ns);
	} else if (count == 3 && strcmp(role, "knock") == 0) {
		knock(words[1], atoi(words[2]), interval_ns);
	} else if (count == 2 && strcmp(role, "sink") == 0) {
		listen_on(atoi(words[1]));
	} else {
		return usage();
	}
	end_run();
	printf("sent %llu arrived %llu lost %llu\n", (unsigned long long)sent,
		(unsigned long long)arrived,
		(unsigned long long)(arrived ? last_number - first_number + 1 - arrived : 0));
	return 0;
}
