// SPDX-License-Identifier: GPL-2.0-only
/* nf-bpf: the command line. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "nf-bpf.h"

struct options options = {
	.etc = "/etc/nf-bpf",
	.state = "/var/lib/nf-bpf",
	.pins = "/sys/fs/bpf/nf-bpf",
};

static const char usage[] =
	"Usage: nf-bpf [OPTION]... COMMAND NAME\n"
	"\n"
	"Runs the netfilter program that /etc/nf-bpf/NAME.conf describes.\n"
	"\n"
	"  check NAME          read the file, and ask the kernel whether it takes the program\n"
	"  apply NAME          put the file in force\n"
	"  try SECONDS NAME    the same, and go back after SECONDS unless it is confirmed\n"
	"  confirm NAME        keep what is on trial\n"
	"  rollback NAME       go back to the version before\n"
	"  status [NAME]       what is in force, and whether the file differs\n"
	"  remove NAME         detach the program; the next start applies the file again\n"
	"  save NAME [FILE]    write the rules in the maps as text; -: standard output\n"
	"  load NAME [FILE]    put the rules of a text into the maps; -: standard input\n"
	"  start NAME          what the service runs at boot: apply, or fail as on-error says\n"
	"  watch NAME          start the policy whenever its network namespace is made\n"
	"  metrics [FILE]      write figures of links and reassembly for Prometheus\n"
	"\n"
	"  --etc DIR           files of the policies (/etc/nf-bpf)\n"
	"  --state DIR         versions (/var/lib/nf-bpf)\n"
	"  --pins DIR          pins, on a bpffs (/sys/fs/bpf/nf-bpf)\n"
	"  -j, --json          status as JSON\n"
	"  -v, --verbose       all messages of libbpf\n"
	"  -V, --version       version of libbpf\n"
	"  -h, --help          this text\n"
	"\n"
	"Exit status:\n"
	"  0  done; start: also if packets pass without a policy, as on-error = pass says\n"
	"  1  failed: what was in force stays, unless the message says what has changed\n"
	"  2  the command line, or the file of the policy, is wrong\n"
	"  3  status, save, load: the policy is not in force\n"
	"  4  start: failed, and all packets of the hook are dropped\n"
	"  5  try: the file is in force and unchanged, so there is no trial\n"
	"  6  start: the version before is in force, and not the file\n"
	"  7  apply, start: the file is in force, but this could not be recorded\n"
	"\n"
	"'man nf-bpf' has the details, and 'man nf-bpf.conf' the lines of the file.\n";

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	int min;
	int max;
	int name_at;	/* which argument is the name of the policy; max: none */
	const char *arguments;
} commands[] = {
	{ "check",	cmd_check,	1, 1, 0, "NAME" },
	{ "apply",	cmd_apply,	1, 1, 0, "NAME" },
	{ "try",	cmd_try,	2, 2, 1, "SECONDS NAME" },
	{ "confirm",	cmd_confirm,	1, 1, 0, "NAME" },
	{ "rollback",	cmd_rollback,	1, 1, 0, "NAME" },
	{ "status",	cmd_status,	0, 1, 0, "[NAME]" },
	{ "remove",	cmd_remove,	1, 1, 0, "NAME" },
	{ "save",	cmd_save,	1, 2, 0, "NAME [FILE]" },
	{ "load",	cmd_load,	1, 2, 0, "NAME [FILE]" },
	{ "start",	cmd_start,	1, 1, 0, "NAME" },
	{ "watch",	cmd_watch,	1, 1, 0, "NAME" },
	{ "metrics",	cmd_metrics,	0, 1, 1, "[FILE]" },
	{ "guard",	cmd_guard,	3, 3, 0, "NAME VERSION DEADLINE" },	/* not for users */
};

static int __printf(2, 0) print_libbpf(enum libbpf_print_level level, const char *fmt,
				       va_list args)
{
	if (level != LIBBPF_WARN && !options.verbose)
		return 0;

	return vfprintf(stderr, fmt, args);
}

/* Make the path absolute: the guard of a trial runs in another directory. */
static int set_dir(const char **dir, const char *value)
{
	char *cwd, *path;

	if (strlen(value) > 1024) {
		fail("%s: the name is too long", value);
		return EXIT_WRONG;
	}
	if (*value == '/') {
		*dir = value;
		return 0;
	}
	cwd = get_current_dir_name();
	if (!cwd || asprintf(&path, "%s/%s", cwd, value) < 0) {
		fail("%s: %s", value, strerror(errno));
		return EXIT_WRONG;
	}
	free(cwd);
	*dir = path;

	return 0;
}

static int take_option(int opt)
{
	switch (opt) {
	case 'e':
		return set_dir(&options.etc, optarg);
	case 's':
		return set_dir(&options.state, optarg);
	case 'p':
		return set_dir(&options.pins, optarg);
	case 'j':
		options.json = true;
		return 0;
	case 'v':
		options.verbose = true;
		return 0;
	case 'V':
		printf("nf-bpf with libbpf %s\n", libbpf_version_string());
		exit(EXIT_DONE);
	case 'h':
		fputs(usage, stdout);
		exit(EXIT_DONE);
	default:
		return EXIT_WRONG;
	}
}

static int parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "etc",	required_argument,	NULL, 'e' },
		{ "state",	required_argument,	NULL, 's' },
		{ "pins",	required_argument,	NULL, 'p' },
		{ "json",	no_argument,		NULL, 'j' },
		{ "verbose",	no_argument,		NULL, 'v' },
		{ "version",	no_argument,		NULL, 'V' },
		{ "help",	no_argument,		NULL, 'h' },
		{}
	};
	int opt, err = 0;

	while (!err && (opt = getopt_long(argc, argv, "jvVh", longs, NULL)) >= 0)
		err = take_option(opt);
	if (err)
		fputs("Try 'nf-bpf --help'.\n", stderr);

	return err;
}

/* Returns NULL after a message. @argc and @argv are those after the command. */
static const struct command *find_command(const char *name, int argc, char **argv)
{
	const struct command *command = commands;

	while (command < commands + ARRAY_SIZE(commands) && strcmp(command->name, name))
		command++;
	if (command == commands + ARRAY_SIZE(commands)) {
		fail("%s: unknown command: 'nf-bpf --help' lists them", name);
		return NULL;
	}
	if (argc < command->min || argc > command->max) {
		fail("%s: %d argument%s: write 'nf-bpf %s %s'", name, argc, argc == 1 ? "" : "s",
		     name, command->arguments);
		return NULL;
	}
	if (argc > command->name_at && !is_name(argv[command->name_at])) {
		fail("%s: not the name of a policy: it has letters, digits, '_' and '-', at most %d",
		     argv[command->name_at], MAX_POLICY_NAME);
		return NULL;
	}

	return command;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int err;

	err = parse_options(argc, argv);
	if (err)
		return err;
	argc -= optind;
	argv += optind;
	if (!argc) {
		fputs(usage, stderr);
		return EXIT_WRONG;
	}
	if (!strcmp(argv[0], "help")) {
		fputs(usage, stdout);
		return EXIT_DONE;
	}
	command = find_command(argv[0], argc - 1, argv + 1);
	if (!command)
		return EXIT_WRONG;
	libbpf_set_print(print_libbpf);

	return command->run(argc - 1, argv + 1);
}
