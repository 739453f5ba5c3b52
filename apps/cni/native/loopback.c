// SPDX-License-Identifier: Apache-2.0
//
// The CNI plugin `loopback`: brings up a container's lo. containerd runs one for every pod, whatever
// network the pod is on, and makes no pod without. Hosts have it from the reference plugins; the
// agent installs this one where there is none. Static, and over before a Go program has started.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "json.h"

enum { MAX_INPUT = 1 << 20 };

// Error codes of the CNI specification 1.1.0.
enum {
	CNI_UNSUPPORTED_FIELD = 2,
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_BAD_ENVIRONMENT = 4,
	CNI_IO_FAILURE = 5,
	CNI_UNDECODABLE = 6,
	CNI_LO_IS_DOWN = 100,
};

static char version[16] = "1.0.0";

// Prints a CNI error and leaves. What needs escaping in `format`'s words becomes an apostrophe.
__attribute__((noreturn, format(printf, 2, 3))) static void fail(int code, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *c = text; *c; c++)
		if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
			*c = '\'';
	printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\"}\n", version, code, text);
	exit(1);
}

static size_t read_input(char *input)
{
	size_t length = 0;

	for (;;) {
		ssize_t got = read(STDIN_FILENO, input + length, MAX_INPUT - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			fail(CNI_IO_FAILURE, "stdin: %s", strerror(errno));
		if (got == 0)
			return length;
		length += (size_t)got;
		if (length == MAX_INPUT)
			fail(CNI_UNDECODABLE, "the network configuration is too long");
	}
}

static void read_version(const char *input, size_t length)
{
	char found[sizeof(version)];

	if (json_top_level_string(input, length, "cniVersion", found, sizeof(found)) &&
		strspn(found, "0123456789.") == strlen(found))
		strcpy(version, found);
}

static void enter(const char *path)
{
	if (!path || !*path)
		fail(CNI_BAD_ENVIRONMENT, "CNI_NETNS is not set");
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail(errno == ENOENT ? CNI_UNKNOWN_CONTAINER : CNI_IO_FAILURE, "%s: %s", path,
			strerror(errno));
	if (setns(fd, CLONE_NEWNET) != 0)
		fail(CNI_IO_FAILURE, "cannot enter %s: %s", path, strerror(errno));
	close(fd);
}

static struct ifreq flags_of_lo(int fd)
{
	struct ifreq request = {.ifr_name = "lo"};

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0)
		fail(CNI_IO_FAILURE, "lo: %s", strerror(errno));
	return request;
}

static void set_up(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = flags_of_lo(fd);

	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
		fail(CNI_IO_FAILURE, "lo cannot be set up: %s", strerror(errno));
	close(fd);
}

static void print_result(const char *netns)
{
	// Results before 1.0.0 tell the family of an address.
	bool old = strncmp(version, "0.", 2) == 0;

	printf("{\"cniVersion\":\"%s\",\"interfaces\":[{\"name\":\"lo\",\"mac\":\"00:00:00:00:00:"
	       "00\","
	       "\"sandbox\":\"%s\"}],\"ips\":[{%s\"interface\":0,\"address\":\"127.0.0.1/8\"},"
	       "{%s\"interface\":0,\"address\":\"::1/128\"}],\"dns\":{}}\n",
		version, netns, old ? "\"version\":\"4\"," : "", old ? "\"version\":\"6\"," : "");
}

static void add(const char *netns, const char *input, size_t length)
{
	if (memmem(input, length, "\"prevResult\"", strlen("\"prevResult\"")))
		fail(CNI_UNSUPPORTED_FIELD,
			"loopback is a network of its own: it follows no plugin");
	if (netns && strpbrk(netns, "\"\\\n"))
		fail(CNI_BAD_ENVIRONMENT, "CNI_NETNS is not a path that can be told");
	enter(netns);
	set_up();
	print_result(netns);
}

static void check(const char *netns)
{
	enter(netns);
	if (!(flags_of_lo(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)).ifr_flags & IFF_UP))
		fail(CNI_LO_IS_DOWN, "lo is down in %s", netns);
}

int main(void)
{
	static char input[MAX_INPUT];
	const char *command = getenv("CNI_COMMAND");
	const char *netns = getenv("CNI_NETNS");

	if (!command)
		fail(CNI_BAD_ENVIRONMENT, "CNI_COMMAND is not set");
	size_t length = read_input(input);

	read_version(input, length);
	if (strcmp(command, "VERSION") == 0) {
		printf("{\"cniVersion\":\"%s\",\"supportedVersions\":"
		       "[\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n",
			version);
		return 0;
	}
	if (!json_is_object(input, length))
		fail(CNI_UNDECODABLE, "the network configuration is no JSON object");
	if (strcmp(command, "ADD") == 0)
		add(netns, input, length);
	else if (strcmp(command, "CHECK") == 0)
		check(netns);
	// lo goes with its namespace; a container that lives on keeps it.
	else if (strcmp(command, "DEL") && strcmp(command, "GC") && strcmp(command, "STATUS"))
		fail(CNI_BAD_ENVIRONMENT, "CNI_COMMAND %s is unknown", command);
	return 0;
}
