// SPDX-License-Identifier: Apache-2.0
//
// librdkafka's mock cluster of one broker, at an address and port of our choice. The library binds its broker to a free
// port of 127.0.0.1 and advertises that; the calls by which it does so are taken over here.
//
//   kafka-mock ADDRESS PORT PARTITIONS TOPIC...      says "ready" on stdout, ends when its stdin does
//
// Built by the test that uses it: cc kafka-mock.c -rdynamic -lrdkafka (Debian: librdkafka-dev).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *host;
static int port, is_v6;

// The mock's listening socket is the first that it makes; it asks for IPv4.
int socket(int domain, int type, int protocol)
{
	static int (*real)(int, int, int);
	static int made;

	if (!real)
		real = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	if (domain == AF_INET && is_v6 && !made) {
		made = 1;
		domain = AF_INET6;
	}
	return real(domain, type, protocol);
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
	static int (*real)(int, const struct sockaddr *, socklen_t);
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	if (!real)
		real = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
	if (address->sa_family != AF_INET)
		return real(fd, address, length);
	if (is_v6) {
		inet_pton(AF_INET6, host, &v6.sin6_addr);
		return real(fd, (struct sockaddr *)&v6, sizeof(v6));
	}
	inet_pton(AF_INET, host, &v4.sin_addr);
	return real(fd, (struct sockaddr *)&v4, sizeof(v4));
}

// Of any family but IPv4 it would give up.
int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict length)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	(void)fd;
	memcpy(address, &v4, *length < sizeof(v4) ? *length : sizeof(v4));
	*length = sizeof(v4);
	return 0;
}

// What the mock advertises is this, as text.
int getnameinfo(const struct sockaddr *restrict address, socklen_t length, char *restrict name,
	socklen_t name_size, char *restrict service, socklen_t service_size, int flags)
{
	(void)address, (void)length, (void)flags;
	if (name)
		snprintf(name, name_size, "%s", host);
	if (service)
		snprintf(service, service_size, "%d", port);
	return 0;
}

int main(int argc, char **argv)
{
	char error[256], buffer[64];
	rd_kafka_mock_cluster_t *cluster;
	rd_kafka_t *rk;

	if (argc < 4)
		return 2;
	host = argv[1];
	port = atoi(argv[2]);
	is_v6 = strchr(host, ':') != NULL;
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), error, sizeof(error));
	if (!rk)
		return 1;
	cluster = rd_kafka_mock_cluster_new(rk, 1);
	if (!cluster)
		return 1;
	for (int at = 4; at < argc; at++)
		rd_kafka_mock_topic_create(cluster, argv[at], atoi(argv[3]), 1);
	fprintf(stderr, "bootstraps %s\n", rd_kafka_mock_cluster_bootstraps(cluster));
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, buffer, sizeof(buffer)) > 0)
		;
	return 0;
}
