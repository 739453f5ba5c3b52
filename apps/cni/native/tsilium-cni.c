// SPDX-License-Identifier: Apache-2.0
//
// The CNI plugin as the container runtime executes it. All logic is in the agent: this program
// hands its environment and stdin to the agent's socket and prints the answer. It is static and
// needs only a kernel. By itself it answers VERSION, and while the agent is away STATUS (code 50),
// ADD, CHECK and GC (code 11, "try again later") and DEL (kept on disk, replayed by the agent when
// it starts).
//
//   runtime --env, stdin--> tsilium-cni --POST /v1/cni--> agent
//                                  \--(agent away, DEL)--> deleteQueue/<time>-<pid>.cni
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "json.h"

enum {
	MAX_MESSAGE = 1 << 20,	     // a network configuration is a few hundred bytes
	MAX_QUEUED_DELETES = 256,    // as Cilium: beyond that something is wrong, say so
	CONNECT_PATIENCE_MS = 30000, // an agent that restarts comes back within this
	ANSWER_PATIENCE_S = 110,     // below the runtime's own limit of two minutes
};

// Error codes of the CNI specification 1.1.0.
enum {
	CNI_BAD_ENVIRONMENT = 4,
	CNI_IO_FAILURE = 5,
	CNI_UNDECODABLE = 6,
	CNI_TRY_AGAIN_LATER = 11,
	CNI_UNAVAILABLE = 50,
	CNI_AGENT_MISBEHAVED = 100,
};

struct buffer {
	char *bytes;
	size_t length;
	size_t capacity;
};

struct settings {
	char version[16];
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char delete_queue[256];
};

static const char *const passed_on[] = {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS",
	"CNI_NETNS_OVERRIDE", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"};

static void append(struct buffer *to, const void *bytes, size_t length)
{
	if (to->length + length > to->capacity) {
		to->capacity = (to->length + length) * 2 + 4096;
		to->bytes = realloc(to->bytes, to->capacity);
		if (!to->bytes)
			abort();
	}
	memcpy(to->bytes + to->length, bytes, length);
	to->length += length;
}

// Reads to the end of the file; false on an error or when there is more than `limit`.
static bool read_all(int fd, struct buffer *into, size_t limit)
{
	char chunk[16384];

	for (;;) {
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0;
		if (into->length + (size_t)got > limit) {
			errno = EMSGSIZE;
			return false;
		}
		append(into, chunk, (size_t)got);
	}
}

static bool write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t put = write(fd, bytes, length);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		bytes += put;
		length -= (size_t)put;
	}
	return true;
}

// Prints a CNI error and leaves. `details` is ours or strerror's: nothing in it needs escaping but
// quotes.
__attribute__((noreturn, format(printf, 4, 5))) static void fail(
	const struct settings *settings, int code, const char *message, const char *details, ...)
{
	char text[512];
	va_list args;

	va_start(args, details);
	vsnprintf(text, sizeof(text), details, args);
	va_end(args);
	for (char *c = text; *c; c++)
		if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
			*c = '\'';
	printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\",\"details\":\"%s\"}\n",
		settings->version, code, message, text);
	exit(1);
}

static void read_settings(const struct buffer *input, struct settings *settings)
{
	char version[sizeof(settings->version)];

	strcpy(settings->version, "1.1.0");
	strcpy(settings->socket, "/var/run/tsilium/tsilium.sock");
	strcpy(settings->delete_queue, "/var/run/tsilium/deleteQueue");
	if (json_top_level_string(
		    input->bytes, input->length, "cniVersion", version, sizeof(version)) &&
		strspn(version, "0123456789.") == strlen(version))
		strcpy(settings->version, version);
	json_top_level_string(input->bytes, input->length, "agentSocket", settings->socket,
		sizeof(settings->socket));
	json_top_level_string(input->bytes, input->length, "deleteQueue", settings->delete_queue,
		sizeof(settings->delete_queue));
}

// The request's body: NAME=value, each ended by a NUL, an empty one ends the list, then stdin as it
// came.
static struct buffer request_body(const struct buffer *input)
{
	struct buffer body = {0};

	for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++) {
		const char *value = getenv(passed_on[i]);

		if (!value)
			continue;
		append(&body, passed_on[i], strlen(passed_on[i]));
		append(&body, "=", 1);
		append(&body, value, strlen(value) + 1);
	}
	append(&body, "", 1);
	append(&body, input->bytes, input->length);
	return body;
}

// A connected socket, or -1 with errno set when nobody listened within `patience_ms`.
static int connect_agent(const char *path, int patience_ms)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
	struct timeval patience = {.tv_sec = ANSWER_PATIENCE_S};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, path);
	for (int waited_ms = 0;; waited_ms += 50) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			return -1;
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
			return fd;
		}
		int reason = errno;

		close(fd);
		errno = reason;
		bool away = reason == ENOENT || reason == ECONNREFUSED || reason == EAGAIN;
		if (!away || waited_ms >= patience_ms)
			return -1;
		nanosleep(&pause, NULL);
	}
}

static bool exchange(int fd, const struct buffer *body, struct buffer *answer)
{
	char head[256];
	int length = snprintf(head, sizeof(head),
		"POST /v1/cni HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
		"Content-Type: application/x-tsilium-cni\r\nContent-Length: %zu\r\n\r\n",
		body->length);

	return write_all(fd, head, (size_t)length) && write_all(fd, body->bytes, body->length) &&
	       read_all(fd, answer, MAX_MESSAGE);
}

// One request and its answer; false, with errno set, when the agent is away or falls silent.
static bool ask_agent(const struct settings *settings, const struct buffer *body,
	struct buffer *answer, int patience_ms)
{
	answer->length = 0;
	int fd = connect_agent(settings->socket, patience_ms);
	bool answered = fd >= 0 && exchange(fd, body, answer) && answer->length > 0;
	int reason = errno;

	if (fd >= 0)
		close(fd);
	errno = reason ? reason : ECONNRESET;
	return answered;
}

// Prints the agent's answer; the exit status it asks for, or -1 when it is not an answer of the
// agent.
static int print_answer(struct buffer *answer)
{
	append(answer, "", 1);
	char *body = strstr(answer->bytes, "\r\n\r\n");

	if (strncmp(answer->bytes, "HTTP/1.1 200", 12) != 0 || !body)
		return -1;
	*body = '\0';
	char *status = strcasestr(answer->bytes, "\r\nx-cni-exit: ");
	char *coded = strcasestr(answer->bytes, "\r\ntransfer-encoding:");

	if (!status || coded)
		return -1;
	body += 4;
	if (!write_all(STDOUT_FILENO, body, answer->length - 1 - (size_t)(body - answer->bytes)))
		return -1;
	return atoi(status + strlen("\r\nx-cni-exit: "));
}

static int count_queued(const char *folder)
{
	DIR *listing = opendir(folder);
	int count = 0;

	for (struct dirent *entry; listing && (entry = readdir(listing));)
		count += strstr(entry->d_name, ".cni") != NULL;
	if (listing)
		closedir(listing);
	return count;
}

// Writes a DEL into the queue, beside and renamed, so that the agent never reads half of it.
static bool keep_delete(const char *folder, const struct buffer *body)
{
	char draft[512], final[512];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(draft, sizeof(draft), "%s/.%d.draft", folder, getpid());
	snprintf(final, sizeof(final), "%s/%lld%09ld-%d.cni", folder, (long long)now.tv_sec,
		now.tv_nsec, getpid());
	int fd = open(draft, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd >= 0 && write_all(fd, body->bytes, body->length) && fsync(fd) == 0 &&
	       close(fd) == 0 && rename(draft, final) == 0;
}

// Takes the queue's lock until this process ends. The agent holds it while it replays and lets go
// once it listens, so that every DEL is either replayed or reaches the socket.
static void lock_queue(const struct settings *settings)
{
	char lock[512];

	if (mkdir(settings->delete_queue, 0700) != 0 && errno != EEXIST)
		fail(settings, CNI_TRY_AGAIN_LATER,
			"the agent is away and the DEL cannot be queued", "mkdir %s: %s",
			settings->delete_queue, strerror(errno));
	snprintf(lock, sizeof(lock), "%s/lock", settings->delete_queue);
	int fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		fail(settings, CNI_IO_FAILURE, "the delete queue cannot be locked", "%s: %s", lock,
			strerror(errno));
}

static int queue_delete(const struct settings *settings, const struct buffer *body)
{
	const char *folder = settings->delete_queue;

	if (count_queued(folder) >= MAX_QUEUED_DELETES)
		fail(settings, CNI_TRY_AGAIN_LATER, "the delete queue is full",
			"%d DELs wait in %s for the agent: start it", MAX_QUEUED_DELETES, folder);
	if (!keep_delete(folder, body))
		fail(settings, CNI_IO_FAILURE, "the agent is away and the DEL cannot be queued",
			"%s: %s", folder, strerror(errno));
	return 0;
}

static int print_versions(const struct settings *settings)
{
	printf("{\"cniVersion\":\"%s\",\"supportedVersions\":"
	       "[\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n",
		settings->version);
	return 0;
}

int main(void)
{
	struct buffer input = {0}, answer = {0};
	struct settings settings = {.version = "1.1.0"};
	const char *command = getenv("CNI_COMMAND");

	if (!command)
		fail(&settings, CNI_BAD_ENVIRONMENT, "CNI_COMMAND is not set",
			"this program is run by a container runtime, see the CNI specification");
	if (!read_all(STDIN_FILENO, &input, MAX_MESSAGE))
		fail(&settings, CNI_IO_FAILURE, "the network configuration cannot be read",
			"stdin: %s", strerror(errno));
	append(&input, "", 0);
	read_settings(&input, &settings);
	if (strcmp(command, "VERSION") == 0)
		return print_versions(&settings);
	// Without this, whoever sends noise would wait for an agent at a socket that nobody named.
	if (!json_is_object(input.bytes, input.length))
		fail(&settings, CNI_UNDECODABLE, "the network configuration is no JSON object",
			"%zu bytes on stdin", input.length);

	struct buffer body = request_body(&input);
	bool patient = strcmp(command, "ADD") == 0 || strcmp(command, "CHECK") == 0;
	bool answered = ask_agent(&settings, &body, &answer, patient ? CONNECT_PATIENCE_MS : 0);

	if (!answered && strcmp(command, "DEL") == 0) {
		lock_queue(&settings);
		answered = ask_agent(&settings, &body, &answer, 0);
		if (!answered)
			return queue_delete(&settings, &body);
	}
	if (!answered)
		fail(&settings,
			strcmp(command, "STATUS") == 0 ? CNI_UNAVAILABLE : CNI_TRY_AGAIN_LATER,
			"the Tsilium agent does not answer",
			"%s: %s (is the agent running on this node?)", settings.socket,
			strerror(errno));
	int status = print_answer(&answer);

	if (status < 0)
		fail(&settings, CNI_AGENT_MISBEHAVED, "the agent's answer makes no sense", "%.80s",
			answer.bytes);
	return status;
}
