// SPDX-License-Identifier: GPL-2.0-only
/* The configuration of a policy: nf-bpf.conf(5). libinih reads the lines. */
#define _GNU_SOURCE
#include <ini.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <linux/bpf_nf.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

#include "nf-bpf.h"
#include "nf_util.h"

#define KEYS "object, source, include, program, hook, family, priority, before, after, fragments, cookie, netns, keep, rules and on-error"

static const struct libbpf_nf_name fragment_names[] = {
	{ "strict",	FRAGMENTS_STRICT },
	{ "reassemble",	FRAGMENTS_REASSEMBLE },
	{ "track",	FRAGMENTS_TRACK },
	{ "pass",	FRAGMENTS_PASS },
	{}
};

static const struct libbpf_nf_name on_error_names[] = {
	{ "drop",	ON_ERROR_DROP },
	{ "stop",	ON_ERROR_STOP },
	{ "pass",	ON_ERROR_PASS },
	{}
};

struct parser {
	struct conf *conf;
	const char *file;
	const char *text;	/* the lines that are not read yet */
	const char *end;
	int line;
	int errors;
	unsigned int seen;	/* bits of keys[] */
	bool has_hook;		/* with a valid value */
	bool has_two_places;	/* "hook" or "netns" is there twice */
	bool may_hide_netns;	/* a line with an error may be the one with "netns" */
};

static int __printf(2, 3) wrong(struct parser *parser, const char *fmt, ...)
{
	char what[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	fail("%s:%d: %s", parser->file, parser->line, what);
	parser->errors++;

	/* 1 makes libinih continue, so that one call names all errors of a file. */
	return 1;
}

static int set_string(char **member, const char *value)
{
	free(*member);
	*member = strdup(value);

	return 1;
}

static int set_path(struct parser *parser, const char *key, char **member, const char *value)
{
	if (*value != '/')
		return wrong(parser, "%s = %s: not an absolute path: begin it with '/'", key, value);

	return set_string(member, value);
}

static int set_name(struct parser *parser, const char *key, const struct libbpf_nf_name *table,
		    int *member, const char *value)
{
	char names[LIBBPF_NF_NAMES_LEN];

	if (!libbpf_nf_value_of(table, value, member))
		return wrong(parser, "%s = %s: unknown value: take %s", key, value,
			     libbpf_nf_list_names(table, names));

	return 1;
}

static int set_hook(struct parser *parser, const char *value)
{
	int *hook = &parser->conf->hook;

	parser->has_hook = libbpf_nf_value_of(libbpf_nf_hook_aliases, value, hook) ||
			   libbpf_nf_value_of(libbpf_nf_hooks, value, hook);

	return parser->has_hook ? 1 : set_name(parser, "hook", libbpf_nf_hooks, hook, value);
}

static int set_priority(struct parser *parser, const char *value)
{
	if (libbpf_nf_parse_priority(value, &parser->conf->priority))
		return wrong(parser, "priority = %s: not a priority: take a number, or one of raw, mangle, dstnat, filter, security and srcnat with an optional +NUM or -NUM",
			     value);

	return 1;
}

static int set_cookie(struct parser *parser, const char *value)
{
	if (parse_number(value, &parser->conf->cookie))
		return wrong(parser, "cookie = %s: not a number: take one from 0 to %llu, decimal, or hexadecimal after 0x",
			     value, ULLONG_MAX);

	return 1;
}

enum key {
	KEY_OBJECT, KEY_SOURCE, KEY_INCLUDE, KEY_PROGRAM, KEY_HOOK, KEY_FAMILY,
	KEY_PRIORITY, KEY_BEFORE, KEY_AFTER, KEY_FRAGMENTS, KEY_COOKIE, KEY_NETNS,
	KEY_KEEP, KEY_RULES, KEY_ON_ERROR, NR_KEYS,
};

static const char * const keys[NR_KEYS] = {
	[KEY_OBJECT] = "object", [KEY_SOURCE] = "source", [KEY_INCLUDE] = "include",
	[KEY_PROGRAM] = "program", [KEY_HOOK] = "hook", [KEY_FAMILY] = "family",
	[KEY_PRIORITY] = "priority", [KEY_BEFORE] = "before", [KEY_AFTER] = "after",
	[KEY_FRAGMENTS] = "fragments", [KEY_COOKIE] = "cookie", [KEY_NETNS] = "netns",
	[KEY_KEEP] = "keep", [KEY_RULES] = "rules", [KEY_ON_ERROR] = "on-error",
};

static bool is_word(struct parser *parser, enum key key, const char *word)
{
	if (key == KEY_INCLUDE && *word != '/') {
		wrong(parser, "include = %s: not an absolute path: begin it with '/'", word);
		return false;
	}
	if (key == KEY_KEEP && strchr(word, '.')) {
		wrong(parser, "keep = %s: variables of the program can't be kept: put them into a map",
		      word);
		return false;
	}

	return true;
}

static int add_words(struct parser *parser, enum key key, char **list, const char *value)
{
	char *copy = strdup(value), *rest = copy, *word;
	int i;

	while (copy && (word = strsep(&rest, " \t,"))) {
		if (!*word)
			continue;
		if (!is_word(parser, key, word))
			break;
		for (i = 0; i < MAX_LIST - 1 && list[i]; i++)
			;
		if (list[i] || i == MAX_LIST - 1) {
			wrong(parser, "%s: more than %d words", keys[key], MAX_LIST - 1);
			break;
		}
		list[i] = strdup(word);
	}
	free(copy);

	return 1;
}

static int set_key(struct parser *parser, enum key key, const char *value)
{
	struct conf *conf = parser->conf;

	switch (key) {
	case KEY_OBJECT:
		return set_path(parser, "object", &conf->object, value);
	case KEY_SOURCE:
		return set_path(parser, "source", &conf->source, value);
	case KEY_INCLUDE:
		return add_words(parser, key, conf->include, value);
	case KEY_PROGRAM:
		return set_string(&conf->program, value);
	case KEY_HOOK:
		return set_hook(parser, value);
	case KEY_FAMILY:
		return set_name(parser, "family", libbpf_nf_families, &conf->pf, value);
	case KEY_PRIORITY:
		return set_priority(parser, value);
	case KEY_BEFORE:
		return set_string(&conf->before, value);
	case KEY_AFTER:
		return set_string(&conf->after, value);
	case KEY_FRAGMENTS:
		return set_name(parser, "fragments", fragment_names, (int *)&conf->fragments, value);
	case KEY_COOKIE:
		return set_cookie(parser, value);
	case KEY_NETNS:
		return set_string(&conf->netns, value);
	case KEY_KEEP:
		return add_words(parser, key, conf->keep, value);
	case KEY_RULES:
		return set_path(parser, "rules", &conf->rules, value);
	case KEY_ON_ERROR:
		return set_name(parser, "on-error", on_error_names, (int *)&conf->on_error, value);
	default:
		return 1;
	}
}

static int policy_line(struct parser *parser, const char *name, const char *value)
{
	bool is_list;
	int key;

	for (key = 0; key < NR_KEYS && strcmp(keys[key], name); key++)
		;
	if (key == NR_KEYS) {
		/* It may be a misspelled "netns". */
		parser->may_hide_netns = true;
		return wrong(parser, "%s: unknown key: the keys are " KEYS, name);
	}
	is_list = key == KEY_INCLUDE || key == KEY_KEEP;
	if (parser->seen & 1U << key && !is_list) {
		parser->has_two_places |= key == KEY_HOOK || key == KEY_NETNS;
		return wrong(parser, "%s: given twice: remove one of the two lines", name);
	}
	parser->seen |= 1U << key;
	if (!*value) {
		parser->may_hide_netns |= key == KEY_NETNS;
		return wrong(parser, "%s: no value: remove the line, or write %s = VALUE", name, name);
	}

	return set_key(parser, key, value);
}

static int limit_line(struct parser *parser, const char *name, const char *value)
{
	struct limit *limit = parser->conf->limits;
	__u64 number;

	while (limit < parser->conf->limits + MAX_LIST && limit->map && strcmp(limit->map, name))
		limit++;
	if (limit == parser->conf->limits + MAX_LIST)
		return wrong(parser, "%s: more than %d limits", name, MAX_LIST);
	if (limit->map)
		return wrong(parser, "%s: given twice: remove one of the two lines", name);
	if (parse_number(value, &number) || !number || number > __UINT32_MAX__)
		return wrong(parser, "%s = %s: not a number of entries: take one from 1 to 4294967295",
			     name, value);
	limit->map = strdup(name);
	limit->entries = number;

	return 1;
}

static int line(void *arg, const char *section, const char *name, const char *value)
{
	struct parser *parser = arg;

	if (!strcmp(section, "policy"))
		return policy_line(parser, name, value);
	parser->may_hide_netns |= !strcmp(name, "netns");
	if (!strcmp(section, "limits"))
		return limit_line(parser, name, value);
	if (!*section)
		return wrong(parser, "%s: before any section: write [policy] above it", name);

	return wrong(parser, "[%s]: unknown section: there are [policy] and [limits]", section);
}

/* libinih passes no line numbers: count the lines that it reads. */
static char *next_line(char *buf, int size, void *arg)
{
	struct parser *parser = arg;
	const char *end;
	int len;

	if (parser->text == parser->end)
		return NULL;
	parser->line++;
	/* If a line begins with a blank, libinih would append it to the value before it. */
	parser->text += strspn(parser->text, " \t");
	end = memchr(parser->text, '\n', parser->end - parser->text) ?: parser->end;
	len = end - parser->text;
	if (memchr(parser->text, 0, len)) {
		/* After a power failure, the rest of a file can be zeros. */
		parser->may_hide_netns = true;
		wrong(parser, "a byte of the line is 0: it is not text: write the line again");
		len = 0;
	} else if (len > size - 2) {
		parser->may_hide_netns |= !strchr("#;", *parser->text);
		wrong(parser, "line too long: it has %d bytes, at most %d are possible", len, size - 2);
		len = 0;
	}
	snprintf(buf, size, "%.*s\n", len, parser->text);
	parser->text = end + (end < parser->end);

	return buf;
}

static void check_whole(struct parser *parser)
{
	struct conf *conf = parser->conf;

	parser->line = parser->line ?: 1;
	if (!(parser->seen & 1U << KEY_HOOK))
		wrong(parser, "the file has no hook: add 'hook = forward' or another hook to [policy]");
	if (!conf->object && !conf->source)
		wrong(parser, "the file has no program: add 'object = FILE' to [policy]");
	if (conf->object && conf->source)
		wrong(parser, "object and source: the policy has two programs: remove one of the two lines");
	if (!!conf->before + !!conf->after + !!(parser->seen & 1U << KEY_PRIORITY) > 1)
		wrong(parser, "priority, before and after: more than one place: keep one of these lines");
}

int conf_parse(struct conf *conf, const char *file, const struct blob *text)
{
	struct parser parser = {
		.conf = conf, .file = file, .text = text->data, .end = text->data + text->len,
	};
	int err;

	*conf = (struct conf){
		.pf = NFPROTO_INET,
		.hook = NF_INET_FORWARD,
		.priority = NF_IP_PRI_FILTER,
		.on_error = ON_ERROR_DEFAULT,
	};
	err = ini_parse_stream(next_line, &parser, line, &parser);
	if (err > 0) {
		parser.line = err;
		parser.may_hide_netns = true;
		wrong(&parser, "not a line of the form 'key = value', '[section]' or '# comment'");
	}
	check_whole(&parser);
	if (conf->on_error == ON_ERROR_DEFAULT)
		conf->on_error = conf->hook == NF_INET_FORWARD ? ON_ERROR_DROP : ON_ERROR_STOP;
	conf->has_place = !parser.errors ||
			  (parser.has_hook && !parser.has_two_places &&
			   (conf->netns || !parser.may_hide_netns));

	return parser.errors ? -1 : 0;
}

void conf_free(struct conf *conf)
{
	int i;

	free(conf->object);
	free(conf->source);
	free(conf->program);
	free(conf->netns);
	free(conf->rules);
	free(conf->before);
	free(conf->after);
	for (i = 0; i < MAX_LIST; i++) {
		free(conf->keep[i]);
		free(conf->include[i]);
		free(conf->limits[i].map);
	}
	*conf = (struct conf){};
}

const char *conf_fragments(const struct conf *conf)
{
	return libbpf_nf_name_of(fragment_names, conf->fragments);
}

const char *conf_on_error(const struct conf *conf)
{
	return libbpf_nf_name_of(on_error_names, conf->on_error);
}

__u32 conf_flags(const struct conf *conf)
{
	switch (conf->fragments) {
	case FRAGMENTS_STRICT:
		return BPF_F_NETFILTER_IP_DEFRAG | BPF_F_NETFILTER_DEFRAG_STRICT;
	case FRAGMENTS_REASSEMBLE:
		return BPF_F_NETFILTER_IP_DEFRAG;
	case FRAGMENTS_TRACK:
		return BPF_F_NETFILTER_FRAG_TRACK;
	default:
		return 0;
	}
}

const char *conf_key(int index)
{
	if (index == NR_KEYS)
		return "limits";

	return index < NR_KEYS ? keys[index] : NULL;
}

static void join(char * const *list, char *buf, size_t size)
{
	size_t len = 0;
	int i;

	*buf = '\0';
	for (i = 0; i < MAX_LIST && list[i] && len < size; i++)
		len += snprintf(buf + len, size - len, "%s%s", i ? " " : "", list[i]);
}

static void join_limits(const struct conf *conf, char *buf, size_t size)
{
	const struct limit *limit = conf->limits;
	size_t len = 0;

	*buf = '\0';
	for (; limit < conf->limits + MAX_LIST && limit->map && len < size; limit++)
		len += snprintf(buf + len, size - len, "%s%s=%u", len ? " " : "", limit->map,
				limit->entries);
}

void conf_value(const struct conf *conf, int index, char *buf, size_t size)
{
	const char *text[NR_KEYS] = {
		[KEY_OBJECT] = conf->object, [KEY_SOURCE] = conf->source,
		[KEY_PROGRAM] = conf->program, [KEY_BEFORE] = conf->before,
		[KEY_AFTER] = conf->after, [KEY_NETNS] = conf->netns, [KEY_RULES] = conf->rules,
		[KEY_HOOK] = libbpf_nf_name_of(libbpf_nf_hooks, conf->hook),
		[KEY_FAMILY] = libbpf_nf_name_of(libbpf_nf_families, conf->pf),
		[KEY_FRAGMENTS] = conf_fragments(conf),
		[KEY_ON_ERROR] = conf_on_error(conf),
	};

	switch (index) {
	case KEY_KEEP:
		join(conf->keep, buf, size);
		break;
	case KEY_INCLUDE:
		join(conf->include, buf, size);
		break;
	case KEY_PRIORITY:
		snprintf(buf, size, "%d", conf->priority);
		break;
	case KEY_COOKIE:
		snprintf(buf, size, "%llu", conf->cookie);
		break;
	case NR_KEYS:
		join_limits(conf, buf, size);
		break;
	default:
		snprintf(buf, size, "%s", text[index] ?: "");
	}
}
