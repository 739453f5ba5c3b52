// SPDX-License-Identifier: Apache-2.0
//
// Paths and the "onto=from[:ro]" form of a mount; a path that does not fit is an error, never
// cut off.
#pragma once
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PATH = 4096 };

__attribute__((format(printf, 2, 3))) static inline void format_path(
	char path[MAX_PATH], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int length = vsnprintf(path, MAX_PATH, format, args);

	va_end(args);
	if (length >= MAX_PATH) {
		dprintf(STDERR_FILENO, "tsilium: path too long\n");
		_exit(1);
	}
}

// Splits "onto=from" or "onto=from:ro"; answers whether it is read-only.
static inline bool split_mount(const char *text, char onto[MAX_PATH], char from[MAX_PATH])
{
	const char *equals = strchr(text, '=');

	if (!equals) {
		dprintf(STDERR_FILENO, "tsilium: a mount is ONTO=FROM[:ro]: %s\n", text);
		_exit(1);
	}
	format_path(onto, "%.*s", (int)(equals - text), text);
	format_path(from, "%s", equals + 1);
	size_t length = strlen(from);
	bool read_only = length > 3 && strcmp(from + length - 3, ":ro") == 0;

	if (read_only)
		from[length - 3] = '\0';
	return read_only;
}

// Reads to the end of the file or of the room: the bytes read, -1 and errno on failure.
static inline ssize_t read_all(int fd, char *into, size_t room)
{
	size_t length = 0;

	while (length < room) {
		ssize_t got = read(fd, into + length, room - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}
