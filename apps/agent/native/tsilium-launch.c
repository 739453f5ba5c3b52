// SPDX-License-Identifier: Apache-2.0
//
// Becomes a proxy: in its cgroup before it makes a socket, in a session of its own so that nothing that
// happens to the agent reaches it, with the capabilities that it was given and no way to more.
//
//   tsilium-launch --report-fd N [--cgroup FOLDER] [--uid N --gid N [--capability N]...]
//                  [--pid-file FILE --about JSON] -- PROGRAM ARGUMENT...
//
// What goes wrong is written to the report descriptor, which closes when the program runs. The PID file is
// there before the program is: an agent that dies between the two leaves no proxy that the next one does
// not know of.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	MAX_PATH = 4096,
	MAX_CAPABILITY = 63,
	START_TIME_FIELD = 22, // of /proc/PID/stat
	NO_ID = -1
};

struct options {
	const char *cgroup;
	const char *pid_file;
	const char *about;
	long uid;
	long gid;
	uint64_t capabilities; // bit N: capability N
	char **command;
};

static int report_fd = -1;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(report_fd >= 0 ? report_fd : STDERR_FILENO, "%s\n", text);
	_exit(EXIT_FAILURE);
}

static void join_cgroup(const char *folder)
{
	char path[MAX_PATH];

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		fail("cgroup %s: %s", folder, strerror(errno));
	close(fd);
}

// As many descriptors as the machine allows, and no core file: an engine's memory holds private keys.
static void set_limits(void)
{
	struct rlimit files, core = {0, 0};

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	setrlimit(RLIMIT_CORE, &core);
}

static void set_capabilities(uint64_t wanted)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int half = 0; half < 2; half++) {
		uint32_t bits = (uint32_t)(wanted >> (32 * half));

		data[half] = (struct __user_cap_data_struct){bits, bits, bits};
	}
	if (syscall(SYS_capset, &header, data) < 0)
		fail("capset: %s", strerror(errno));
	for (int number = 0; number <= MAX_CAPABILITY; number++) {
		if (!(wanted >> number & 1))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
			fail("ambient capability %d: %s", number, strerror(errno));
	}
}

// The bounding set first, which takes a capability that the new user has not.
static void become_user(const struct options *options)
{
	for (int number = 0; number <= MAX_CAPABILITY; number++)
		if (!(options->capabilities >> number & 1) &&
			prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1 &&
			prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0)
			fail("bounding set without %d: %s", number, strerror(errno));
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		fail("keepcaps: %s", strerror(errno));
	if (setgroups(0, NULL) < 0 || setresgid(options->gid, options->gid, options->gid) < 0 ||
		setresuid(options->uid, options->uid, options->uid) < 0)
		fail("user %ld, group %ld: %s", options->uid, options->gid, strerror(errno));
	set_capabilities(options->capabilities);
}

// Clock ticks between boot and our start; executing a program does not change it.
static unsigned long long own_start_time(void)
{
	char text[1024];
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (length <= 0)
		fail("/proc/self/stat: %s", strerror(errno));
	close(fd);
	text[length] = 0;
	// The name in parentheses may itself hold spaces and parentheses; field 3 follows it.
	char *at = strrchr(text, ')');

	for (int field = 2; at && field < START_TIME_FIELD; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		fail("/proc/self/stat cannot be read");
	return strtoull(at, NULL, 10);
}

static void write_pid_file(const char *file, const char *about)
{
	char written[MAX_PATH];

	if (snprintf(written, sizeof(written), "%s.%d", file, getpid()) >= (int)sizeof(written))
		fail("PID file %s: its name is too long", file);
	int fd = open(written, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 ||
		dprintf(fd, "{\"pid\":%d,\"startTime\":\"%llu\",\"about\":%s}\n", getpid(),
			own_start_time(), about) < 0 ||
		close(fd) < 0 || rename(written, file) < 0)
		fail("PID file %s: %s", file, strerror(errno));
}

static void take_defaults(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(077);
	if (chdir("/") < 0)
		fail("/: %s", strerror(errno));
}

static long number_of(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (*text == 0 || *end != 0 || number < 0)
		fail("not a number: %s", text);
	return number;
}

static uint64_t capability_bit(const char *text)
{
	long number = number_of(text);

	if (number > MAX_CAPABILITY)
		fail("no such capability: %s", text);
	return 1ull << number;
}

static struct options parse(int argc, char **argv)
{
	static const struct option known[] = {{"report-fd", required_argument, NULL, 'r'},
		{"cgroup", required_argument, NULL, 'c'}, {"uid", required_argument, NULL, 'u'},
		{"gid", required_argument, NULL, 'g'}, {"capability", required_argument, NULL, 'k'},
		{"pid-file", required_argument, NULL, 'p'}, {"about", required_argument, NULL, 'a'},
		{NULL, 0, NULL, 0}};
	struct options options = {.about = "null", .uid = NO_ID, .gid = NO_ID};

	for (int option; (option = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
		switch (option) {
		case 'r':
			report_fd = (int)number_of(optarg);
			break;
		case 'c':
			options.cgroup = optarg;
			break;
		case 'u':
			options.uid = number_of(optarg);
			break;
		case 'g':
			options.gid = number_of(optarg);
			break;
		case 'k':
			options.capabilities |= capability_bit(optarg);
			break;
		case 'p':
			options.pid_file = optarg;
			break;
		case 'a':
			options.about = optarg;
			break;
		default:
			fail("unknown option");
		}
	}
	options.command = argv + optind;
	if (!options.command[0])
		fail("no program");
	if ((options.uid == NO_ID) != (options.gid == NO_ID))
		fail("--uid and --gid go together");
	return options;
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);

	// It closes when the program runs, and is the last of what was given.
	if (report_fd >= 0 && fcntl(report_fd, F_SETFD, FD_CLOEXEC) < 0)
		fail("descriptor %d: %s", report_fd, strerror(errno));
	close_range(report_fd < 0 ? STDERR_FILENO + 1 : report_fd + 1, ~0U, 0);
	take_defaults();
	setsid();
	if (options.cgroup)
		join_cgroup(options.cgroup);
	set_limits();
	if (options.pid_file)
		write_pid_file(options.pid_file, options.about);
	if (options.uid != NO_ID)
		become_user(&options);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("no_new_privs: %s", strerror(errno));
	execvp(options.command[0], options.command);
	fail("cannot start %s: %s", options.command[0], strerror(errno));
}
