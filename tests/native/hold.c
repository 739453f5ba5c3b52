// SPDX-License-Identifier: Apache-2.0
//
// Holds flows to an echo server open, each with a request at a steady pace, and notes which break.
//
//   hold tcp|udp ADDRESS PORT COUNT INTERVAL_MS
//
// TCP: COUNT connections, a GET over each at every interval. UDP: COUNT connected sockets, a "?" at every interval.
// Answers name the pod. Prints "holding" once each flow has been answered, and at once, with CLOCK_MONOTONIC:
//
//   broken FLOW NS POD REASON      a connection ended, or an answer did not come within 2 s; TCP only: it stays closed
//   moved FLOW NS FROM TO          another pod answers than before
//   reopened FLOW NS               UDP: somebody closed the socket (SOCK_DESTROY), and a new one takes its place
//   unanswered FLOW NS             UDP: what was asked then had no answer when the next was due
//
// and after SIGINT a line for each flow:
//
//   flow FLOW POD open|broken REQUESTS ANSWERS LONGEST_MS MOVES REOPENED
//
// LONGEST_MS: the longest that a request waited for its answer. UDP answers that do not come are not broken flows; they
// are requests without an answer.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FLOWS = 1024, MAX_ANSWER = 4096, NAME = 128, PATIENCE_MS = 2000, CONNECT_MS = 5000 };

struct flow {
	int fd;
	bool broken, waiting;
	char pod[NAME];
	char answer[MAX_ANSWER];
	size_t got;
	int64_t asked_us, longest_us;
	int requests, answers, moves, reopened;
};

static struct flow flows[MAX_FLOWS];
static struct sockaddr_storage server;
static socklen_t server_length;
static int flow_count;
static bool tcp;
static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int number_of(const struct flow *flow)
{
	return (int)(flow - flows);
}

static void break_off(struct flow *flow, const char *reason)
{
	if (flow->broken)
		return;
	flow->broken = true;
	close(flow->fd);
	flow->fd = -1;
	printf("broken %d %lld %s %s\n", number_of(flow), (long long)now_us() * 1000,
		flow->pod[0] ? flow->pod : "-", reason);
	fflush(stdout);
}

static int open_flow(void)
{
	int fd = socket(server.ss_family, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	struct timeval patience = {.tv_sec = CONNECT_MS / 1000};

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&server, server_length) < 0) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void reopen(struct flow *flow)
{
	close(flow->fd);
	flow->fd = open_flow();
	if (flow->fd < 0)
		return break_off(flow, strerror(errno));
	flow->waiting = false;
	flow->reopened++;
	printf("reopened %d %lld\n", number_of(flow), (long long)now_us() * 1000);
	fflush(stdout);
}

static void set_server(const char *address, int port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&server;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&server;

	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		server_length = sizeof(*v4);
	} else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		server_length = sizeof(*v6);
	} else {
		fprintf(stderr, "hold: not an address: %s\n", address);
		exit(1);
	}
}

static void open_flows(void)
{
	for (int i = 0; i < flow_count; i++) {
		flows[i].fd = open_flow();
		if (flows[i].fd < 0)
			break_off(&flows[i], strerror(errno));
	}
}

static void note_unanswered(const struct flow *flow)
{
	if (!flow->waiting)
		return;
	printf("unanswered %d %lld\n", number_of(flow), (long long)flow->asked_us * 1000);
	fflush(stdout);
}

static void ask(struct flow *flow)
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: echo\r\n\r\n";
	ssize_t sent = tcp ? send(flow->fd, get, sizeof(get) - 1, MSG_NOSIGNAL)
			   : send(flow->fd, "?", 1, MSG_NOSIGNAL);

	flow->waiting = true;
	flow->asked_us = now_us();
	flow->requests++;
	flow->got = 0;
	// A UDP socket tells of the last datagram's ICMP error here: it is no end of the flow.
	if (sent < 0 && tcp)
		break_off(flow, strerror(errno));
}

// "pod":"NAME" of an answer.
static bool take_pod(const char *answer, char pod[NAME])
{
	const char *at = strstr(answer, "\"pod\":\"");
	size_t length = at ? strcspn(at + 7, "\"") : 0;

	if (!at || length == 0 || length >= NAME)
		return false;
	memcpy(pod, at + 7, length);
	pod[length] = '\0';
	return true;
}

static bool is_whole(const struct flow *flow)
{
	const char *body = strstr(flow->answer, "\r\n\r\n");
	const char *length = strcasestr(flow->answer, "content-length: ");

	if (!tcp)
		return true;
	return body && length && strlen(body + 4) >= strtoul(length + 16, NULL, 10);
}

static void note_answer(struct flow *flow)
{
	int64_t waited_us = now_us() - flow->asked_us;
	char pod[NAME];

	flow->waiting = false;
	flow->answers++;
	if (waited_us > flow->longest_us)
		flow->longest_us = waited_us;
	if (!take_pod(flow->answer, pod))
		return break_off(flow, "an answer without a pod");
	if (flow->pod[0] && strcmp(flow->pod, pod) != 0) {
		flow->moves++;
		printf("moved %d %lld %s %s\n", number_of(flow), (long long)now_us() * 1000,
			flow->pod, pod);
		fflush(stdout);
	}
	strcpy(flow->pod, pod);
}

static void read_flow(struct flow *flow)
{
	ssize_t got =
		recv(flow->fd, flow->answer + flow->got, sizeof(flow->answer) - 1 - flow->got, 0);

	if (got < 0 && errno == ECONNABORTED && !tcp)
		return reopen(flow);
	if (got < 0 && (errno == EAGAIN || !tcp))
		return;
	if (got < 0)
		return break_off(flow, strerror(errno));
	if (got == 0 && tcp)
		return break_off(flow, "closed by the server");
	flow->got += (size_t)got;
	flow->answer[flow->got] = '\0';
	if (is_whole(flow))
		note_answer(flow);
}

// Takes answers until the moment given.
static void listen_until(int64_t until_us)
{
	static struct pollfd waits[MAX_FLOWS];

	while (!interrupted) {
		int64_t left_us = until_us - now_us();

		if (left_us <= 0)
			return;
		for (int i = 0; i < flow_count; i++)
			waits[i] = (struct pollfd){.fd = flows[i].fd, .events = POLLIN};
		if (poll(waits, (nfds_t)flow_count, (int)((left_us + 999) / 1000)) <= 0)
			continue;
		for (int i = 0; i < flow_count; i++)
			if (waits[i].revents && !flows[i].broken)
				read_flow(&flows[i]);
	}
}

static void ask_all(void)
{
	for (int i = 0; i < flow_count; i++) {
		struct flow *flow = &flows[i];

		if (flow->broken)
			continue;
		bool late = flow->waiting && now_us() - flow->asked_us > PATIENCE_MS * 1000LL;

		if (late && tcp)
			break_off(flow, "no answer");
		else if (late || !flow->waiting || !tcp) {
			note_unanswered(flow);
			ask(flow);
		}
	}
}

static bool all_answered(void)
{
	for (int i = 0; i < flow_count; i++)
		if (!flows[i].broken && flows[i].answers == 0)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: hold tcp|udp ADDRESS PORT COUNT INTERVAL_MS\n");
		return 1;
	}
	tcp = strcmp(argv[1], "tcp") == 0;
	flow_count = atoi(argv[4]);
	int64_t interval_us = atoi(argv[5]) * 1000LL;

	if (flow_count < 1 || flow_count > MAX_FLOWS || interval_us < 1000) {
		fprintf(stderr, "hold: 1 to %d flows, at most one request a millisecond\n",
			MAX_FLOWS);
		return 1;
	}
	signal(SIGINT, interrupt);
	signal(SIGTERM, interrupt);
	set_server(argv[2], atoi(argv[3]));
	open_flows();
	bool told = false;

	for (int64_t next_us = now_us(); !interrupted;) {
		ask_all();
		next_us += interval_us;
		listen_until(next_us);
		if (!told && all_answered()) {
			printf("holding\n");
			fflush(stdout);
			told = true;
		}
	}
	for (int i = 0; i < flow_count; i++)
		printf("flow %d %s %s %d %d %lld %d %d\n", i, flows[i].pod[0] ? flows[i].pod : "-",
			flows[i].broken ? "broken" : "open", flows[i].requests, flows[i].answers,
			(long long)flows[i].longest_us / 1000, flows[i].moves, flows[i].reopened);
	return 0;
}
