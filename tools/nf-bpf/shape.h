/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keys and values of maps as text. Their members are found in BTF. The types and names of the
 * members say which of them are addresses, ports and protocols: see RULES in nf-bpf(8).
 */
#ifndef NF_BPF_SHAPE_H
#define NF_BPF_SHAPE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>

#define MAX_MEMBERS 64
#define MAX_SIZE 1024		/* of a key or value, in bytes */
#define MAX_EXPANDED 65536	/* keys of one line with ranges */

enum kind {
	KIND_INT,
	KIND_SIGNED,
	KIND_IP,		/* 4 bytes */
	KIND_IP6,		/* 16 bytes */
	KIND_ADDRESS,		/* 16 bytes, of the key's family: IPv4 in the first four */
	KIND_PORT,		/* network byte order */
	KIND_HOST_PORT,
	KIND_PROTOCOL,
	KIND_TEXT,		/* an array of char, such as the name of a device */
	KIND_BYTES,
};

struct member {
	char name[96];
	unsigned int offset;
	unsigned int size;
	enum kind kind;
	int last;		/* the member with the end of this range, or -1 */
	bool is_last;		/* this member is the end of a range */
};

struct shape {
	struct member members[MAX_MEMBERS];
	int count;
	unsigned int size;
	bool is_trie;		/* key of an LPM trie */
	bool is_lpm;		/* its first member is its length in bits */
	bool is_prefix;		/* the rest of this key is an address */
	bool is_bare;		/* one value without a name */
	int network;		/* last member of an LPM key, if it is an address, or -1 */
	int family;		/* member with the family of addresses, or -1 */
};

/* A member whose text was a range: the key is repeated for each value. */
struct span {
	const struct member *member;
	unsigned int length;	/* of an address: number of bytes that are used */
	bool is_network;	/* it has set the length of an LPM key */
	bool has_host_bits;	/* the text has set bits after its prefix; they are 0 now */
	__u64 count;
};

struct btf;

/* Returns 0, or -1 if values of the type cannot be written as text. */
int shape_of(struct shape *shape, const struct btf *btf, __u32 type, unsigned int size,
	     bool is_lpm);
void shape_print(FILE *out, const struct shape *shape, const unsigned char *data);
/* Parse the words of @text into @data. @spans has room for MAX_MEMBERS. Returns the number
 * of ranges, or -1 with a message in @error. If @error is not empty with a number of ranges,
 * the text is valid, but probably a mistake.
 */
int shape_parse(const struct shape *shape, char *text, unsigned char *data, struct span *spans,
		char *error, size_t error_size);
/* Clear the bits after the length of an LPM key: they do not count. Returns whether any was set. */
bool shape_mask(const struct shape *shape, unsigned char *key);
/* Set the member to value number @index of the range. */
void span_set(const struct span *span, const unsigned char *first, unsigned char *data,
	      __u64 index);

#endif
