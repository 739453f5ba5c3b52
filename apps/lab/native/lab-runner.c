// SPDX-License-Identifier: Apache-2.0
//
// Starts a program where the lab wants it: in a node's network namespace and cgroup (`run`), as a
// container with mount, UTS, IPC and PID namespaces of its own (`run --container`), or inside a
// container that is running (`exec`). Static, so that it costs a pod next to no memory.
//
//   run:              this process becomes the program
//   run --container:  runner (waits, passes signals on, exits with the program's status)
//                       `- init, PID 1 of the container: reaps orphans; `sleep` dies of SIGTERM
//                            `- the program
//   exec:             runner `- the program, with the container's environment; with --tty on a terminal
//                     of its own, whose size is read from --size-fd
//   guard:            waits until its stdin ends, that is until whoever started it does, and kills the cgroup
//
// With --report-fd, "pid N\n" (init's PID as the runner sees it) and, when the program cannot be
// started, "error TEXT\n" are written there; it is closed once the program runs, or with
// --pass-report when the program itself closes it. With --log a container's output goes to that file, line by line
// with its time.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "paths.h"
#include "terminal.h"

enum {
	MAX_BINDS = 64,
	EXIT_NOT_EXECUTABLE = 126, // as a shell has it
	EXIT_NOT_FOUND = 127,
	EXIT_SETUP = 128, // as container runtimes have it: the program never ran
	EXIT_SIGNAL = 128 // plus the signal's number
};

struct options {
	const char *netns;
	const char *cgroup;
	const char *hostname;
	const char *cwd;
	const char *target;
	const char *log;
	const char *overlays[MAX_BINDS]; // "onto=folder": folder has upper/ and work/
	int overlay_count;
	const char *binds[MAX_BINDS]; // "onto=from" or "onto=from:ro"
	int bind_count;
	bool container;
	bool die_with_parent;
	bool pass_report;
	bool tty;
	int size_fd;
	char **command;
};

static int report_fd = -1;
static int life_fd = -1; // open as long as the runner lives: its other end tells when that is over
static volatile sig_atomic_t passed_on_to;

__attribute__((format(printf, 2, 3), noreturn)) static void fail(
	int status, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (report_fd >= 0)
		dprintf(report_fd, "error %s\n", text);
	else
		dprintf(STDERR_FILENO, "tsilium: %s\n", text);
	_exit(status);
}

// A parent may have left signals ignored or blocked and pipes non-blocking (Node does); the program
// expects none of that.
static void take_defaults(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int fd = 0; fd <= 2; fd++) {
		int flags = fcntl(fd, F_GETFL);

		if (flags >= 0 && (flags & O_NONBLOCK))
			fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	}
}

// The kernel kills us when the process that started us ends, however it ends.
static void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void pass_on(int number)
{
	if (passed_on_to > 0)
		kill(passed_on_to, number);
}

static void pass_signals_on(pid_t to)
{
	static const int numbers[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGINT, SIGQUIT};
	// What is typed at a terminal reaches the program directly.
	bool terminal = isatty(STDIN_FILENO);

	passed_on_to = to;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		bool typed = numbers[i] == SIGINT || numbers[i] == SIGQUIT;

		signal(numbers[i], terminal && typed ? SIG_IGN : pass_on);
	}
}

static int status_of(int wait_status)
{
	return WIFSIGNALED(wait_status) ? EXIT_SIGNAL + WTERMSIG(wait_status)
					: WEXITSTATUS(wait_status);
}

// Waits for `child`, reaping whoever else is orphaned onto us, and answers its exit status.
static int wait_for(pid_t child)
{
	for (;;) {
		int status;
		pid_t ended = waitpid(-1, &status, 0);

		if (ended == child)
			return status_of(status);
		if (ended < 0 && errno != EINTR)
			return EXIT_SETUP;
	}
}

static void join_cgroup(const char *folder)
{
	char path[MAX_PATH];

	format_path(path, "%s/cgroup.procs", folder);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		fail(EXIT_SETUP, "cgroup %s: %s", folder, strerror(errno));
	close(fd);
}

static void enter(const char *path, int type)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, type) < 0)
		fail(EXIT_SETUP, "namespace %s: %s", path, strerror(errno));
	close(fd);
}

static void execute(char **command)
{
	execvp(command[0], command);
	int status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;

	fail(status, "cannot start %s: %s", command[0], strerror(errno));
}

static void bind_mount(const char *specification)
{
	char onto[MAX_PATH], from[MAX_PATH];
	bool read_only = split_mount(specification, onto, from);

	if (mount(from, onto, NULL, MS_BIND | MS_REC, NULL) < 0)
		fail(EXIT_SETUP, "mount on %s: %s", onto, strerror(errno));
	if (read_only && mount(NULL, onto, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
		fail(EXIT_SETUP, "mount on %s read-only: %s", onto, strerror(errno));
}

// Puts what the folder's upper/ holds over a folder of the host, for mount points it has not got.
static void overlay_mount(const char *specification)
{
	char onto[MAX_PATH], folder[MAX_PATH], options[MAX_PATH];

	split_mount(specification, onto, folder);
	format_path(options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", onto, folder, folder);
	if (mount("overlay", onto, "overlay", 0, options) < 0)
		fail(EXIT_SETUP, "overlay on %s: %s", onto, strerror(errno));
}

// A copy of a mounted network namespace would keep it alive as long as this container. What is left is
// the empty files that they were mounted on, which `ip` would take for broken namespaces: an empty
// folder covers them.
static void hide_named_namespaces(void)
{
	static const char folder[] = "/run/netns";

	umount2(folder, MNT_DETACH);
	if (mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k") < 0 &&
		errno != ENOENT)
		fail(EXIT_SETUP, "mount on %s: %s", folder, strerror(errno));
}

// The host's file system, with /proc and /sys of the container's own namespaces and the files that
// Kubernetes provides on top.
static void furnish(const struct options *options)
{
	// Slaves: what the host unmounts vanishes here too, what is mounted here stays here.
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		fail(EXIT_SETUP, "mount namespace: %s", strerror(errno));
	hide_named_namespaces();
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		fail(EXIT_SETUP, "mount on /proc: %s", strerror(errno));
	if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL) < 0)
		fail(EXIT_SETUP, "mount on /sys: %s", strerror(errno));
	for (int i = 0; i < options->overlay_count; i++)
		overlay_mount(options->overlays[i]);
	for (int i = 0; i < options->bind_count; i++)
		bind_mount(options->binds[i]);
	if (options->hostname && sethostname(options->hostname, strlen(options->hostname)) < 0)
		fail(EXIT_SETUP, "host name %s: %s", options->hostname, strerror(errno));
}

static void change_folder(const char *folder)
{
	if (folder && chdir(folder) < 0)
		fail(EXIT_SETUP, "folder %s: %s", folder, strerror(errno));
}

__attribute__((noreturn)) static void be_init(const struct options *options)
{
	// The runner's PID is 0 from in here: its death before the next line is seen by the pipe's
	// end.
	die_with_parent();
	furnish(options);
	change_folder(options->cwd);
	pid_t program = fork();

	if (program < 0)
		fail(EXIT_SETUP, "fork: %s", strerror(errno));
	if (program == 0) {
		setsid();
		// A program that says itself when it is ready closes the descriptor then.
		if (options->pass_report)
			fcntl(report_fd, F_SETFD, 0);
		execute(options->command);
	}
	// Before the report is closed: whoever reads its end may send a signal at once, and one without a handler is
	// nothing to PID 1.
	pass_signals_on(program);
	if (report_fd >= 0)
		close(report_fd);
	if (life_fd >= 0)
		close(life_fd);
	_exit(wait_for(program));
}

// Pipes for a container's output: their writing ends, and in the log the reading ones.
static void open_log(struct log *log, const char *path, int ends[STREAMS])
{
	static const char *const names[] = {"stdout", "stderr"};

	log->path = path;
	log->fd = log_open(path);
	if (log->fd < 0)
		fail(EXIT_SETUP, "log %s: %s", path, strerror(errno));
	for (int i = 0; i < STREAMS; i++) {
		int pair[2];

		if (pipe2(pair, O_CLOEXEC) < 0)
			fail(EXIT_SETUP, "log %s: %s", path, strerror(errno));
		log->streams[i].fd = pair[0];
		log->streams[i].name = names[i];
		ends[i] = pair[1];
	}
}

static int run_container(const struct options *options)
{
	static struct log log;
	int ends[STREAMS] = {-1, -1};
	unsigned long namespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC;
	// Signals that come before init is there to take them are kept until then.
	sigset_t all, none;

	if (options->log)
		open_log(&log, options->log, ends);
	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &all, NULL);
	pid_t init = (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, NULL, NULL, NULL, NULL);

	if (init < 0)
		fail(EXIT_SETUP, "namespaces: %s", strerror(errno));
	if (init == 0) {
		sigprocmask(SIG_SETMASK, &none, NULL);
		for (int i = 0; options->log && i < STREAMS; i++)
			dup2(ends[i], STDOUT_FILENO + i);
		be_init(options);
	}
	if (report_fd >= 0) {
		dprintf(report_fd, "pid %d\n", init);
		close(report_fd);
	}
	pass_signals_on(init);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (options->log) {
		for (int i = 0; i < STREAMS; i++)
			close(ends[i]);
		// Init's end closes the last of them: with it the kernel ends all of its namespace.
		log_until_end(&log);
	}
	return wait_for(init);
}

static int run(const struct options *options)
{
	if (options->cgroup)
		join_cgroup(options->cgroup);
	if (options->netns)
		enter(options->netns, CLONE_NEWNET);
	if (options->container)
		return run_container(options);
	change_folder(options->cwd);
	execute(options->command);
	return EXIT_SETUP;
}

// The environment the container's init was started with; TERM stays the caller's.
static void take_environment_of(const char *target)
{
	static char text[1 << 17];
	char path[MAX_PATH];
	const char *term = getenv("TERM");
	ssize_t length = 0;

	format_path(path, "/proc/%s/environ", target);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		length = read_all(fd, text, sizeof(text) - 1);
	if (fd < 0 || length < 0)
		fail(EXIT_SETUP, "container is gone: %s", strerror(errno));
	close(fd);
	clearenv();
	for (char *at = text; at < text + length; at += strlen(at) + 1)
		putenv(at);
	if (term)
		setenv("TERM", term, 1);
}

static int exec_inside(const struct options *options)
{
	static const struct {
		const char *name;
		int type;
	} kinds[] = {{"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}, {"net", CLONE_NEWNET},
		{"pid", CLONE_NEWPID}, {"mnt", CLONE_NEWNS}};
	enum { KINDS = sizeof(kinds) / sizeof(*kinds) };
	int fds[KINDS];
	char path[MAX_PATH], slave[MAX_PATH];
	static struct terminal terminal = {.input = STDIN_FILENO};

	if (options->cgroup)
		join_cgroup(options->cgroup);
	if (options->tty) {
		terminal.sizes = options->size_fd;
		terminal.master = terminal_open(slave);
		if (terminal.master < 0)
			fail(EXIT_SETUP, "terminal: %s", strerror(errno));
	}
	take_environment_of(options->target);
	format_path(path, "/proc/%s/cwd", options->target);
	int folder = open(path, O_PATH | O_CLOEXEC);

	// All are opened before the first is entered: /proc is another one in there.
	for (int i = 0; i < KINDS; i++) {
		format_path(path, "/proc/%s/ns/%s", options->target, kinds[i].name);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			fail(EXIT_SETUP, "container is gone: %s", strerror(errno));
	}
	for (int i = 0; i < KINDS; i++)
		if (setns(fds[i], kinds[i].type) < 0)
			fail(EXIT_SETUP, "%s namespace: %s", kinds[i].name, strerror(errno));
	if (folder >= 0 && fchdir(folder) < 0)
		fail(EXIT_SETUP, "working folder: %s", strerror(errno));
	pid_t program = fork();

	if (program < 0)
		fail(EXIT_SETUP, "container is gone: %s", strerror(errno));
	if (program == 0) {
		die_with_parent();
		if (options->tty && !terminal_take(slave))
			fail(EXIT_SETUP, "terminal: %s", strerror(errno));
		execute(options->command);
	}
	pass_signals_on(program);
	if (options->tty)
		return status_of(terminal_pass(&terminal, program));
	return wait_for(program);
}

static struct options parse(int argc, char **argv)
{
	static const struct option known[] = {{"netns", required_argument, NULL, 'n'},
		{"cgroup", required_argument, NULL, 'g'},
		{"hostname", required_argument, NULL, 'h'}, {"cwd", required_argument, NULL, 'd'},
		{"target", required_argument, NULL, 't'}, {"bind", required_argument, NULL, 'b'},
		{"report-fd", required_argument, NULL, 'r'}, {"container", no_argument, NULL, 'c'},
		{"life-fd", required_argument, NULL, 'l'},
		{"overlay", required_argument, NULL, 'o'}, {"pass-report", no_argument, NULL, 'a'},
		{"log", required_argument, NULL, 'L'}, {"tty", no_argument, NULL, 'T'},
		{"size-fd", required_argument, NULL, 's'},
		{"die-with-parent", no_argument, NULL, 'p'}, {0}};
	struct options options = {.size_fd = -1};

	for (int found; (found = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
		if (found == 'n')
			options.netns = optarg;
		else if (found == 'g')
			options.cgroup = optarg;
		else if (found == 'h')
			options.hostname = optarg;
		else if (found == 'd')
			options.cwd = optarg;
		else if (found == 't')
			options.target = optarg;
		else if (found == 'b' && options.bind_count < MAX_BINDS)
			options.binds[options.bind_count++] = optarg;
		else if (found == 'o' && options.overlay_count < MAX_BINDS)
			options.overlays[options.overlay_count++] = optarg;
		else if (found == 'a')
			options.pass_report = true;
		else if (found == 'r')
			report_fd = atoi(optarg);
		else if (found == 'l')
			life_fd = atoi(optarg);
		else if (found == 'L')
			options.log = optarg;
		else if (found == 'T')
			options.tty = true;
		else if (found == 's')
			options.size_fd = atoi(optarg);
		else if (found == 'c')
			options.container = true;
		else if (found == 'p')
			options.die_with_parent = true;
		else
			fail(EXIT_SETUP, "lab-runner: bad arguments");
	}
	options.command = argv + optind;
	return options;
}

// For what was made to outlive its parent: a lab's proxies outlive agents, but not the lab.
static int guard(const char *cgroup)
{
	char path[MAX_PATH], byte;

	setsid();
	for (;;) {
		ssize_t got = read(STDIN_FILENO, &byte, 1);

		if (got == 0 || (got < 0 && errno != EINTR))
			break;
	}
	format_path(path, "%s/cgroup.kill", cgroup);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	// The lab was taken down: there is nothing to kill.
	if (fd < 0)
		return EXIT_SUCCESS;
	return write(fd, "1", 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		fail(EXIT_SETUP, "usage: lab-runner run|exec|guard [OPTIONS] -- COMMAND...");
	struct options options = parse(argc - 1, argv + 1);

	if (report_fd >= 0)
		fcntl(report_fd, F_SETFD, FD_CLOEXEC);
	if (life_fd >= 0)
		fcntl(life_fd, F_SETFD, FD_CLOEXEC);
	take_defaults();
	if (options.size_fd >= 0)
		fcntl(options.size_fd, F_SETFD, FD_CLOEXEC);
	if (options.die_with_parent)
		die_with_parent();
	if (strcmp(argv[1], "guard") == 0 && options.cgroup)
		return guard(options.cgroup);
	if (!options.command[0])
		fail(EXIT_SETUP, "no command was given");
	if (strcmp(argv[1], "exec") == 0 && options.target)
		return exec_inside(&options);
	if (strcmp(argv[1], "run") == 0)
		return run(&options);
	fail(EXIT_SETUP, "usage: lab-runner run|exec|guard [OPTIONS] -- COMMAND...");
}
