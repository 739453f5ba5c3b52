// SPDX-License-Identifier: Apache-2.0
//
// A container's output as Kubernetes' runtimes keep it (the CRI's log format):
//
//   2026-01-02T03:04:05.000000006Z stdout F a line
//   2026-01-02T03:04:05.000000006Z stderr P the beginning of a line
//
// P: the line goes on in the next entry of its stream, or had no end.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "paths.h"

enum {
	MAX_LINE = 16384,   // as containerd has it
	MAX_LOG = 10 << 20, // then it becomes PATH.1, and a new one begins: the kubelet's default
	STREAMS = 2
};

struct log_stream {
	int fd; // -1 once it has ended
	const char *name;
	size_t length;
	char line[MAX_LINE];
};

struct log {
	const char *path;
	int fd;
	size_t written;
	struct log_stream streams[STREAMS];
};

static inline int log_open(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static inline void log_rotate(struct log *log)
{
	char old[MAX_PATH];

	format_path(old, "%s.1", log->path);
	int fresh = rename(log->path, old) == 0 ? log_open(log->path) : -1;

	// Where that fails, the old one goes on: better too long than lost.
	if (fresh >= 0) {
		close(log->fd);
		log->fd = fresh;
	}
	log->written = 0;
}

static inline void log_entry(
	struct log *log, const struct log_stream *stream, struct iovec text, char tag)
{
	char head[80];
	struct timespec now;
	struct tm parts;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size_t length = strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &parts);

	length += (size_t)snprintf(head + length, sizeof(head) - length, ".%09ldZ %s %c ",
		now.tv_nsec, stream->name, tag);
	struct iovec entry[] = {{head, length}, text, {(char[]){'\n'}, 1}};
	// One call for one entry: who reads sees all of it or nothing. A full disk loses it.
	ssize_t written = writev(log->fd, entry, 3);

	if (written > 0)
		log->written += (size_t)written;
	if (log->written > MAX_LOG)
		log_rotate(log);
}

// Writes what is whole of what was read, and keeps the rest.
static inline void log_lines(struct log *log, struct log_stream *stream)
{
	char *at = stream->line;
	char *end = stream->line + stream->length;

	for (char *newline; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1)
		log_entry(log, stream, (struct iovec){at, (size_t)(newline - at)}, 'F');
	stream->length = (size_t)(end - at);
	if (stream->length == MAX_LINE) {
		log_entry(log, stream, (struct iovec){at, MAX_LINE}, 'P');
		stream->length = 0;
	}
	memmove(stream->line, at, stream->length);
}

static inline void log_read(struct log *log, struct log_stream *stream)
{
	ssize_t got = read(stream->fd, stream->line + stream->length, MAX_LINE - stream->length);

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got > 0) {
		stream->length += (size_t)got;
		return log_lines(log, stream);
	}
	if (stream->length > 0)
		log_entry(log, stream, (struct iovec){stream->line, stream->length}, 'P');
	close(stream->fd);
	stream->fd = -1;
}

// Writes both streams until the last of those that hold their other ends is gone.
static inline void log_until_end(struct log *log)
{
	while (log->streams[0].fd >= 0 || log->streams[1].fd >= 0) {
		struct pollfd polled[STREAMS];

		for (int i = 0; i < STREAMS; i++)
			polled[i] = (struct pollfd){log->streams[i].fd, POLLIN, 0};
		if (poll(polled, STREAMS, -1) < 0 && errno != EINTR)
			return;
		for (int i = 0; i < STREAMS; i++)
			if (polled[i].fd >= 0 && polled[i].revents)
				log_read(log, &log->streams[i]);
	}
}
