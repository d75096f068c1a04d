// SPDX-License-Identifier: GPL-2.0
/* Attach packet_log.bpf.c, and print the packets that it sends or write a pcap file. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf_netfilter.h>

#include "packet_log.h"
#include "packet_log.skel.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* <linux/netfilter.h> clashes with <netinet/in.h>. */
enum { NFPROTO_INET = 1, NFPROTO_IPV4 = 2, NFPROTO_IPV6 = 10 };

enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

enum {
	PAGES_PER_CPU	= 64,
	PCAP_MAGIC_NS	= 0xa1b23c4d,
	LINKTYPE_RAW	= 101,
	NS_PER_S	= 1000000000,
};

struct name {
	const char *name;
	int number;
};

static const struct name hooks[] = {
	{ "prerouting", 0 }, { "input", 1 }, { "forward", 2 }, { "output", 3 },
	{ "postrouting", 4 }, {}
};

static const struct name families[] = {
	{ "inet", NFPROTO_INET }, { "ip", NFPROTO_IPV4 }, { "ip6", NFPROTO_IPV6 }, {}
};

static const struct name protocols[] = {
	{ "icmp", IPPROTO_ICMP }, { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP },
	{ "icmpv6", IPPROTO_ICMPV6 }, { "sctp", IPPROTO_SCTP }, { "dccp", IPPROTO_DCCP },
	{ "udplite", IPPROTO_UDPLITE }, { "gre", IPPROTO_GRE }, { "esp", IPPROTO_ESP }, {}
};

static const char *const parse_errors[] = {
	[BPF_NF_PARSE_CUT] = "cut",
	[BPF_NF_PARSE_CHAIN] = "long header chain",
	[BPF_NF_PARSE_MALFORMED] = "malformed",
};

/* The values of the options. */
static struct {
	int family, hook, priority, every, drop_port, snaplen, count;
	const char *write;
} options = { .family = NFPROTO_INET, .hook = 2, .every = 1, .snaplen = 128 };

static const struct {
	char letter;
	const char *name;
	const char *argument;
	const char *help;
	const struct name *names;	/* if set, the argument is one of these names */
	int *number;			/* where to store the number, */
	int min, max;			/* which is in this range */
	const char **text;		/* if set, the argument is any text */
} option_table[] = {
	{ 'f', "family", "inet|ip|ip6", "which packets (inet: both families)",
	  .names = families, .number = &options.family },
	{ 'H', "hook", "HOOK", "prerouting, input, forward, output, postrouting (forward)",
	  .names = hooks, .number = &options.hook },
	{ 'p', "priority", "NUMBER", "priority among the hooks, lowest first (0)",
	  .number = &options.priority, .min = INT_MIN + 1, .max = INT_MAX - 1 },
	{ 'e', "every", "N", "log one of N packets (1)",
	  .number = &options.every, .min = 1, .max = INT_MAX },
	{ 'd', "drop", "PORT", "drop packets to this port, and log only drops",
	  .number = &options.drop_port, .min = 1, .max = 65535 },
	{ 's', "snaplen", "BYTES", "bytes of each packet that -w writes (128)",
	  .number = &options.snaplen, .min = 1, .max = PACKET_LOG_SNAPLEN_MAX },
	{ 'c', "count", "N", "end after N packets",
	  .number = &options.count, .min = 1, .max = INT_MAX },
	{ 'w', "write", "FILE", "write a pcap file, - for the standard output",
	  .text = &options.write },
	{ .letter = 'h', .name = "help", .help = "print this" },
};

#define N_OPTIONS ARRAY_SIZE(option_table)

static FILE *pcap;
static int logged;
static int write_error;
/* The second link, where a link has one family. */
static struct bpf_link *link_ip6;
/* Difference between the time of day and CLOCK_MONOTONIC, in nanoseconds. */
static long long epoch;

static int failed(const char *what, const char *object, int error)
{
	fprintf(stderr, "packet_log: %s: %s: %s (%d)\n", what, object,
		strerror(error), error);
	return STATUS_FAILED;
}

static int wrong(const char *what, const char *object, const char *reason)
{
	fprintf(stderr, "packet_log: %s: %s: %s: see packet_log --help\n", what, object,
		reason);
	return STATUS_USAGE;
}

static int help(void)
{
	char option[64];
	size_t i;

	printf("Usage: packet_log [OPTION]...\n\n"
	       "Logs packets of this network namespace until it is interrupted. Each packet is\n"
	       "a line or a pcap record.\n\n");
	for (i = 0; i < N_OPTIONS; i++) {
		snprintf(option, sizeof(option), "-%c, --%s %s", option_table[i].letter,
			 option_table[i].name, option_table[i].argument ?: "");
		printf("  %-26s  %s\n", option, option_table[i].help);
	}
	printf("\nExit status: %d interrupted, or -c reached, %d failed, %d usage.\n",
	       STATUS_DONE, STATUS_FAILED, STATUS_USAGE);
	return STATUS_DONE;
}

static const struct name *find_name(const struct name *names, const char *name)
{
	for (; names->name; names++)
		if (!strcmp(names->name, name))
			return names;
	return NULL;
}

static const char *find_number(const struct name *names, int number)
{
	for (; names->name; names++)
		if (names->number == number)
			return names->name;
	return NULL;
}

static int set_number(size_t i, const char *argument)
{
	char reason[64], *end;
	long number;

	errno = 0;
	number = strtol(argument, &end, 10);
	if (errno || end == argument || *end || number < option_table[i].min ||
	    number > option_table[i].max) {
		snprintf(reason, sizeof(reason), "not a number from %d to %d",
			 option_table[i].min, option_table[i].max);
		return wrong(option_table[i].name, argument, reason);
	}
	*option_table[i].number = number;
	return STATUS_DONE;
}

static int set_option(size_t i, const char *argument)
{
	const struct name *name;

	if (option_table[i].text) {
		*option_table[i].text = argument;
		return STATUS_DONE;
	}
	if (!option_table[i].names)
		return set_number(i, argument);
	name = find_name(option_table[i].names, argument);
	if (!name)
		return wrong(option_table[i].name, argument, "no such name");
	*option_table[i].number = name->number;
	return STATUS_DONE;
}

static int parse_options(int argc, char **argv, bool *want_help)
{
	struct option long_options[N_OPTIONS + 1] = {};
	char letters[2 * N_OPTIONS + 2] = ":", *at = letters + 1;
	int letter, status;
	size_t i;

	for (i = 0; i < N_OPTIONS; i++) {
		long_options[i].name = option_table[i].name;
		long_options[i].has_arg = !!option_table[i].argument;
		long_options[i].val = option_table[i].letter;
		*at++ = option_table[i].letter;
		if (option_table[i].argument)
			*at++ = ':';
	}
	while ((letter = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		if (letter == 'h') {
			*want_help = true;
			return STATUS_DONE;
		}
		if (letter == ':')
			return wrong("option", argv[optind - 1], "its argument is missing");
		if (letter == '?')
			return wrong("option", argv[optind - 1], "no such option");
		for (i = 0; option_table[i].letter != letter; i++)
			;
		status = set_option(i, optarg);
		if (status)
			return status;
	}
	if (argv[optind])
		return wrong("argument", argv[optind], "there are only options");
	return STATUS_DONE;
}

static int set_epoch(void)
{
	struct timespec day, monotonic;

	if (clock_gettime(CLOCK_REALTIME, &day) ||
	    clock_gettime(CLOCK_MONOTONIC, &monotonic))
		return failed("clock", "CLOCK_REALTIME", errno);
	epoch = (day.tv_sec - monotonic.tv_sec) * (long long)NS_PER_S +
		day.tv_nsec - monotonic.tv_nsec;
	return STATUS_DONE;
}

static int open_pcap(void)
{
	const struct {
		__u32 magic;
		__u16 major, minor;
		__u32 zone, accuracy, snaplen, linktype;
	} header = {
		.magic = PCAP_MAGIC_NS, .major = 2, .minor = 4,
		.snaplen = options.snaplen, .linktype = LINKTYPE_RAW,
	};

	pcap = strcmp(options.write, "-") ? fopen(options.write, "we") : stdout;
	if (!pcap)
		return failed("open", options.write, errno);
	if (fwrite(&header, sizeof(header), 1, pcap) != 1 || fflush(pcap))
		return failed("write", options.write, errno);
	return STATUS_DONE;
}

static void write_packet(const struct packet_log_event *event)
{
	const long long now = event->time + epoch;
	const __u32 header[] = {
		now / NS_PER_S, now % NS_PER_S, event->captured, event->length,
	};

	fwrite(header, sizeof(header), 1, pcap);
	fwrite(event + 1, event->captured, 1, pcap);
}

static void print_end(const struct packet_log_event *event,
		      const union bpf_nf_addr *address, __be16 port)
{
	const bool ip6 = event->tuple.family == NFPROTO_IPV6;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(ip6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
	if (!event->tuple.sport && !event->tuple.dport)
		printf(" %s", text);
	else
		printf(ip6 ? " [%s]:%u" : " %s:%u", text, ntohs(port));
}

static void print_packet(const struct packet_log_event *event)
{
	const struct bpf_nf_tuple *tuple = &event->tuple;
	const long long now = event->time + epoch;
	const time_t seconds = now / NS_PER_S;
	const char *protocol = find_number(protocols, tuple->protocol);
	char day[32];

	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", localtime(&seconds));
	printf("%s.%06lld %s", day, now % NS_PER_S / 1000, find_number(hooks, event->hook));
	if (tuple->family) {
		printf(tuple->family == NFPROTO_IPV6 ? " ip6" : " ip");
		if (protocol)
			printf(" %s", protocol);
		else
			printf(" protocol %u", tuple->protocol);
		print_end(event, &tuple->saddr, tuple->sport);
		printf(" >");
		print_end(event, &tuple->daddr, tuple->dport);
	}
	printf(" length %u", event->length);
	if (event->parsed < ARRAY_SIZE(parse_errors) && parse_errors[event->parsed])
		printf(" %s", parse_errors[event->parsed]);
	if (event->fragment)
		printf(" fragment");
	printf(event->dropped ? " dropped\n" : "\n");
}

static void take(void *unused, int cpu, void *data, __u32 size)
{
	const struct packet_log_event *event = data;

	(void)unused;
	(void)cpu;
	/* The count was reached earlier in this batch. */
	if (options.count && logged == options.count)
		return;
	if (size < sizeof(*event) || size - sizeof(*event) < event->captured)
		return;
	if (pcap)
		write_packet(event);
	else
		print_packet(event);
	errno = 0;
	if (fflush(pcap ?: stdout) || ferror(pcap ?: stdout))
		write_error = errno ?: EIO;
	logged++;
}

static struct bpf_link *attach_family(struct packet_log *skel, int family)
{
	LIBBPF_OPTS(bpf_netfilter_opts, opts,
		    .pf = family,
		    .hooknum = options.hook,
		    .priority = options.priority,
		    /* A rule on ports needs whole packets; a log wants fragments, too. */
		    .flags = options.drop_port ? BPF_F_NETFILTER_IP_DEFRAG : 0);

	return bpf_program__attach_netfilter(skel->progs.packet_log, &opts);
}

/* Mainline's links have one family, so there it takes two. */
static int attach(struct packet_log *skel)
{
	libbpf_print_fn_t print = NULL;

	if (options.family == NFPROTO_INET)
		print = libbpf_set_print(NULL);
	skel->links.packet_log = attach_family(skel, options.family);
	if (print)
		libbpf_set_print(print);
	if (!skel->links.packet_log && errno == EAFNOSUPPORT && options.family == NFPROTO_INET) {
		skel->links.packet_log = attach_family(skel, NFPROTO_IPV4);
		link_ip6 = attach_family(skel, NFPROTO_IPV6);
		if (!link_ip6)
			return failed("attach", find_number(hooks, options.hook), errno);
	}
	if (!skel->links.packet_log)
		return failed("attach", find_number(hooks, options.hook), errno);
	fprintf(stderr, "packet_log: attached, interrupt to end\n");
	return STATUS_DONE;
}

static int log_until_signal(struct perf_buffer *events, int signals)
{
	struct pollfd fds[] = {
		{ .fd = perf_buffer__epoll_fd(events), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	int err;

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return failed("wait", "events", errno);
		/*
		 * Read the buffers of all CPUs: poll() reports an event only once, and
		 * events before a signal must not be lost.
		 */
		err = perf_buffer__consume(events);
		if (err < 0)
			return failed("read", "events", -err);
		if (write_error)
			return failed("write", options.write ?: "standard output",
				      write_error);
		if (fds[1].revents || (options.count && logged == options.count))
			return STATUS_DONE;
	}
}

/* Patched kernels have a helper, and others a function in this module. */
static bool can_output(void)
{
	return !access("/sys/kernel/btf/nf_bpf_packet", F_OK) ||
	       libbpf_probe_bpf_helper(BPF_PROG_TYPE_NETFILTER, BPF_FUNC_perf_event_output,
				       NULL) == 1;
}

static int run(struct packet_log *skel, int signals)
{
	struct perf_buffer *events;
	int status;

	if (!can_output()) {
		fprintf(stderr, "packet_log: load: program: no samples: modprobe nf_bpf_packet\n");
		return STATUS_FAILED;
	}
	skel->bss->snaplen = options.snaplen;
	skel->bss->every = options.every;
	skel->bss->drop_port = htons(options.drop_port);
	if (packet_log__load(skel))
		return failed("load", "program", errno);
	events = perf_buffer__new(bpf_map__fd(skel->maps.events), PAGES_PER_CPU, take,
				  NULL, NULL, NULL);
	if (!events)
		return failed("create", "events", errno);
	status = attach(skel);
	if (!status)
		status = log_until_signal(events, signals);
	perf_buffer__free(events);
	bpf_link__destroy(link_ip6);
	if (skel->bss->lost)
		fprintf(stderr, "packet_log: events: %llu lost: log fewer, or less of each\n",
			skel->bss->lost);
	return status;
}

int main(int argc, char **argv)
{
	bool want_help = false;
	struct packet_log *skel;
	sigset_t signals;
	int status, fd;

	status = parse_options(argc, argv, &want_help);
	if (status)
		return status;
	if (want_help)
		return help();
	status = set_epoch();
	if (!status && options.write)
		status = open_pcap();
	if (status)
		return status;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	/* If the reader of the output has ended, let the write fail, and report the error. */
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (fd < 0)
		return failed("signalfd", "SIGINT", errno);

	skel = packet_log__open();
	if (!skel)
		return failed("open", "program", errno);
	status = run(skel, fd);
	packet_log__destroy(skel);
	return status;
}
