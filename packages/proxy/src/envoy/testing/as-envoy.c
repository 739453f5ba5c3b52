// A program of its own in front of envoy-peer.ts, as Envoy is one: what adopts a process looks at which program it is.
// Its child ends with it, however that ends.
//   as-envoy ARGUMENTS... runs: NODE PEER ARGUMENTS...
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static void pass_on(int signal)
{
	kill(child, signal);
}

int main(int argc, char **argv)
{
	char **args = calloc((size_t)argc + 2, sizeof(char *));
	if (!args)
		return 1;
	args[0] = NODE;
	args[1] = PEER;
	for (int i = 1; i < argc; i++)
		args[i + 1] = argv[i];
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(NODE, args);
		_exit(127);
	}
	signal(SIGTERM, pass_on);
	int status = 0;
	while (waitpid(child, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
