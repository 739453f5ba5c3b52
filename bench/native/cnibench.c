// SPDX-License-Identifier: Apache-2.0
//
// Runs a CNI plugin many times and tells how long each run took, from before fork to the exit being
// seen: what a container runtime waits for.
//
//   cnibench --plugin PATH --command ADD|DEL --config FILE [--parallel N] < attachments
//
// One attachment per line on stdin: CONTAINERID NETNS CNI_ARGS. Prints one line of JSON: count,
// failed, p50Ns, p99Ns, totalNs. What a failing plugin prints goes to stderr.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_RUNS = 4096, FIELD = 256 };

struct run {
	char container[FIELD], netns[FIELD], arguments[FIELD];
	pid_t pid;
	int output;
	uint64_t started_ns, took_ns;
	bool failed;
};

struct options {
	const char *plugin, *command, *config;
	int parallel;
};

static struct run runs[MAX_RUNS];

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "cnibench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int read_runs(void)
{
	int count = 0;

	while (count < MAX_RUNS) {
		struct run *run = &runs[count];

		if (scanf("%255s %255s %255s", run->container, run->netns, run->arguments) != 3)
			break;
		count++;
	}
	return count;
}

static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1))
		fail(name);
}

/* In the child; the plugin's environment is that of the specification and nothing else. */
static _Noreturn void become_plugin(const struct options *options, const struct run *run)
{
	char *arguments[] = {(char *)options->plugin, NULL};
	int config = open(options->config, O_RDONLY | O_CLOEXEC);

	if (config < 0)
		fail(options->config);
	clearenv();
	set("CNI_COMMAND", options->command);
	set("CNI_CONTAINERID", run->container);
	set("CNI_NETNS", run->netns);
	set("CNI_IFNAME", "eth0");
	set("CNI_ARGS", run->arguments);
	set("CNI_PATH", "/opt/cni/bin");
	dup2(config, STDIN_FILENO);
	dup2(run->output, STDOUT_FILENO);
	execv(options->plugin, arguments);
	fail(options->plugin);
}

static void start(const struct options *options, struct run *run)
{
	run->output = memfd_create("output", MFD_CLOEXEC);
	if (run->output < 0)
		fail("memfd");
	run->started_ns = now_ns();
	run->pid = fork();
	if (run->pid < 0)
		fail("fork");
	if (run->pid == 0)
		become_plugin(options, run);
}

static void show_output(const struct run *run)
{
	char text[1024];
	ssize_t size = pread(run->output, text, sizeof(text) - 1, 0);

	text[size > 0 ? size : 0] = 0;
	fprintf(stderr, "%s: %s\n", run->container, text);
}

static void finish_one(int count)
{
	int status;
	pid_t pid = wait(&status);
	uint64_t now = now_ns();

	if (pid < 0)
		fail("wait");
	for (int index = 0; index < count; index++) {
		struct run *run = &runs[index];

		if (run->pid != pid)
			continue;
		run->took_ns = now - run->started_ns;
		run->failed = !WIFEXITED(status) || WEXITSTATUS(status);
		if (run->failed)
			show_output(run);
		close(run->output);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t left = ((const struct run *)a)->took_ns, right = ((const struct run *)b)->took_ns;

	return (left > right) - (left < right);
}

static void report(int count, uint64_t total_ns)
{
	int failed = 0;

	for (int index = 0; index < count; index++)
		failed += runs[index].failed;
	qsort(runs, count, sizeof(runs[0]), compare);
	printf("{\"count\":%d,\"failed\":%d,\"p50Ns\":%lu,\"p99Ns\":%lu,\"totalNs\":%lu}\n", count,
		failed, runs[count / 2].took_ns, runs[count * 99 / 100].took_ns, total_ns);
}

static struct options parse(int argc, char **argv)
{
	struct options options = {.parallel = 1};

	for (int at = 1; at + 1 < argc; at += 2) {
		if (!strcmp(argv[at], "--plugin"))
			options.plugin = argv[at + 1];
		else if (!strcmp(argv[at], "--command"))
			options.command = argv[at + 1];
		else if (!strcmp(argv[at], "--config"))
			options.config = argv[at + 1];
		else if (!strcmp(argv[at], "--parallel"))
			options.parallel = atoi(argv[at + 1]);
	}
	if (!options.plugin || !options.command || !options.config || options.parallel < 1) {
		fprintf(stderr, "usage: cnibench --plugin PATH --command ADD|DEL --config FILE "
				"[--parallel N] < attachments\n");
		exit(2);
	}
	return options;
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	int count = read_runs();
	uint64_t start_ns = now_ns();
	int running = 0;

	if (count == 0) {
		errno = ENODATA;
		fail("attachments on stdin");
	}
	for (int index = 0; index < count; index++) {
		if (running == options.parallel) {
			finish_one(count);
			running--;
		}
		start(&options, &runs[index]);
		running++;
	}
	for (; running > 0; running--)
		finish_one(count);
	report(count, now_ns() - start_ns);
	return 0;
}
