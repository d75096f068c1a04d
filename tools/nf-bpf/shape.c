// SPDX-License-Identifier: GPL-2.0-only
/* Keys and values of maps as text. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <netdb.h>
#include <string.h>
#include <linux/netfilter.h>

#include <bpf/btf.h>

#include "nf-bpf.h"
#include "shape.h"

static const char * const protocol_names[] = {
	"proto", "protocol", "l4proto", "l4_proto", "ip_proto", "nexthdr",
};

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len >= end_len && !strcmp(name + len - end_len, end);
}

static const char *last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

static bool is_address_name(const char *name)
{
	name = last_part(name);

	return ends_with(name, "addr") || ends_with(name, "address") || !strcmp(name, "ip") ||
	       !strcmp(name, "ip6") || ends_with(name, "_ip") || ends_with(name, "_ip6");
}

static bool is_protocol_name(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(protocol_names) / sizeof(*protocol_names); i++) {
		if (!strcmp(last_part(name), protocol_names[i]))
			return true;
	}

	return false;
}

/* Find the type behind typedefs, and note whether one of them is __be16 or __be32. */
static const struct btf_type *strip(const struct btf *btf, __u32 id, bool *be16, bool *be32)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const char *name;

	*be16 = false;
	*be32 = false;
	while (type && (btf_is_mod(type) || btf_is_typedef(type))) {
		name = btf__name_by_offset(btf, type->name_off);
		*be16 |= !strcmp(name, "__be16");
		*be32 |= !strcmp(name, "__be32");
		type = btf__type_by_id(btf, type->type);
	}

	return type;
}

static enum kind kind_of_number(const struct btf_type *type, const char *name, unsigned int size,
				bool be16, bool be32)
{
	if (be16)
		return KIND_PORT;
	if (be32 || (size == 4 && is_address_name(name)))
		return KIND_IP;
	if (size == 2 && ends_with(last_part(name), "port"))
		return KIND_HOST_PORT;
	if (size == 1 && is_protocol_name(name))
		return KIND_PROTOCOL;
	if (btf_is_int(type) && btf_int_encoding(type) & BTF_INT_SIGNED)
		return KIND_SIGNED;

	return KIND_INT;
}

/* Numbers are of type __u8 or "unsigned char": a plain char is a letter. */
static bool is_text(const struct btf *btf, const struct btf_type *type)
{
	bool be16, be32;

	if (!btf_is_array(type))
		return false;
	type = strip(btf, btf_array(type)->type, &be16, &be32);

	return type && btf_is_int(type) && !strcmp(btf__name_by_offset(btf, type->name_off), "char");
}

/* Returns false for a struct whose members have to be looked at one by one. */
static bool kind_of(const struct btf *btf, const struct btf_type *type, const char *name,
		    unsigned int size, bool be16, bool be32, enum kind *kind)
{
	const char *type_name = btf__name_by_offset(btf, type->name_off);

	if (btf_is_int(type) || btf_is_any_enum(type)) {
		*kind = size > 8 ? KIND_BYTES : kind_of_number(type, name, size, be16, be32);
		return true;
	}
	*kind = KIND_BYTES;
	if (btf_is_composite(type) && !strcmp(type_name, "in6_addr"))
		*kind = KIND_IP6;
	else if (size == 16 && (is_address_name(name) || ends_with(type_name, "addr")))
		*kind = KIND_ADDRESS;
	else if (size == 4 && is_address_name(name))
		*kind = KIND_IP;
	else if (is_text(btf, type))
		*kind = KIND_TEXT;

	return *kind != KIND_BYTES || !btf_is_struct(type);
}

static int add(struct shape *shape, const struct btf *btf, __u32 id, const char *name,
	       unsigned int offset);

static int add_members(struct shape *shape, const struct btf *btf, const struct btf_type *type,
		       const char *name, unsigned int offset)
{
	const struct btf_member *member = btf_members(type);
	char full[96];
	int i;

	for (i = 0; i < btf_vlen(type); i++, member++) {
		/* Bit fields and padding have no text. */
		if (btf_member_bitfield_size(type, i))
			return -1;
		if (snprintf(full, sizeof(full), "%s%s%s", name, *name ? "." : "",
			     btf__name_by_offset(btf, member->name_off)) >= (int)sizeof(full) ||
		    add(shape, btf, member->type, full,
			offset + btf_member_bit_offset(type, i) / 8))
			return -1;
	}

	return 0;
}

static int add(struct shape *shape, const struct btf *btf, __u32 id, const char *name,
	       unsigned int offset)
{
	struct member *member;
	const struct btf_type *type;
	bool be16, be32;
	long long size;
	enum kind kind;

	type = strip(btf, id, &be16, &be32);
	size = btf__resolve_size(btf, id);
	if (!type || size <= 0)
		return -1;
	if (!kind_of(btf, type, name, size, be16, be32, &kind))
		return add_members(shape, btf, type, name, offset);
	if (shape->count == MAX_MEMBERS)
		return -1;
	member = &shape->members[shape->count++];
	*member = (struct member){ .offset = offset, .size = size, .kind = kind, .last = -1 };
	snprintf(member->name, sizeof(member->name), "%s", name);

	return 0;
}

static int find(const struct shape *shape, const char *name)
{
	int i;

	for (i = 0; i < shape->count; i++) {
		if (!strcmp(shape->members[i].name, name))
			return i;
	}

	return -1;
}

/* Find pairs of members that are the ends of a range: port_min and port_max become "port". */
static void find_ranges(struct shape *shape)
{
	static const char * const ends[][2] = {
		{ "_min", "_max" }, { "_lo", "_hi" }, { "_first", "_last" }, { "_from", "_to" },
	};
	struct member *member;
	char name[128];
	size_t len, e;
	int i, last;

	for (i = 0; i < shape->count; i++) {
		member = &shape->members[i];
		/* zone_from and zone_to are two names: only numbers and addresses have ranges. */
		if (member->kind == KIND_TEXT || member->kind == KIND_BYTES)
			continue;
		for (e = 0; e < sizeof(ends) / sizeof(*ends); e++) {
			if (!ends_with(member->name, ends[e][0]))
				continue;
			len = strlen(member->name) - strlen(ends[e][0]);
			snprintf(name, sizeof(name), "%.*s%s", (int)len, member->name, ends[e][1]);
			last = find(shape, name);
			if (last < 0 || shape->members[last].size != member->size)
				continue;
			member->last = last;
			member->name[len] = '\0';
			if (ends_with(member->name, "port") && member->size == 2 &&
			    member->kind == KIND_INT)
				member->kind = KIND_HOST_PORT;
			shape->members[last].kind = member->kind;
			shape->members[last].is_last = true;
		}
	}
}

static bool is_address(enum kind kind)
{
	return kind == KIND_IP || kind == KIND_IP6 || kind == KIND_ADDRESS;
}

int shape_of(struct shape *shape, const struct btf *btf, __u32 type, unsigned int size, bool is_lpm)
{
	struct member *data;

	*shape = (struct shape){ .size = size, .family = -1, .network = -1 };
	if (!type || size > MAX_SIZE || btf__resolve_size(btf, type) != size ||
	    add(shape, btf, type, "", 0) || !shape->count)
		return -1;
	shape->is_trie = is_lpm;
	shape->is_lpm = is_lpm && shape->members[0].size == 4;
	shape->is_bare = shape->count == 1 && !*shape->members[0].name;
	if (is_lpm && shape->count == 2) {
		data = &shape->members[1];
		/* If the data of an LPM key is as long as an address, it is an address. 16 bytes
		 * are IPv6: the key has no family, so 38.0.0.0/8 and 2600::/8 would be the same.
		 */
		if (data->size == 4)
			data->kind = KIND_IP;
		else if (data->size == 16)
			data->kind = KIND_IP6;
		shape->is_prefix = is_address(data->kind);
	}
	find_ranges(shape);
	shape->family = find(shape, "family");
	data = &shape->members[shape->count - 1];
	/* "any" is a prefix that ends before the family. */
	if (shape->is_lpm && shape->count > 2 && is_address(data->kind) &&
	    (shape->family < 0 || shape->family == shape->count - 2)) {
		shape->network = shape->count - 1;
		if (data->kind == KIND_ADDRESS && shape->family < 0)
			data->kind = KIND_IP6;
	}

	return 0;
}

/* Bits of an LPM key before its address. "any" has either family. */
static unsigned int bits_before_network(const struct shape *shape, bool is_any)
{
	int first = shape->network;

	if (is_any && shape->family >= 0)
		first = shape->family;

	return 8 * (shape->members[first].offset - 4);
}

static __u64 number_of(const struct member *member, const unsigned char *data)
{
	data += member->offset;
	if (member->kind == KIND_PORT)
		return data[0] << 8 | data[1];
	switch (member->size) {
	case 1:
		return *data;
	case 2:
		return *(const __u16 *)data;
	case 4:
		return *(const __u32 *)data;
	default:
		return *(const __u64 *)data;
	}
}

static void set_number(const struct member *member, unsigned char *data, __u64 number)
{
	__u16 port = htons(number);
	__u64 little = htole64(number);
	__u64 big = htobe64(number);

	if (member->kind == KIND_PORT)
		memcpy(data + member->offset, &port, 2);
	else if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		memcpy(data + member->offset, &little, member->size);
	else
		memcpy(data + member->offset, (char *)&big + 8 - member->size, member->size);
}

static bool is_zero(const unsigned char *data, unsigned int size)
{
	while (size && !data[size - 1])
		size--;

	return !size;
}

/* Tell whether an address of either family is IPv4. Only the member with the family tells: the
 * first four bytes of an IPv6 address can look like an IPv4 address.
 */
static bool is_ip(const struct shape *shape, const struct member *member, const unsigned char *data)
{
	if (member->kind != KIND_ADDRESS)
		return member->kind == KIND_IP;

	return shape->family >= 0 &&
	       number_of(&shape->members[shape->family], data) == NFPROTO_IPV4;
}

/* Tell whether the parser takes this name for a name, and not for a number or a range. */
static bool is_word(const char *name)
{
	return (*name < '0' || *name > '9') && !strchr(name, '-');
}

static void print_port(FILE *out, unsigned int port)
{
	struct servent *service = getservbyport(htons(port), NULL);
	char name[64];

	/* Print a name only if the parser translates it back to this port. */
	if (service) {
		snprintf(name, sizeof(name), "%s", service->s_name);
		service = is_word(name) ? getservbyname(name, NULL) : NULL;
	}
	if (service && service->s_port == htons(port))
		fputs(name, out);
	else
		fprintf(out, "%u", port);
}

static void print_protocol(FILE *out, unsigned int number)
{
	struct protoent *protocol = getprotobynumber(number);

	if (protocol && is_word(protocol->p_name))
		fputs(protocol->p_name, out);
	else
		fprintf(out, "%u", number);
}

/* Tell whether it is read again as this text: a word, and 0 behind it. */
static bool is_plain(const char *text, unsigned int size)
{
	unsigned int i, len = strnlen(text, size);

	for (i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '#' ||
		    (text[i] == '-' && i + 1 < len && text[i + 1] == '>'))
			return false;
	}

	return len && *text != '[' && strncmp(text, "0x", 2) &&
	       is_zero((const unsigned char *)text + len, size - len);
}

static void print_bytes(FILE *out, const unsigned char *data, unsigned int size)
{
	unsigned int i;

	fputs("0x", out);
	for (i = 0; i < size; i++)
		fprintf(out, "%02x", data[i]);
}

static void print_text(FILE *out, const char *text, unsigned int size)
{
	if (is_plain(text, size))
		fprintf(out, "%.*s", (int)size, text);
	else
		print_bytes(out, (const unsigned char *)text, size);
}

static void print_one(FILE *out, const struct shape *shape, const struct member *member,
		      const unsigned char *data)
{
	int shift = 64 - 8 * member->size;
	char text[INET6_ADDRSTRLEN];

	switch (member->kind) {
	case KIND_IP:
	case KIND_IP6:
	case KIND_ADDRESS:
		fputs(inet_ntop(is_ip(shape, member, data) ? AF_INET : AF_INET6,
				data + member->offset, text, sizeof(text)), out);
		break;
	case KIND_PORT:
	case KIND_HOST_PORT:
		print_port(out, number_of(member, data));
		break;
	case KIND_PROTOCOL:
		print_protocol(out, number_of(member, data));
		break;
	case KIND_TEXT:
		print_text(out, (const char *)data + member->offset, member->size);
		break;
	case KIND_BYTES:
		print_bytes(out, data + member->offset, member->size);
		break;
	case KIND_SIGNED:
		fprintf(out, "%lld", (long long)(number_of(member, data) << shift) >> shift);
		break;
	default:
		fprintf(out, "%llu", number_of(member, data));
	}
}

static bool has_address(const struct shape *shape, const unsigned char *data)
{
	const struct member *member = shape->members;
	int i;

	for (i = 0; i < shape->count; i++, member++) {
		if (member->kind == KIND_ADDRESS && !is_zero(data + member->offset, member->size))
			return true;
	}

	return false;
}

/* Find an address of IPv6 that stands for an IPv4 address: ::ffff:192.0.2.1 */
static const struct member *find_mapped(const struct shape *shape, const unsigned char *data)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct member *member = shape->members;
	int i;

	for (i = 0; shape->family >= 0 && i < shape->count; i++, member++) {
		if (member->kind == KIND_ADDRESS && !is_ip(shape, member, data) &&
		    !memcmp(data + member->offset, mapped, sizeof(mapped)))
			return member;
	}

	return NULL;
}

/* Tell whether to leave out a member: one that is 0, unless all members are 0, and a family that
 * the addresses imply.
 */
static bool is_left_out(const struct shape *shape, const struct member *member,
			const unsigned char *data)
{
	const struct member *last = member->last < 0 ? NULL : &shape->members[member->last];
	__u64 family;

	if (member->is_last)
		return true;
	if (shape->family >= 0 && member == &shape->members[shape->family] &&
	    has_address(shape, data)) {
		family = number_of(member, data);
		return family == NFPROTO_IPV4 ||
		       (family == NFPROTO_IPV6 && !find_mapped(shape, data));
	}
	if (member == shape->members && (shape->is_lpm || is_zero(data, shape->size)))
		return false;

	return is_zero(data + member->offset, member->size) &&
	       (!last || is_zero(data + last->offset, last->size));
}

/* Tell whether the length of an LPM key is that of its address, or ends before it: "any". */
static bool has_network(const struct shape *shape, const unsigned char *data)
{
	__u64 bits, family, max;

	if (shape->network < 0)
		return false;
	bits = number_of(&shape->members[0], data);
	if (bits == bits_before_network(shape, true))
		return true;
	if (shape->family >= 0) {
		family = number_of(&shape->members[shape->family], data);
		if (family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
			return false;
	}

	max = is_ip(shape, &shape->members[shape->network], data) ? 32 : 128;

	return bits >= bits_before_network(shape, false) &&
	       bits - bits_before_network(shape, false) <= max;
}

static bool is_of_network(const struct shape *shape, int i, const unsigned char *data)
{
	return !i || i == shape->network || (i == shape->family && !find_mapped(shape, data));
}

static void print_network(FILE *out, const struct shape *shape, const unsigned char *data)
{
	const struct member *member = &shape->members[shape->network];
	__u64 bits = number_of(&shape->members[0], data);

	fprintf(out, "%s=", member->name);
	if (bits == bits_before_network(shape, true) && shape->family >= 0) {
		fputs("any", out);
		return;
	}
	print_one(out, shape, member, data);
	fprintf(out, "/%llu", bits - bits_before_network(shape, false));
}

void shape_print(FILE *out, const struct shape *shape, const unsigned char *data)
{
	const struct member *member = shape->members;
	const struct member *last;
	const char *between = "";
	bool network = has_network(shape, data);
	int i;

	if (shape->is_prefix) {
		print_one(out, shape, member + 1, data);
		fprintf(out, "/%llu", number_of(member, data));
		return;
	}
	for (i = 0; i < shape->count; i++, member++) {
		if (is_left_out(shape, member, data) || (network && is_of_network(shape, i, data)))
			continue;
		last = member->last < 0 ? NULL : &shape->members[member->last];
		fprintf(out, "%s%s%s", between, member->name, shape->is_bare ? "" : "=");
		print_one(out, shape, member, data);
		if (last) {
			fputc('-', out);
			print_one(out, shape, last, data);
		}
		between = " ";
	}
	if (network) {
		fputs(between, out);
		print_network(out, shape, data);
	}
}

static int parse_integer(const struct member *member, const char *text, __u64 *number)
{
	bool is_signed = member->kind == KIND_SIGNED, is_negative = *text == '-';
	__u64 max = ~0ULL >> (64 - 8 * member->size + is_signed);

	if ((is_negative && !is_signed) || parse_number(text + is_negative, number) ||
	    *number > max + is_negative)
		return -1;
	if (is_negative)
		*number = -*number;

	return 0;
}

static int parse_value(const struct member *member, const char *text, __u64 *number)
{
	struct servent *service;
	struct protoent *protocol;

	if ((*text >= '0' && *text <= '9') || *text == '-')
		return parse_integer(member, text, number);
	if (member->kind == KIND_PORT || member->kind == KIND_HOST_PORT) {
		service = getservbyname(text, NULL);
		*number = service ? ntohs(service->s_port) : 0;
		return service ? 0 : -1;
	}
	protocol = member->kind == KIND_PROTOCOL ? getprotobyname(text) : NULL;
	*number = protocol ? protocol->p_proto : 0;

	return protocol ? 0 : -1;
}

static int parse_bytes(const struct member *member, const char *text, unsigned char *data)
{
	unsigned int i, byte;

	if (strncmp(text, "0x", 2) || strlen(text) != 2 + 2 * member->size ||
	    text[2 + strspn(text + 2, "0123456789abcdefABCDEF")])
		return -1;
	for (i = 0; i < member->size; i++) {
		if (sscanf(text + 2 + 2 * i, "%2x", &byte) != 1)
			return -1;
		data[member->offset + i] = byte;
	}

	return 0;
}

/* Returns the length of the address in bytes, or -1. */
static int parse_address(const struct member *member, const char *text, unsigned char address[16])
{
	memset(address, 0, 16);
	if (member->kind != KIND_IP6 && inet_pton(AF_INET, text, address) == 1)
		return 4;
	if (member->kind != KIND_IP && inet_pton(AF_INET6, text, address) == 1)
		return 16;

	return -1;
}

/* Returns whether a bit has changed. */
static bool set_host_bits(unsigned char *address, int size, unsigned int prefix, bool ones)
{
	bool has_changed = false;
	unsigned char old, mask;
	unsigned int bit;

	for (bit = prefix; bit < 8U * size; bit++) {
		mask = 0x80 >> bit % 8;
		old = address[bit / 8];
		address[bit / 8] = ones ? old | mask : old & ~mask;
		has_changed |= address[bit / 8] != old;
	}

	return has_changed;
}

bool shape_mask(const struct shape *shape, unsigned char *key)
{
	__u32 bits;

	if (!shape->is_trie)
		return false;
	memcpy(&bits, key, sizeof(bits));

	return set_host_bits(key + 4, shape->size - 4, bits, false);
}

static __u64 tail_of(const unsigned char *address, int size)
{
	__u64 number = 0;
	int i;

	for (i = size > 8 ? size - 8 : 0; i < size; i++)
		number = number << 8 | address[i];

	return number;
}

/* Store a range of addresses if the key has a member for its end. If not, expand it to single
 * addresses.
 */
static int set_addresses(const struct shape *shape, const struct member *member,
			 const unsigned char *first, const unsigned char *last,
			 unsigned char *data, struct span *span)
{
	int size = span->length;

	if (memcmp(last, first, size) < 0)
		return -1;
	memcpy(data + member->offset, first, member->size);
	if (member->last >= 0) {
		memcpy(data + shape->members[member->last].offset, last, member->size);
		return 0;
	}
	if (memcmp(first, last, size > 8 ? size - 8 : 0))
		return -1;
	span->count = tail_of(last, size) - tail_of(first, size) + 1;

	return span->count && span->count <= MAX_EXPANDED ? 0 : -1;
}

/* Tell whether the length of an LPM key counts from the beginning of this address. */
static bool is_network(const struct shape *shape, const struct member *member)
{
	return shape->network >= 0 && member == &shape->members[shape->network];
}

/* For a range, "any" is the whole range. For a trie, "any" is the prefix that ends before it. */
static int set_any(const struct shape *shape, const struct member *member, unsigned char *data,
		   struct span *span)
{
	if (is_network(shape, member)) {
		set_number(&shape->members[0], data, bits_before_network(shape, true));
		span->is_network = true;
	} else if (member->last >= 0) {
		memset(data + shape->members[member->last].offset, 0xff, member->size);
	}

	return 0;
}

/* "any", ADDRESS, ADDRESS/LENGTH or ADDRESS-ADDRESS. For a trie the length is the prefix. */
static int parse_network(const struct shape *shape, const struct member *member, char *text,
			 unsigned char *data, struct span *span)
{
	unsigned char first[16], last[16];
	char *slash = strchr(text, '/'), *dash = slash ? NULL : strchr(text, '-');
	__u64 prefix;
	int size;

	*span = (struct span){ .member = member, .count = 1 };
	if (!strcmp(text, "any"))
		return set_any(shape, member, data, span);
	if (slash)
		*slash++ = '\0';
	if (dash)
		*dash++ = '\0';
	size = parse_address(member, text, first);
	if (size < 0 || (dash && (shape->is_prefix || parse_address(member, dash, last) != size)))
		return -1;
	span->length = size;
	prefix = 8 * size;
	if (slash && (parse_number(slash, &prefix) || prefix > 8U * size))
		return -1;
	span->has_host_bits = set_host_bits(first, size, prefix, false);
	span->is_network = slash && is_network(shape, member);
	if (shape->is_prefix)
		set_number(&shape->members[0], data, prefix);
	else if (span->is_network)
		set_number(&shape->members[0], data, bits_before_network(shape, false) + prefix);
	if (!dash)
		memcpy(last, first, sizeof(last));
	if (!shape->is_prefix && !span->is_network)
		set_host_bits(last, size, prefix, true);

	return set_addresses(shape, member, first, last, data, span);
}

/* Parse VALUE or FIRST-LAST. Store a range if the key has a member for its end. If not, expand
 * it to single values.
 */
static int parse_range(const struct shape *shape, const struct member *member, char *text,
		       unsigned char *data, struct span *span)
{
	char *dash = *text ? strchr(text + 1, '-') : NULL;
	__u64 first, last;

	/* A dash can be a part of a name: ipv6-icmp. */
	if (dash && !parse_value(member, text, &first))
		dash = NULL;
	if (dash)
		*dash++ = '\0';
	if (parse_value(member, text, &first))
		return -1;
	last = first;
	if (dash && parse_value(member, dash, &last))
		return -1;
	if (member->kind == KIND_SIGNED ? (long long)last < (long long)first : last < first)
		return -1;
	set_number(member, data, first);
	*span = (struct span){ .member = member, .count = 1 };
	if (member->last >= 0)
		set_number(&shape->members[member->last], data, last);
	else
		span->count = last - first + 1;

	return span->count && span->count <= MAX_EXPANDED ? 0 : -1;
}

/* Other characters than letters are written as bytes. The rest of the array is 0. */
static int parse_text(const struct member *member, const char *text, unsigned char *data)
{
	size_t len = strlen(text);

	if (!strncmp(text, "0x", 2))
		return parse_bytes(member, text, data);
	if (!len || len > member->size)
		return -1;
	memcpy(data + member->offset, text, len);

	return 0;
}

static int parse_member(const struct shape *shape, const struct member *member, char *text,
			unsigned char *data, struct span *span)
{
	*span = (struct span){ .member = member, .count = 1 };
	if (member->kind == KIND_BYTES)
		return parse_bytes(member, text, data);
	if (member->kind == KIND_TEXT)
		return parse_text(member, text, data);
	if (is_address(member->kind))
		return parse_network(shape, member, text, data, span);

	return parse_range(shape, member, text, data, span);
}

static const struct member *member_of(const struct shape *shape, char **word)
{
	char *equals = strchr(*word, '=');
	char name[96];
	int i;

	if (shape->is_prefix)
		return &shape->members[1];
	if (shape->is_bare)
		return &shape->members[0];
	if (!equals)
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)(equals - *word), *word);
	*word = equals + 1;
	i = find(shape, name);

	return i < 0 || shape->members[i].is_last ? NULL : &shape->members[i];
}

static int unknown_member(const struct shape *shape, const char *word, char *error, size_t size)
{
	size_t len;
	int i;

	len = snprintf(error, size, "%s: unknown member: take NAME=VALUE with one of", word);
	for (i = 0; i < shape->count && len < size; i++) {
		if (!shape->members[i].is_last)
			len += snprintf(error + len, size - len, " %s", shape->members[i].name);
	}

	return -1;
}

/* All addresses of a line must have the same family. "any" fits both families. */
static int set_family(const struct shape *shape, const struct member *member,
		      const struct span *span, int *family)
{
	int old = *family;

	if (shape->family < 0 || member->kind != KIND_ADDRESS || !span->length)
		return 0;
	*family = span->length == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

	return old && old != *family ? -1 : 0;
}

/* The address of the word is not the first one of its network. */
static void doubt_prefix(const struct member *member, const struct span *span, const char *word,
			 const unsigned char *data, char *error, size_t size)
{
	char first[INET6_ADDRSTRLEN];

	inet_ntop(span->length == 4 ? AF_INET : AF_INET6, data + member->offset, first,
		  sizeof(first));
	snprintf(error, size, "%s: bits after the prefix are set: write %s%s, or correct the length",
		 word, first, strchr(word, '/'));
}

/* Programs that know the family of a packet do not look for IPv4 addresses in IPv6. */
static void doubt_mapped(const struct shape *shape, const unsigned char *data, char *error,
			 size_t size)
{
	const struct member *member = find_mapped(shape, data);
	char mapped[INET6_ADDRSTRLEN], ip[INET_ADDRSTRLEN];

	if (!member)
		return;
	data += member->offset;
	inet_ntop(AF_INET6, data, mapped, sizeof(mapped));
	inet_ntop(AF_INET, data + 12, ip, sizeof(ip));
	snprintf(error, size, "%s: matches no IPv4 packet: write %s, or add %s=%d for IPv6 packets",
		 mapped, ip, shape->members[shape->family].name, NFPROTO_IPV6);
}

/* Check and complete the key after all members of a line are parsed. */
static int finish(const struct shape *shape, unsigned char *data, const bool *seen, int family,
		  char *error, size_t size)
{
	const struct member *member;
	__u64 number;

	if (family) {
		member = &shape->members[shape->family];
		number = seen[shape->family] ? number_of(member, data) : family;
		if (number != family && (number == NFPROTO_IPV4 || number == NFPROTO_IPV6)) {
			snprintf(error, size, "%s=%llu: not the family of the addresses: leave it out",
				 member->name, number);
			return -1;
		}
		set_number(member, data, number);
		if (!seen[shape->family])
			doubt_mapped(shape, data, error, size);
	}
	if (!shape->is_lpm || shape->is_prefix)
		return 0;
	member = &shape->members[0];
	number = number_of(member, data);
	if (!seen[0] || number > 8 * (shape->size - 4)) {
		snprintf(error, size, "the key of an LPM trie needs %s=BITS, from 0 to %u%s",
			 member->name, 8 * (shape->size - 4),
			 shape->network < 0 ? "" : ", or an address with /LENGTH");
		return -1;
	}
	if (shape->network >= 0 && shape->family >= 0 && seen[shape->network] &&
	    seen[shape->family] && number == bits_before_network(shape, true)) {
		snprintf(error, size, "%s=any has both families: write 0.0.0.0/0 or ::/0",
			 shape->members[shape->network].name);
		return -1;
	}

	return 0;
}

int shape_parse(const struct shape *shape, char *text, unsigned char *data, struct span *spans,
		char *error, size_t error_size)
{
	const struct member *member;
	bool seen[MAX_MEMBERS] = {};
	char copy[192];
	int count = 0, family = 0;
	struct span span;
	char *word;

	*error = '\0';
	memset(data, 0, shape->size);
	while ((word = strsep(&text, " \t"))) {
		if (!*word)
			continue;
		snprintf(copy, sizeof(copy), "%s", word);
		member = member_of(shape, &word);
		if (!member)
			return unknown_member(shape, copy, error, error_size);
		if (seen[member - shape->members]) {
			snprintf(error, error_size, "%s: given twice: remove one of the two", copy);
			return -1;
		}
		seen[member - shape->members] = true;
		if (parse_member(shape, member, word, data, &span)) {
			snprintf(error, error_size, "%s: not a value of this member: see RULES in nf-bpf(8)",
				 copy);
			return -1;
		}
		if (span.is_network && seen[0]) {
			snprintf(error, error_size, "%s: the length of the key is given twice: leave out %s",
				 copy, shape->members[0].name);
			return -1;
		}
		seen[0] |= span.is_network;
		if (span.has_host_bits)
			doubt_prefix(member, &span, copy, data, error, error_size);
		if (span.count > 1)
			spans[count++] = span;
		if (set_family(shape, member, &span, &family)) {
			snprintf(error, error_size, "%s: not the family of the address before: write two lines",
				 copy);
			return -1;
		}
	}
	if (finish(shape, data, seen, family, error, error_size))
		return -1;

	return count;
}

void span_set(const struct span *span, const unsigned char *first, unsigned char *data, __u64 index)
{
	const struct member *member = span->member;
	int i;

	if (!span->length) {
		set_number(member, data, number_of(member, first) + index);
		return;
	}
	memcpy(data + member->offset, first + member->offset, member->size);
	for (i = span->length - 1; i >= 0 && index; i--) {
		index += data[member->offset + i];
		data[member->offset + i] = index;
		index >>= 8;
	}
}
