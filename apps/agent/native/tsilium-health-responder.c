// SPDX-License-Identifier: Apache-2.0
//
// The health endpoint's process: makes a network namespace of its own, whose only process it is, and answers
// probes in it. The namespace is there for as long as the process, which outlives the agent that started it:
// while the agent is away, its node's pods can still be told to be reachable.
//
//   tsilium-health-responder PORT
//
// Everybody who reaches the endpoint may talk to it, so once it listens it can do nothing but this: no
// capability is left, and no system call but those of the loop below.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_CLIENTS = 64, // one more pushes out the oldest: nobody can keep probes away by staying
	MAX_REQUEST = 1024,
	PATIENCE_MS = 2000,
	BACKLOG = 64
};

struct client {
	int fd; // -1: free
	size_t length;
	long long since_ms;
	char request[MAX_REQUEST];
};

static struct client clients[MAX_CLIENTS];

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
			 "Content-Length: 3\r\n\r\nOK\n";
static const char not_found[] = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n"
				"Content-Length: 0\r\n\r\n";

static void fail(const char *what)
{
	dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
	_exit(EXIT_FAILURE);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

// Both families by one socket; IPv4 alone where the kernel has no IPv6.
static int listen_on(unsigned short port)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int off = 0, on = 1;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&any6, sizeof(any6)) < 0)
			fail("bind");
	} else {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			fail("socket");
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&any4, sizeof(any4)) < 0)
			fail("bind");
	}
	if (listen(fd, BACKLOG) < 0)
		fail("listen");
	return fd;
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	if (syscall(SYS_capset, &header, none) < 0)
		fail("capset");
}

#define ALLOW(call)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                     \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

// Whatever else is called ends the process, which the agent sees.
static void allow_only_the_loop(void)
{
#if defined(__x86_64__)
	const unsigned int architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
	const unsigned int architecture = AUDIT_ARCH_AARCH64;
#else
#error "name the architecture for seccomp"
#endif
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_poll
		ALLOW(poll),
#endif
		ALLOW(ppoll), ALLOW(accept4), ALLOW(recvfrom), ALLOW(sendto), ALLOW(shutdown),
		ALLOW(close), ALLOW(clock_gettime), ALLOW(rt_sigreturn), ALLOW(restart_syscall),
		ALLOW(exit_group), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("no_new_privs");
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		fail("seccomp");
}

static void forget(struct client *client)
{
	close(client->fd);
	client->fd = -1;
}

static void admit(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *place = &clients[0];

	if (fd < 0)
		return;
	for (int at = 0; at < MAX_CLIENTS; at++) {
		if (clients[at].fd < 0) {
			place = &clients[at];
			break;
		}
		if (clients[at].since_ms < place->since_ms)
			place = &clients[at];
	}
	if (place->fd >= 0)
		forget(place);
	*place = (struct client){.fd = fd, .since_ms = now_ms()};
}

// Nothing of a request matters but its first words.
static void answer(struct client *client)
{
	static const char wanted[] = "GET /hello ";
	int is_hello = client->length >= sizeof(wanted) - 1 &&
		       memcmp(client->request, wanted, sizeof(wanted) - 1) == 0;

	if (is_hello)
		send(client->fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL);
	else
		send(client->fd, not_found, sizeof(not_found) - 1, MSG_NOSIGNAL);
	shutdown(client->fd, SHUT_WR);
	forget(client);
}

static void serve(struct client *client)
{
	ssize_t length =
		recv(client->fd, client->request + client->length, MAX_REQUEST - client->length, 0);

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length <= 0) {
		forget(client);
		return;
	}
	client->length += (size_t)length;
	if (memmem(client->request, client->length, "\r\n\r\n", 4))
		answer(client);
	else if (client->length == MAX_REQUEST)
		forget(client);
}

static void serve_for_ever(int listener)
{
	struct pollfd polled[MAX_CLIENTS + 1];

	for (;;) {
		int waiting = 0;

		polled[MAX_CLIENTS] = (struct pollfd){.fd = listener, .events = POLLIN};
		for (int at = 0; at < MAX_CLIENTS; at++) {
			polled[at] = (struct pollfd){.fd = clients[at].fd, .events = POLLIN};
			waiting += clients[at].fd >= 0;
		}
		if (poll(polled, MAX_CLIENTS + 1, waiting ? PATIENCE_MS / 4 : -1) < 0 &&
			errno != EINTR)
			_exit(EXIT_FAILURE);
		for (int at = 0; at < MAX_CLIENTS; at++)
			if (clients[at].fd >= 0 && polled[at].revents)
				serve(&clients[at]);
		for (int at = 0; at < MAX_CLIENTS; at++)
			if (clients[at].fd >= 0 && now_ms() - clients[at].since_ms > PATIENCE_MS)
				forget(&clients[at]);
		if (polled[MAX_CLIENTS].revents)
			admit(listener);
	}
}

int main(int argc, char **argv)
{
	int port = argc == 2 ? atoi(argv[1]) : 0;

	if (port < 1 || port > 65535) {
		dprintf(STDERR_FILENO, "usage: tsilium-health-responder PORT\n");
		return EXIT_FAILURE;
	}
	if (unshare(CLONE_NEWNET) < 0)
		fail("a network namespace");
	for (int at = 0; at < MAX_CLIENTS; at++)
		clients[at].fd = -1;
	int listener = listen_on((unsigned short)port);

	drop_capabilities();
	allow_only_the_loop();
	serve_for_ever(listener);
}
