/* SPDX-License-Identifier: GPL-2.0 */
/* The IP headers of UDP datagrams that a helper program sends in fragments of its choice. */
#ifndef NF_FRAGMENT_H
#define NF_FRAGMENT_H

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/types.h>

/* The headers and options of a packet have at most this length. */
enum { NF_HEADERS_MAX = 60 };

/**
 * struct nf_fragment - a part of a datagram
 * @src, @dst: addresses of the same family
 * @id: identification of the datagram
 * @offset, @length: the part, in bytes
 * @more: it is not the last part
 * @df: IPv4: set the bit that forbids fragmentation
 * @options, @options_length: IPv4: header options, a multiple of 4 bytes
 * @nexthdr: protocol of the datagram, or IPv6 header that follows; 0 for UDP
 */
struct nf_fragment {
	const struct sockaddr_storage *src, *dst;
	__u32 id;
	int offset, length;
	bool more, df;
	const void *options;
	int options_length;
	int nexthdr;
};

static inline int nf_put_header_v4(void *packet, const struct nf_fragment *part)
{
	const struct sockaddr_in *src = (void *)part->src, *dst = (void *)part->dst;
	const int size = sizeof(struct iphdr) + part->options_length;
	const struct iphdr iph = {
		.version = 4,
		.ihl = size / 4,
		.ttl = 64,
		.protocol = part->nexthdr ?: IPPROTO_UDP,
		.id = htons(part->id % 65535 + 1),
		.frag_off = htons(part->offset / 8 | (part->more ? IP_MF : 0) |
				  (part->df ? IP_DF : 0)),
		.tot_len = htons(size + part->length),
		.saddr = src->sin_addr.s_addr,
		.daddr = dst->sin_addr.s_addr,
	};

	memcpy(packet, &iph, sizeof(iph));
	if (part->options_length)
		memcpy(packet + sizeof(iph), part->options, part->options_length);
	return size;
}

static inline int nf_put_header_v6(void *packet, const struct nf_fragment *part)
{
	const struct sockaddr_in6 *src = (void *)part->src, *dst = (void *)part->dst;
	const int nexthdr = part->nexthdr ?: IPPROTO_UDP;
	const bool whole = !part->offset && !part->more;
	const struct ip6_frag frag = {
		.ip6f_nxt = nexthdr,
		.ip6f_offlg = htons(part->offset) | (part->more ? IP6F_MORE_FRAG : 0),
		.ip6f_ident = htonl(part->id),
	};
	const struct ip6_hdr ip6h = {
		.ip6_flow = htonl(6 << 28),
		.ip6_plen = htons(part->length + (whole ? 0 : sizeof(frag))),
		.ip6_nxt = whole ? nexthdr : IPPROTO_FRAGMENT,
		.ip6_hlim = 64,
		.ip6_src = src->sin6_addr,
		.ip6_dst = dst->sin6_addr,
	};

	memcpy(packet, &ip6h, sizeof(ip6h));
	if (whole)
		return sizeof(ip6h);
	memcpy(packet + sizeof(ip6h), &frag, sizeof(frag));
	return sizeof(ip6h) + sizeof(frag);
}

/* Return: the length of the headers that were written to @packet */
static inline int nf_put_header(void *packet, const struct nf_fragment *part)
{
	if (part->src->ss_family == AF_INET)
		return nf_put_header_v4(packet, part);
	return nf_put_header_v6(packet, part);
}

#endif
