// SPDX-License-Identifier: Apache-2.0
//
// The echo server behind the image `tsilium.io/echo`, and on the lab's world host.
//
//   echo --pod NAME --namespace NS --node NODE [--ready-fd N] tcp/8080 udp/8080 ...
//
// TCP: an HTTP request is answered with JSON that names the pod, the client's address, the request,
// and length and CRC-32 of its body; `/bytes/N` answers N bytes instead. Anything that is not HTTP
// comes back as it is. UDP: a datagram comes back as it is, and one that says "?" gets the JSON.
// Both families; an answer leaves from the very address that was asked. One process, one thread.
// The ready descriptor is closed once every port is open.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

enum { MAX_LISTENERS = 128, READ_SIZE = 65536, MAX_PENDING = 1 << 20 };

enum kind { LISTENER, DATAGRAMS, CONNECTION };

struct socket {
	enum kind kind;
	int fd;
};

struct connection {
	struct socket socket;
	enum { READING_HEAD, READING_BODY, ECHOING } state;
	bool closing; // once all output is gone
	uint32_t waiting_for;
	struct bytes input, output;
	struct request request;
	struct bytes head; // the request points into it
	struct body body;
	uint64_t bytes_to_send; // of /bytes/N
};

static const char *pod = "", *pod_namespace = "", *node = "";
static struct socket listeners[MAX_LISTENERS];
static int listener_count, epoll_fd;
static bool accepting = true;

static void die(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(struct socket *socket, int operation, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = socket};

	if (epoll_ctl(epoll_fd, operation, socket->fd, &event) < 0)
		die("epoll_ctl");
}

static void append_address(struct bytes *out, const char *name, const struct sockaddr_storage *from)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	bool is_v4 = from->ss_family == AF_INET;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(from->ss_family, is_v4 ? (const void *)&v4->sin_addr : &v6->sin6_addr, text,
		sizeof(text));
	bytes_print(out, ",\"%s\":\"%s\",\"%sPort\":%d", name, text, name,
		ntohs(is_v4 ? v4->sin_port : v6->sin6_port));
}

static void append_member(struct bytes *out, const char *name, const char *value)
{
	bytes_print(out, "\"%s\":", name);
	bytes_json(out, value, strlen(value));
}

// Begins the answer: who we are and who asked.
static void append_parties(struct bytes *out, const char *protocol,
	const struct sockaddr_storage *client, const struct sockaddr_storage *server)
{
	bytes_print(out, "{");
	append_member(out, "pod", pod);
	bytes_print(out, ",");
	append_member(out, "namespace", pod_namespace);
	bytes_print(out, ",");
	append_member(out, "node", node);
	bytes_print(out, ",\"protocol\":\"%s\"", protocol);
	append_address(out, "client", client);
	if (server)
		append_address(out, "server", server);
}

static void append_request(struct bytes *out, const struct request *request)
{
	bytes_print(out, ",\"request\":{\"method\":");
	bytes_json(out, request->method.at, request->method.length);
	bytes_print(out, ",\"path\":");
	bytes_json(out, request->target.at, request->target.length);
	bytes_print(out, ",\"headers\":{");
	for (int i = 0; i < request->header_count; i++) {
		const struct header *header = &request->headers[i];

		bytes_print(out, i > 0 ? "," : "");
		bytes_json(out, header->name.at, header->name.length);
		bytes_print(out, ":");
		bytes_json(out, header->value.at, header->value.length);
	}
	bytes_print(out, "}}");
}

static void append_head(struct connection *connection, const char *type, uint64_t length)
{
	bytes_print(&connection->output,
		"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %llu\r\nConnection: "
		"%s\r\n\r\n",
		type, (unsigned long long)length, connection->closing ? "close" : "keep-alive");
}

static void answer_json(struct connection *connection)
{
	struct sockaddr_storage client = {0}, server = {0};
	socklen_t client_length = sizeof(client), server_length = sizeof(server);
	struct bytes json = {0};

	getpeername(connection->socket.fd, (struct sockaddr *)&client, &client_length);
	getsockname(connection->socket.fd, (struct sockaddr *)&server, &server_length);
	append_parties(&json, "TCP", &client, &server);
	append_request(&json, &connection->request);
	bytes_print(&json, ",\"bodyLength\":%llu,\"checksum\":\"%08x\"}\n",
		(unsigned long long)connection->body.length, connection->body.checksum);
	append_head(connection, "application/json", bytes_left(&json));
	if (!span_is(connection->request.method, "HEAD"))
		bytes_append(&connection->output, json.data, bytes_left(&json));
	free(json.data);
}

static void answer(struct connection *connection)
{
	const struct request *request = &connection->request;
	struct span count = {request->target.at + 7, request->target.length - 7};
	uint64_t length;

	connection->closing = !request->keep_alive;
	if (request->target.length > 7 && memcmp(request->target.at, "/bytes/", 7) == 0 &&
		parse_length(count, &length)) {
		append_head(connection, "application/octet-stream", length);
		connection->bytes_to_send = span_is(request->method, "HEAD") ? 0 : length;
		return;
	}
	answer_json(connection);
}

static void refuse(struct connection *connection)
{
	static const char text[] =
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

	bytes_append(&connection->output, text, sizeof(text) - 1);
	connection->closing = true;
}

// Takes a request's head out of the input, if it is all there.
static bool take_head(struct connection *connection)
{
	struct bytes *input = &connection->input;
	const char *at = input->data + input->start;
	const char *end = memmem(at, bytes_left(input), "\r\n\r\n", 4);

	if (!end) {
		if (bytes_left(input) > MAX_HEAD)
			refuse(connection);
		return false;
	}
	connection->head.start = connection->head.end = 0;
	bytes_append(&connection->head, at, (size_t)(end - at) + 4);
	input->start += connection->head.end;
	if (!parse_head(connection->head.data, connection->head.end, &connection->request)) {
		refuse(connection);
		return false;
	}
	return true;
}

// Moves one step with what has been read; false when more input (or output) is needed first.
static bool step(struct connection *connection)
{
	struct bytes *input = &connection->input;

	if (connection->closing || connection->bytes_to_send > 0 ||
		bytes_left(&connection->output) > MAX_PENDING)
		return false;
	if (connection->state == READING_HEAD) {
		enum looks looks = looks_like_http(input->data + input->start, bytes_left(input));

		if (looks == LOOKS_OTHER && bytes_left(input) > 0) {
			connection->state = ECHOING;
			return true;
		}
		if (looks != LOOKS_HTTP || !take_head(connection))
			return false;
		connection->body = body_of(&connection->request);
		connection->state = READING_BODY;
		if (connection->request.expects_continue && connection->body.state != BODY_DONE)
			bytes_print(&connection->output, "HTTP/1.1 100 Continue\r\n\r\n");
		return true;
	}
	if (connection->state == READING_BODY) {
		if (!body_take(&connection->body, input)) {
			refuse(connection);
			return false;
		}
		if (connection->body.state != BODY_DONE)
			return false;
		answer(connection);
		connection->state = READING_HEAD;
		return true;
	}
	bytes_append(&connection->output, input->data + input->start, bytes_left(input));
	input->start = input->end;
	return false;
}

static void listen_again(void)
{
	if (accepting)
		return;
	accepting = true;
	for (int i = 0; i < listener_count; i++)
		if (listeners[i].kind == LISTENER)
			watch(&listeners[i], EPOLL_CTL_MOD, EPOLLIN);
}

static void drop(struct connection *connection)
{
	close(connection->socket.fd);
	free(connection->input.data);
	free(connection->output.data);
	free(connection->head.data);
	free(connection);
	listen_again();
}

static void fill_pattern(struct connection *connection)
{
	size_t length = connection->bytes_to_send < READ_SIZE ? (size_t)connection->bytes_to_send
							      : READ_SIZE;

	memset(bytes_reserve(&connection->output, length), 'x', length);
	connection->output.end += length;
	connection->bytes_to_send -= length;
}

// Sends what it can: false when the connection is broken.
static bool flush(struct connection *connection)
{
	struct bytes *output = &connection->output;

	for (;;) {
		if (bytes_left(output) == 0 && connection->bytes_to_send > 0)
			fill_pattern(connection);
		if (bytes_left(output) == 0)
			return true;
		ssize_t put = send(connection->socket.fd, output->data + output->start,
			bytes_left(output), MSG_NOSIGNAL);

		if (put < 0)
			return errno == EAGAIN;
		output->start += (size_t)put;
	}
}

// Reads once: false at the end of the stream or when the connection is broken.
static bool fill(struct connection *connection)
{
	ssize_t got = recv(
		connection->socket.fd, bytes_reserve(&connection->input, READ_SIZE), READ_SIZE, 0);

	if (got < 0)
		return errno == EAGAIN;
	connection->input.end += (size_t)got;
	return got > 0;
}

static void serve(struct connection *connection, uint32_t events)
{
	bool open = !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || fill(connection);

	do {
		while (step(connection))
			;
		if (!flush(connection))
			return drop(connection);
		// A pipelined request may have waited for the answer before it to leave.
	} while (bytes_left(&connection->output) == 0 && connection->state == READING_HEAD &&
		 !connection->closing && step(connection));
	bool pending = bytes_left(&connection->output) > 0;

	if (!pending && (connection->closing || !open))
		return drop(connection);
	if (!open)
		connection->closing = true;
	uint32_t wanted = pending ? EPOLLOUT : EPOLLIN;

	if (wanted != connection->waiting_for)
		watch(&connection->socket, EPOLL_CTL_MOD, connection->waiting_for = wanted);
}

static void accept_all(struct socket *listener)
{
	for (;;) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			// No descriptor left: listen again when a connection ends.
			watch(listener, EPOLL_CTL_MOD, 0);
			accepting = false;
		}
		if (fd < 0)
			return;
		struct connection *connection = calloc(1, sizeof(*connection));
		int on = 1;

		if (!connection)
			die("memory");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		connection->socket = (struct socket){CONNECTION, fd};
		connection->waiting_for = EPOLLIN;
		watch(&connection->socket, EPOLL_CTL_ADD, EPOLLIN);
	}
}

// Answers a datagram from the address it was sent to: msg_control comes as received and goes as is.
static void answer_datagrams(int fd)
{
	static char payload[65536];

	for (;;) {
		char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct sockaddr_storage client = {0};
		struct iovec vector = {payload, sizeof(payload)};
		struct msghdr message = {.msg_name = &client,
			.msg_namelen = sizeof(client),
			.msg_iov = &vector,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control)};
		ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT);
		struct bytes json = {0};

		if (length < 0)
			return;
		vector.iov_len = (size_t)length;
		if ((length == 1 || length == 2) && payload[0] == '?') {
			append_parties(&json, "UDP", &client, NULL);
			bytes_print(&json, "}\n");
			vector = (struct iovec){json.data, bytes_left(&json)};
		}
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);

		if (header && header->cmsg_level == IPPROTO_IP)
			// Leave the route to the kernel: only the source address is ours to say.
			((struct in_pktinfo *)CMSG_DATA(header))->ipi_ifindex = 0;
		sendmsg(fd, &message, MSG_NOSIGNAL);
		free(json.data);
	}
}

static int bound_socket(int family, bool tcp, int port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	int fd = socket(family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 && errno == EAFNOSUPPORT)
		return -1;
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (!tcp) {
		int room = 4 << 20;

		setsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
			family == AF_INET ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	}
	int bound = family == AF_INET ? bind(fd, (struct sockaddr *)&v4, sizeof(v4))
				      : bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	char what[64];

	snprintf(what, sizeof(what), "%s port %d", tcp ? "TCP" : "UDP", port);
	if (bound < 0 || (tcp && listen(fd, 4096) < 0))
		die(what);
	return fd;
}

static void open_port(const char *text)
{
	bool tcp = strncmp(text, "tcp/", 4) == 0;
	int port = atoi(text + 4);
	static const int families[] = {AF_INET, AF_INET6};

	if ((!tcp && strncmp(text, "udp/", 4) != 0) || port < 1 || port > 65535) {
		fprintf(stderr, "echo: a port is tcp/NUMBER or udp/NUMBER, not %s\n", text);
		exit(1);
	}
	for (int i = 0; i < 2; i++) {
		int fd = bound_socket(families[i], tcp, port);

		if (fd < 0)
			continue;
		if (listener_count == MAX_LISTENERS) {
			fprintf(stderr, "echo: more than %d sockets\n", MAX_LISTENERS);
			exit(1);
		}
		struct socket *listener = &listeners[listener_count++];

		*listener = (struct socket){tcp ? LISTENER : DATAGRAMS, fd};
		watch(listener, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = {{"pod", required_argument, NULL, 'p'},
		{"namespace", required_argument, NULL, 's'}, {"node", required_argument, NULL, 'n'},
		{"ready-fd", required_argument, NULL, 'r'}, {0}};
	int ready_fd = -1;

	for (int found; (found = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		if (found == 'p')
			pod = optarg;
		else if (found == 's')
			pod_namespace = optarg;
		else if (found == 'n')
			node = optarg;
		else if (found == 'r')
			ready_fd = atoi(optarg);
		else
			exit(1);
	}
	for (int i = optind; i < argc; i++)
		open_port(argv[i]);
	if (ready_fd >= 0)
		close(ready_fd);
}

int main(int argc, char **argv)
{
	struct epoll_event events[64];

	signal(SIGPIPE, SIG_IGN);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll");
	parse(argc, argv);
	for (;;) {
		int count = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < count; i++) {
			struct socket *socket = events[i].data.ptr;

			switch (socket->kind) {
			case LISTENER:
				accept_all(socket);
				break;
			case DATAGRAMS:
				answer_datagrams(socket->fd);
				break;
			case CONNECTION:
				serve((struct connection *)socket, events[i].events);
				break;
			}
		}
	}
}
