// SPDX-License-Identifier: GPL-2.0
/* Put lines of stdin into a pinned map. A line for a hash is a flow, "protocol saddr daddr
 * sport dport". A line for an LPM trie is "prefix/length". The map has one family.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

/* The end of a key of policy.bpf.c, which begins with addresses of either family. */
struct ports {
	__be16 sport;
	__be16 dport;
	__u32 protocol;
};

struct map {
	int fd;
	__u32 type;
	__u32 key_size;
	int family;
	size_t addr_len;
};

static int read_flow(const struct map *map, const char *line, unsigned char *key)
{
	char protocol[4], saddr[INET6_ADDRSTRLEN], daddr[INET6_ADDRSTRLEN];
	unsigned short sport, dport;
	struct ports ports;

	if (sscanf(line, "%3s %45s %45s %hu %hu", protocol, saddr, daddr, &sport,
		   &dport) != 5 ||
	    inet_pton(map->family, saddr, key) != 1 ||
	    inet_pton(map->family, daddr, key + map->addr_len) != 1)
		return -EINVAL;
	ports.sport = htons(sport);
	ports.dport = htons(dport);
	ports.protocol = strcmp(protocol, "tcp") ? IPPROTO_UDP : IPPROTO_TCP;
	memcpy(key + 2 * map->addr_len, &ports, sizeof(ports));
	return 0;
}

static int read_prefix(const struct map *map, const char *line, unsigned char *key)
{
	char addr[INET6_ADDRSTRLEN];
	__u32 length;

	if (sscanf(line, "%45[^/]/%u", addr, &length) != 2 ||
	    inet_pton(map->family, addr, key + sizeof(length)) != 1)
		return -EINVAL;
	memcpy(key, &length, sizeof(length));
	return 0;
}

static int open_map(struct map *map, const char *path)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	size_t other;
	int err;

	map->fd = bpf_obj_get(path);
	if (map->fd < 0)
		return map->fd;
	err = bpf_map_get_info_by_fd(map->fd, &info, &len);
	if (err)
		return err;
	map->type = info.type;
	map->key_size = info.key_size;
	other = info.type == BPF_MAP_TYPE_LPM_TRIE ? sizeof(__u32) : sizeof(struct ports);
	map->addr_len = (info.key_size - other) /
			(info.type == BPF_MAP_TYPE_LPM_TRIE ? 1 : 2);
	map->family = map->addr_len == sizeof(struct in6_addr) ? AF_INET6 : AF_INET;
	return 0;
}

static int fill(const char *path)
{
	unsigned char key[64];
	struct map map = {};
	char line[128];
	__u32 value = 1;
	int err;

	err = open_map(&map, path);
	while (!err && fgets(line, sizeof(line), stdin)) {
		memset(key, 0, sizeof(key));
		err = map.type == BPF_MAP_TYPE_LPM_TRIE ? read_prefix(&map, line, key) :
							  read_flow(&map, line, key);
		err = err ?: bpf_map_update_elem(map.fd, key, &value, BPF_NOEXIST);
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
