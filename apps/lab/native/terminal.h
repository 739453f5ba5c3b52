// SPDX-License-Identifier: Apache-2.0
//
// A pseudo-terminal between a program and the pipes of whoever started it: stdin is typed, what is shown goes to stdout,
// and lines "ROWS COLUMNS\n" on a third descriptor are the terminal's size.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "paths.h"

// Answers the master's descriptor and the slave's path, or -1 and errno.
static inline int terminal_open(char slave[MAX_PATH])
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0)
		return -1;
	if (grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, slave, MAX_PATH) != 0)
		return -1;
	fcntl(master, F_SETFL, O_NONBLOCK);
	return master;
}

// Makes the slave this process's controlling terminal, and all three standard descriptors.
static inline bool terminal_take(const char *slave)
{
	setsid();
	int fd = open(slave, O_RDWR);

	if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0)
		return false;
	for (int to = 0; to <= 2; to++)
		if (dup2(fd, to) < 0)
			return false;
	if (fd > 2)
		close(fd);
	return true;
}

struct terminal {
	int master;
	int input; // -1 once it has ended
	int sizes; // -1 once it has ended, or without any
	char typed[4096];
	size_t typed_length;
	char size[64];
	size_t size_length;
};

static inline void terminal_resize(struct terminal *terminal)
{
	ssize_t got = read(terminal->sizes, terminal->size + terminal->size_length,
		sizeof(terminal->size) - 1 - terminal->size_length);

	if (got < 0 && errno == EINTR)
		return;
	if (got <= 0) {
		terminal->sizes = -1;
		return;
	}
	terminal->size_length += (size_t)got;
	terminal->size[terminal->size_length] = '\0';
	char *at = terminal->size;

	for (char *newline; (newline = strchr(at, '\n')); at = newline + 1) {
		struct winsize size = {0};

		if (sscanf(at, "%hu %hu", &size.ws_row, &size.ws_col) == 2)
			ioctl(terminal->master, TIOCSWINSZ, &size);
	}
	terminal->size_length = strlen(at);
	// A line that long is none.
	if (terminal->size_length == sizeof(terminal->size) - 1)
		terminal->size_length = 0;
	memmove(terminal->size, at, terminal->size_length);
}

static inline void terminal_type(struct terminal *terminal)
{
	ssize_t written = write(terminal->master, terminal->typed, terminal->typed_length);

	if (written <= 0)
		return;
	terminal->typed_length -= (size_t)written;
	memmove(terminal->typed, terminal->typed + written, terminal->typed_length);
}

// Passes on what is shown; false when the program's side is closed (EIO) or nobody looks any more.
static inline bool terminal_show(struct terminal *terminal)
{
	char shown[4096];
	ssize_t got = read(terminal->master, shown, sizeof(shown));

	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	for (ssize_t at = 0; at < got;) {
		ssize_t written = write(STDOUT_FILENO, shown + at, (size_t)(got - at));

		if (written < 0 && errno != EINTR)
			return false;
		if (written > 0)
			at += written;
	}
	return got > 0;
}

// Passes both ways until the program has ended and all it showed is passed on: its wait status.
static inline int terminal_pass(struct terminal *terminal, pid_t program)
{
	enum { END_CHECK_MS = 50 };
	int status = 0;
	bool ended = false, open = true;

	for (;;) {
		bool room = terminal->typed_length == 0;
		struct pollfd polled[] = {
			{open ? terminal->master : -1, (short)(POLLIN | (room ? 0 : POLLOUT)), 0},
			{room && !ended ? terminal->input : -1, POLLIN, 0},
			{ended ? -1 : terminal->sizes, POLLIN, 0}};
		int ready = poll(polled, 3, ended ? 0 : END_CHECK_MS);

		if (ready <= 0 && ended)
			return status;
		if (polled[2].revents)
			terminal_resize(terminal);
		if (polled[1].revents) {
			ssize_t got =
				read(terminal->input, terminal->typed, sizeof(terminal->typed));

			if (got > 0)
				terminal->typed_length = (size_t)got;
			else if (got == 0 || errno != EINTR)
				terminal->input = -1;
		}
		if (polled[0].revents & POLLOUT)
			terminal_type(terminal);
		if (polled[0].revents & (POLLIN | POLLHUP | POLLERR))
			open = terminal_show(terminal);
		if (!ended)
			ended = waitpid(program, &status, WNOHANG) == program;
		if (ended && !open)
			return status;
		// The program closed its terminal and goes on: there is nothing to wait for but its end.
		if (!open && !ended) {
			terminal->typed_length = 0;
			usleep(END_CHECK_MS * 1000);
		}
	}
}
