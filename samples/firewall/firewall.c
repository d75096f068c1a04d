// SPDX-License-Identifier: GPL-2.0
/* Add, remove and list the rules of firewall.bpf.c in its pinned map. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/bpf_netfilter.h>

#include "firewall.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define DEFAULT_MAP	"/sys/fs/bpf/firewall/rules"

/* <linux/netfilter.h> clashes with <netinet/in.h>. */
enum { NFPROTO_IPV4 = 2, NFPROTO_IPV6 = 10 };

static const char usage[] =
	"Usage: firewall [-m MAP] allow  PROTOCOL ADDRESS PORT [from ADDRESS [PORT]]\n"
	"       firewall [-m MAP] remove PROTOCOL ADDRESS PORT [from ADDRESS [PORT]]\n"
	"       firewall [-m MAP] list\n"
	"\n"
	"PROTOCOL is tcp, udp or sctp. ADDRESS and PORT are the server's. \"from\" limits a\n"
	"rule to one client, or to one port of a client. MAP is the pin of the rules\n"
	"(" DEFAULT_MAP ").\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage.\n";

static const struct {
	const char *name;
	__u8 number;
} protocols[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "sctp", IPPROTO_SCTP },
};

static int wrong(const char *what)
{
	fprintf(stderr, "firewall: %s: see firewall --help\n", what);
	return 2;
}

static int failed(const char *what, const char *object)
{
	fprintf(stderr, "firewall: %s: %s: %s (%d)\n", what, object, strerror(errno),
		errno);
	return 1;
}

static int parse_protocol(const char *text, __u8 *number)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (strcmp(text, protocols[i].name))
			continue;
		*number = protocols[i].number;
		return 0;
	}
	return -1;
}

static int parse_port(const char *text, __be16 *port)
{
	char *end;
	long number;

	number = strtol(text, &end, 10);
	if (end == text || *end || number < 1 || number > 65535)
		return -1;
	*port = htons(number);
	return 0;
}

static int parse_address(const char *text, union bpf_nf_addr *address, __u8 *family)
{
	if (inet_pton(AF_INET, text, address) == 1)
		*family = NFPROTO_IPV4;
	else if (inet_pton(AF_INET6, text, address) == 1)
		*family = NFPROTO_IPV6;
	else
		return -1;
	return 0;
}

/* Returns an error message, or NULL if the rule is valid. */
static const char *parse_rule(char **argv, struct bpf_nf_tuple *rule)
{
	__u8 family;

	if (!argv[0] || parse_protocol(argv[0], &rule->protocol))
		return "not a protocol";
	if (!argv[1] || parse_address(argv[1], &rule->daddr, &rule->family))
		return "not the address of a server";
	if (!argv[2] || parse_port(argv[2], &rule->dport))
		return "not a port from 1 to 65535";
	if (!argv[3])
		return NULL;
	if (strcmp(argv[3], "from"))
		return "only \"from\" may follow a rule";
	if (!argv[4] || parse_address(argv[4], &rule->saddr, &family))
		return "not the address of a client";
	if (family != rule->family)
		return "client and server of different families";
	/* In the map the address 0 means any client. */
	if (!rule->saddr.words[0] && !rule->saddr.words[1])
		return "not a client: leave out \"from\" for any client";
	if (!argv[5])
		return NULL;
	if (parse_port(argv[5], &rule->sport))
		return "not a port from 1 to 65535";
	return argv[6] ? "too many arguments" : NULL;
}

static int allow(int map, char **argv)
{
	struct firewall_rule value = {};
	struct bpf_nf_tuple rule = {};
	const char *error;

	error = parse_rule(argv, &rule);
	if (error)
		return wrong(error);
	/* If the rule exists, keep it with its counters. */
	if (bpf_map_update_elem(map, &rule, &value, BPF_NOEXIST) && errno != EEXIST)
		return failed("allow", argv[1]);
	return 0;
}

static int remove_rule(int map, char **argv)
{
	struct bpf_nf_tuple rule = {};
	const char *error;

	error = parse_rule(argv, &rule);
	if (error)
		return wrong(error);
	if (bpf_map_delete_elem(map, &rule))
		return failed("remove", argv[1]);
	return 0;
}

static void print_end(__u8 family, const union bpf_nf_addr *address, __be16 port)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family == NFPROTO_IPV4 ? AF_INET : AF_INET6, address, text,
		  sizeof(text));
	printf(" %s", text);
	if (port)
		printf(" %u", ntohs(port));
}

static void print_rule(const struct bpf_nf_tuple *rule, const struct firewall_rule *value)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == rule->protocol)
			printf("%s", protocols[i].name);
	print_end(rule->family, &rule->daddr, rule->dport);
	if (rule->saddr.words[0] || rule->saddr.words[1]) {
		printf(" from");
		print_end(rule->family, &rule->saddr, rule->sport);
	}
	printf("  packets %llu bytes %llu\n", value->packets, value->bytes);
}

static int list_rules(int map, char **argv)
{
	struct bpf_nf_tuple rule, *last = NULL;
	struct firewall_rule value;

	if (argv[0])
		return wrong("list: takes no arguments");
	while (!bpf_map_get_next_key(map, last, &rule)) {
		if (!bpf_map_lookup_elem(map, &rule, &value))
			print_rule(&rule, &value);
		last = &rule;
	}
	return errno == ENOENT ? 0 : failed("list", "rules");
}

/* With another map the kernel would read and write beyond our key and value. */
static int open_rules(const char *path)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int map;

	map = bpf_obj_get(path);
	if (map < 0) {
		failed("open", path);
		return -1;
	}
	if (!bpf_map_get_info_by_fd(map, &info, &len) &&
	    info.type == BPF_MAP_TYPE_HASH &&
	    info.key_size == sizeof(struct bpf_nf_tuple) &&
	    info.value_size == sizeof(struct firewall_rule))
		return map;
	fprintf(stderr, "firewall: open: %s: not the map of firewall.bpf.o: give its pin\n",
		path);
	close(map);
	return -1;
}

static const struct {
	const char *name;
	int (*run)(int map, char **argv);
} commands[] = {
	{ "allow", allow },
	{ "remove", remove_rule },
	{ "list", list_rules },
};

int main(int argc, char **argv)
{
	const char *path = DEFAULT_MAP;
	size_t i;
	int map;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	argv++;
	if (argc > 2 && !strcmp(*argv, "-m")) {
		path = argv[1];
		argv += 2;
	}
	if (!*argv)
		return wrong("no command");
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(*argv, commands[i].name))
			continue;
		map = open_rules(path);
		if (map < 0)
			return 1;
		return commands[i].run(map, argv + 1);
	}
	return wrong("no such command");
}
