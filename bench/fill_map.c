// SPDX-License-Identifier: GPL-2.0
/* Puts lines of stdin into a pinned map: "saddr daddr sport dport", UDP flows,
 * into a hash, "prefix/length" into an LPM trie.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

struct flow {
	struct in_addr saddr;
	struct in_addr daddr;
	__be16 sport;
	__be16 dport;
	__u32 protocol;
};

struct prefix {
	__u32 length;
	struct in_addr addr;
};

union key {
	struct flow flow;
	struct prefix prefix;
};

static int read_flow(const char *line, union key *key)
{
	unsigned short sport, dport;
	char saddr[16], daddr[16];

	if (sscanf(line, "%15s %15s %hu %hu", saddr, daddr, &sport, &dport) != 4 ||
	    inet_pton(AF_INET, saddr, &key->flow.saddr) != 1 ||
	    inet_pton(AF_INET, daddr, &key->flow.daddr) != 1)
		return -EINVAL;
	key->flow.sport = htons(sport);
	key->flow.dport = htons(dport);
	key->flow.protocol = IPPROTO_UDP;
	return 0;
}

static int read_prefix(const char *line, union key *key)
{
	char addr[16];

	if (sscanf(line, "%15[0-9.]/%u", addr, &key->prefix.length) != 2 ||
	    inet_pton(AF_INET, addr, &key->prefix.addr) != 1)
		return -EINVAL;
	return 0;
}

static int fill(const char *path)
{
	struct bpf_map_info info = {};
	__u32 value = 1, len = sizeof(info);
	union key key;
	char line[128];
	int fd, err;

	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	err = bpf_map_get_info_by_fd(fd, &info, &len);
	while (!err && fgets(line, sizeof(line), stdin)) {
		memset(&key, 0, sizeof(key));
		err = info.type == BPF_MAP_TYPE_LPM_TRIE ?
		      read_prefix(line, &key) : read_flow(line, &key);
		err = err ?: bpf_map_update_elem(fd, &key, &value, BPF_NOEXIST);
	}
	return err;
}

int main(int argc, char **argv)
{
	int err;

	if (argc != 2) {
		fprintf(stderr, "Usage: fill_map PIN < LINES\n");
		return 2;
	}
	err = fill(argv[1]);
	if (err)
		fprintf(stderr, "fill_map: %s: %s\n", argv[1], strerror(-err));
	return !!err;
}
