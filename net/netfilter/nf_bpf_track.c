// SPDX-License-Identifier: GPL-2.0
/* Verdicts on fragments without reassembly.
 *
 * The program of a link with BPF_F_NETFILTER_FRAG_TRACK runs on the first fragment of a
 * datagram. An entry records the verdict, and which ranges of the datagram have come. It
 * holds no data. Later fragments get the verdict and leave as they came. A later fragment
 * that comes before the first one cannot be judged: the kernel reassembles its datagram,
 * and the program judges the whole packet.
 *
 * A fragment passes only if reassembly would accept it after the fragments that have
 * passed, and if what the program has judged is also true of it: see bpf_nf_entry_add(). A
 * fragment that does not fit ends its datagram, and the other fragments are dropped until
 * the entry expires.
 *
 * Each network namespace has one table. The lock of a bucket protects its entries, and
 * no entry is used outside of the lock, with one exception: the CPU that runs the program
 * on a first fragment keeps a pointer to the entry, which is busy then. Only this CPU
 * ends a busy entry. The lock is not held while the program runs, because the program may
 * take long, and fragments of other datagrams would wait for it.
 */
#include <linux/bpf_nf.h>
#include <linux/cache.h>
#include <linux/etherdevice.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sysctl.h>
#include <linux/tcp.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>
#include <net/inet_ecn.h>
#include <net/inet_frag.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/net_namespace.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/netfilter/nf_bpf_link.h>
#include <net/netns/generic.h>

#include "nf_bpf_compat.h"
#include "nf_bpf_fragment.h"
#include "nf_bpf_track.h"

enum {
	BPF_NF_TRACK_BUCKETS	= 4096,
	BPF_NF_TRACK_SOURCES	= 1024,
	/* A datagram in order has one range. No order of the 54 fragments of 64 KB and an
	 * MTU of 1,280 bytes makes more than 27.
	 */
	BPF_NF_TRACK_RANGES	= 32,
};

/**
 * struct bpf_nf_track_key - the datagram of a fragment
 * @link: bpf_nf_track.id of the link
 * @dev: index of the VRF, or 0. For link-local and multicast IPv6 destinations: index of the
 *	interface.
 * @copy: index of the output interface, if the stack may send copies of the packet to
 *	several interfaces (multicast, bridge, dup, TEE); otherwise 0
 * @kind: bits 0 to 7: the family; 8 to 15: the protocol (IPv4); 16: the device of the packet
 *	is the VRF, see bpf_nf_piece_key(); 17: a rule has made this copy (dup, TEE)
 * @next: at POST_ROUTING, the function that gets the packet after the hook, which is another
 *	one for the copy that the stack makes for the sockets of this host; on a bridge, the
 *	MAC address of the station that gets the packet
 * @id: identification
 * @v4: addresses of IPv4
 * @v6: addresses of IPv6
 *
 * The sender of a fragment chooses the identification, the addresses and the protocol, so
 * these have to be mixed well by the hash.
 */
struct bpf_nf_track_key {
	u32 link;
	u32 dev;
	u32 copy;
	u32 kind;
	u64 next;
	__be32 id;
	union {
		struct {
			__be32 saddr;
			__be32 daddr;
		} v4;
		struct {
			struct in6_addr saddr;
			struct in6_addr daddr;
		} v6;
	};
};

/**
 * struct bpf_nf_piece - a fragment that arrives
 * @key: its datagram
 * @hash: hash of the key
 * @start: offset of its data in the datagram
 * @end: offset behind its data
 * @max_end: the largest end with which the datagram fits into an IP packet
 * @out: index of the device by which it leaves, or 0
 * @headers: hash of the headers that all fragments of the datagram must have, or 0 if it has
 *	no such headers: see bpf_nf_unfragmentable() and bpf_nf_source_route()
 * @ecn: 1 << its ECN bits
 * @more: its More Fragments bit is set
 * @bad: the link refuses it: it is malformed, a first fragment without all of its headers,
 *	or a GSO packet
 */
struct bpf_nf_piece {
	struct bpf_nf_track_key key;
	u32 hash;
	u32 start;
	u32 end;
	u32 max_end;
	u32 out;
	u32 headers;
	u8 ecn;
	bool more;
	bool bad;
};

/**
 * enum bpf_nf_entry_state - what happens to the fragments of a datagram
 *
 * @BPF_NF_ENTRY_PENDING: the program runs on the first fragment
 * @BPF_NF_ENTRY_ACCEPT: the program has accepted the datagram
 * @BPF_NF_ENTRY_DROP: the program has dropped the datagram
 * @BPF_NF_ENTRY_REASSEMBLE: reassembly gets all fragments
 * @BPF_NF_ENTRY_REFUSED: all fragments are dropped, because one did not fit, or because the
 *	program dropped a datagram that is partly in reassembly
 */
enum bpf_nf_entry_state {
	BPF_NF_ENTRY_PENDING,
	BPF_NF_ENTRY_ACCEPT,
	BPF_NF_ENTRY_DROP,
	BPF_NF_ENTRY_REASSEMBLE,
	BPF_NF_ENTRY_REFUSED,
};

/* Data of a datagram without a hole, from one fragment or more */
struct bpf_nf_range {
	u16 start;
	u16 end;
};

/**
 * struct bpf_nf_track_entry - a datagram of which fragments have come
 * @node: in the list of the bucket
 * @expires: the entry does not exist after this time, unless it is busy
 * @hash: hash of the key
 * @mark: mark of the first fragment after the program ran
 * @priority: skb->priority of the first fragment after the program ran
 * @out: index of the device by which the first fragment leaves, or 0
 * @headers: bpf_nf_piece.headers of the first fragment
 * @source: index in bpf_nf_track_net.sources
 * @max_end: the largest end with which the datagram fits into an IP packet
 * @end: length of the datagram's data, 0 while it is unknown
 * @nr_ranges: used entries of @ranges
 * @state: from enum bpf_nf_entry_state
 * @ecn: ECN bits of all fragments
 * @busy: the program runs, only the CPU that runs it may free the entry
 * @joined: fragments of one of @ranges did not come in order, see bpf_nf_entry_insert()
 * @ranges: the data that has come, in ascending order, with holes between
 * @key: the datagram
 *
 * If the state is REASSEMBLE or REFUSED, @mark, @priority, @out, @headers, @max_end, @end,
 * @ecn, @joined and the ranges are not used.
 */
struct bpf_nf_track_entry {
	struct hlist_node node;
	unsigned long expires;
	u32 hash;
	u32 mark;
	u32 priority;
	u32 out;
	u32 headers;
	u16 source;
	u16 max_end;
	u16 end;
	u8 nr_ranges;
	u8 state;
	u8 ecn;
	bool busy;
	bool joined;
	struct bpf_nf_range ranges[BPF_NF_TRACK_RANGES];
	struct bpf_nf_track_key key;
};

struct bpf_nf_track_bucket {
	spinlock_t lock;	/* for the entries */
	struct hlist_head entries;
};

/**
 * struct bpf_nf_track_net - the entries of a network namespace
 * @buckets: the table, from the first attach until the namespace ends
 * @sources: numbers of entries by source address. Sources that share a counter share the
 *	limit.
 * @count: number of entries
 * @max: sysctl nf_bpf_track_max
 * @max_source: sysctl nf_bpf_track_max_source
 * @timeout: sysctl nf_bpf_track_timeout, in seconds
 * @drop_full: sysctl nf_bpf_track_drop_full
 * @seed: seed of the hashes of keys and sources
 * @headers_key: key of the hashes of headers. A sender that finds two headers with the same
 *	hash passes by the program, so these hashes have to be strong.
 * @work: ends expired entries while there are entries
 * @sysctls: the sysctls
 */
struct bpf_nf_track_net {
	struct bpf_nf_track_bucket *buckets;
	atomic_t *sources;
	atomic_t count;
	int max;
	int max_source;
	int timeout;
	int drop_full;
	u32 seed;
	siphash_key_t headers_key;
	struct delayed_work work;
	struct ctl_table_header *sysctls;
};

/**
 * struct bpf_nf_track_stats - counters of a link on one CPU
 * @tracked: first fragments that got an entry
 * @later: later fragments that got the verdict of their datagram
 * @reassembled: fragments that reassembly got
 * @full: fragments that found no room for an entry
 */
struct bpf_nf_track_stats {
	unsigned long tracked;
	unsigned long later;
	unsigned long reassembled;
	unsigned long full;
};

/**
 * struct bpf_nf_track - what a link needs to track fragments
 * @table: the table of the link's network namespace. It outlives the hook, as packets may
 *	still be in the hook.
 * @gather_v6: nf_ct_frag6_gather(), NULL if the link has no IPv6 packets. The link has a
 *	reference on the module.
 * @id: distinguishes this link's datagrams from those of other links
 * @stats: counters, one per CPU
 */
struct bpf_nf_track {
	struct bpf_nf_track_net *table;
	int (*gather_v6)(struct net *net, struct sk_buff *skb, u32 user);
	u32 id;
	struct bpf_nf_track_stats __percpu *stats;
};

static DEFINE_MUTEX(bpf_nf_track_mutex);

static struct kmem_cache *bpf_nf_track_cache __read_mostly;

static unsigned int bpf_nf_track_net_id __read_mostly;

/* Most hooks run in softirqs, where bottom halves need not be disabled again. */
static bool bpf_nf_bucket_lock(struct bpf_nf_track_bucket *bucket)
	__acquires(&bucket->lock)
{
	bool process = !in_softirq();

	if (process)
		local_bh_disable();
	spin_lock(&bucket->lock);
	return process;
}

static void bpf_nf_bucket_unlock(struct bpf_nf_track_bucket *bucket, bool process)
	__releases(&bucket->lock)
{
	spin_unlock(&bucket->lock);
	if (process)
		local_bh_enable();
}

static struct bpf_nf_track_bucket *
bpf_nf_track_bucket(const struct bpf_nf_track_net *table, u32 hash)
{
	return &table->buckets[hash % BPF_NF_TRACK_BUCKETS];
}

/* An IPv6 host can use all addresses of its /64, so count the /64 as one source. A simple hash
 * is enough: a sender that can choose among many sources reaches all counters anyway.
 *
 * Return: index of the counter of the fragment's source
 */
static __always_inline u32 bpf_nf_track_source(const struct bpf_nf_track_net *table,
					       const struct bpf_nf_piece *piece, u8 pf)
{
	u64 prefix;

	if (pf == NFPROTO_IPV4)
		return hash_32((__force u32)piece->key.v4.saddr ^ table->seed,
			       ilog2(BPF_NF_TRACK_SOURCES));
	prefix = (u64)(__force u32)piece->key.v6.saddr.s6_addr32[0] << 32 |
		 (__force u32)piece->key.v6.saddr.s6_addr32[1];
	return hash_64(prefix ^ table->seed, ilog2(BPF_NF_TRACK_SOURCES));
}

static void bpf_nf_entry_free(struct bpf_nf_track_net *table,
			      struct bpf_nf_track_entry *entry)
{
	hlist_del(&entry->node);
	atomic_dec(&table->sources[entry->source]);
	atomic_dec(&table->count);
	kmem_cache_free(bpf_nf_track_cache, entry);
}

/* To copy the whole union for IPv4, the compiler would keep the key on the stack. */
static __always_inline void bpf_nf_key_copy(struct bpf_nf_track_key *to,
					    const struct bpf_nf_track_key *from, u8 pf)
{
	if (pf == NFPROTO_IPV6) {
		*to = *from;
		return;
	}
	to->link = from->link;
	to->dev = from->dev;
	to->copy = from->copy;
	to->kind = from->kind;
	to->next = from->next;
	to->id = from->id;
	to->v4.saddr = from->v4.saddr;
	to->v4.daddr = from->v4.daddr;
}

/* A source has room if it has fewer entries than it may have, and fewer than are free. So
 * several sources together cannot fill the table: each leaves at least half of what the
 * others have left.
 *
 * @count and @of_source are the numbers of entries, of all sources and of this one, with the
 * new entry.
 */
static __always_inline bool bpf_nf_source_has_room(const struct bpf_nf_track_net *table,
						   int count, int of_source)
{
	return of_source <= READ_ONCE(table->max_source) &&
	       of_source <= READ_ONCE(table->max) - count + 1;
}

static __always_inline struct bpf_nf_track_entry *
bpf_nf_entry_alloc(struct bpf_nf_track_net *table, struct bpf_nf_track_bucket *bucket,
		   const struct bpf_nf_piece *piece, u8 pf)
{
	u32 source = bpf_nf_track_source(table, piece, pf);
	struct bpf_nf_track_entry *entry;
	int count, of_source;

	count = atomic_inc_return(&table->count);
	if (count > READ_ONCE(table->max))
		goto full;
	of_source = atomic_inc_return(&table->sources[source]);
	if (!bpf_nf_source_has_room(table, count, of_source))
		goto source_full;
	entry = kmem_cache_alloc(bpf_nf_track_cache, GFP_ATOMIC);
	if (!entry)
		goto source_full;

	entry->expires = jiffies + READ_ONCE(table->timeout) * HZ;
	entry->hash = piece->hash;
	entry->source = source;
	entry->busy = false;
	bpf_nf_key_copy(&entry->key, &piece->key, pf);
	hlist_add_head(&entry->node, &bucket->entries);
	if (!delayed_work_pending(&table->work))
		schedule_delayed_work(&table->work, HZ);
	return entry;
source_full:
	atomic_dec(&table->sources[source]);
full:
	atomic_dec(&table->count);
	return NULL;
}

static bool bpf_nf_entry_is_expired(const struct bpf_nf_track_entry *entry)
{
	return time_after(jiffies, entry->expires) && !entry->busy;
}

static __always_inline bool bpf_nf_key_equal(const struct bpf_nf_track_key *a,
					     const struct bpf_nf_track_key *b, u8 pf)
{
	if (a->id != b->id || a->kind != b->kind || a->link != b->link ||
	    a->dev != b->dev || a->copy != b->copy || a->next != b->next)
		return false;
	if (pf == NFPROTO_IPV4)
		return a->v4.saddr == b->v4.saddr && a->v4.daddr == b->v4.daddr;
	return ipv6_addr_equal(&a->v6.saddr, &b->v6.saddr) &&
	       ipv6_addr_equal(&a->v6.daddr, &b->v6.daddr);
}

static __always_inline struct bpf_nf_track_entry *
bpf_nf_entry_find(struct bpf_nf_track_net *table, struct bpf_nf_track_bucket *bucket,
		  const struct bpf_nf_piece *piece, u8 pf)
{
	struct bpf_nf_track_entry *entry;

	hlist_for_each_entry(entry, &bucket->entries, node) {
		if (entry->hash != piece->hash ||
		    !bpf_nf_key_equal(&entry->key, &piece->key, pf))
			continue;
		if (likely(!bpf_nf_entry_is_expired(entry)))
			return entry;
		bpf_nf_entry_free(table, entry);
		break;
	}
	return NULL;
}

/* Add data that does not continue the last range.
 *
 * Reassembly calls fragments that came in order, without a hole, a run. It drops a fragment
 * whose data is in one run already, and ends the datagram if the data is in several runs:
 * see inet_frag_queue_insert(). When ranges are joined here, the ends of the runs are lost.
 * From then on, end the datagram at every duplicate.
 *
 * Return: 0; -EEXIST if all of the data has come, in one run; -EINVAL if the datagram has to
 * end: some of the data has come, a duplicate may cross runs, or there are too many holes
 */
static noinline int bpf_nf_entry_insert(struct bpf_nf_track_entry *entry, u16 start, u16 end)
{
	struct bpf_nf_range *range = entry->ranges, *last = range + entry->nr_ranges;
	struct bpf_nf_range *next;

	while (range < last && range->end < start)
		range++;
	if (range < last && start >= range->start && end <= range->end)
		return entry->joined ? -EINVAL : -EEXIST;

	/* The data may touch the range before it, the one after it, or both. */
	next = range < last && range->end == start ? range + 1 : range;
	if (next < last && next->start < end)
		return -EINVAL;
	if (next != range) {
		entry->joined = true;
		range->end = end;
		if (next < last && next->start == end) {
			range->end = next->end;
			memmove(next, next + 1, (void *)last - (void *)(next + 1));
			entry->nr_ranges--;
		}
	} else if (next < last && next->start == end) {
		entry->joined = true;
		next->start = start;
	} else {
		if (entry->nr_ranges == BPF_NF_TRACK_RANGES)
			return -EINVAL;
		memmove(range + 1, range, (void *)last - (void *)range);
		range->start = start;
		range->end = end;
		entry->nr_ranges++;
	}
	return 0;
}

static __always_inline int bpf_nf_entry_add_data(struct bpf_nf_track_entry *entry,
						 const struct bpf_nf_piece *piece)
{
	struct bpf_nf_range *last = &entry->ranges[entry->nr_ranges - 1];

	if (piece->more) {
		if (entry->end && piece->end > entry->end)
			return -EINVAL;
	} else {
		if (piece->end < last->end || (entry->end && piece->end != entry->end))
			return -EINVAL;
		entry->end = piece->end;
	}
	if (unlikely(piece->start != last->end))
		return bpf_nf_entry_insert(entry, piece->start, piece->end);
	last->end = piece->end;
	return 0;
}

/* Add a fragment to what has come of its datagram. The rules are those of ip_frag_queue(),
 * with two exceptions: ip_frag_queue() cuts a fragment whose length is not a multiple of 8,
 * and here it is refused (piece->bad). And reassembly sends all of a datagram by one device,
 * with the headers of the first fragment, so a fragment with others is refused: the program
 * has not judged them. Add the ECN bits last, so that those of a duplicate, which is dropped,
 * do not count.
 *
 * Return: 0 if it fits; -EEXIST for a fragment of which all has come already; -EINVAL if it
 * ends its datagram
 */
static __always_inline int bpf_nf_entry_add(struct bpf_nf_track_entry *entry,
					    const struct bpf_nf_piece *piece)
{
	int err;

	if (piece->bad || piece->end > entry->max_end || piece->out != entry->out ||
	    piece->headers != entry->headers)
		return -EINVAL;
	err = bpf_nf_entry_add_data(entry, piece);
	if (unlikely(err))
		return err;
	entry->ecn |= piece->ecn;
	return unlikely(ip_frag_ecn_table[entry->ecn] == 0xff) ? -EINVAL : 0;
}

/* The first fragment has created each entry that gets here, so the first range begins at 0. */
static bool bpf_nf_entry_is_complete(const struct bpf_nf_track_entry *entry)
{
	return entry->nr_ranges == 1 && entry->ranges[0].end == entry->end;
}

static __always_inline enum bpf_nf_track_step
bpf_nf_track_new(struct bpf_nf_track *track, struct bpf_nf_track_bucket *bucket,
		 const struct bpf_nf_piece *piece, u8 pf,
		 struct bpf_nf_track_entry **result)
{
	struct bpf_nf_track_entry *entry;

	/* Nothing of the datagram has passed, so there is nothing to remember. An entry would
	 * let one forged packet end a datagram that is still to come.
	 */
	if (unlikely(piece->bad))
		return BPF_NF_TRACK_REFUSE;
	entry = bpf_nf_entry_alloc(track->table, bucket, piece, pf);
	if (unlikely(!entry)) {
		this_cpu_inc(track->stats->full);
		return READ_ONCE(track->table->drop_full) ? BPF_NF_TRACK_REFUSE :
							    BPF_NF_TRACK_HAND_OVER;
	}
	if (piece->start) {
		entry->state = BPF_NF_ENTRY_REASSEMBLE;
		return BPF_NF_TRACK_HAND_OVER;
	}

	this_cpu_inc(track->stats->tracked);
	entry->state = BPF_NF_ENTRY_PENDING;
	entry->busy = true;
	entry->ecn = piece->ecn;
	entry->max_end = piece->max_end;
	entry->out = piece->out;
	entry->headers = piece->headers;
	entry->end = 0;
	entry->joined = false;
	entry->nr_ranges = 1;
	entry->ranges[0].start = 0;
	entry->ranges[0].end = piece->end;
	*result = entry;
	return BPF_NF_TRACK_JUDGE;
}

static __always_inline enum bpf_nf_track_step
bpf_nf_track_known(struct bpf_nf_track *track, struct bpf_nf_track_entry *entry,
		   const struct bpf_nf_piece *piece, struct sk_buff *skb)
{
	enum bpf_nf_track_step step = BPF_NF_TRACK_DROP;
	int err;

	if (entry->state == BPF_NF_ENTRY_REASSEMBLE)
		return BPF_NF_TRACK_HAND_OVER;
	if (entry->state == BPF_NF_ENTRY_REFUSED)
		return BPF_NF_TRACK_REFUSE;
	/* The verdict is not known yet. Reassembly holds this fragment, and gets the first
	 * one if the program accepts it: see bpf_nf_track_judged().
	 */
	if (entry->state == BPF_NF_ENTRY_PENDING && piece->start && !piece->bad) {
		entry->state = BPF_NF_ENTRY_REASSEMBLE;
		return BPF_NF_TRACK_HAND_OVER;
	}

	err = bpf_nf_entry_add(entry, piece);
	if (unlikely(err)) {
		if (err != -EEXIST)
			entry->state = BPF_NF_ENTRY_REFUSED;
		return BPF_NF_TRACK_REFUSE;
	}
	this_cpu_inc(track->stats->later);
	if (entry->state == BPF_NF_ENTRY_ACCEPT) {
		skb->mark = entry->mark;
		skb->priority = entry->priority;
		step = BPF_NF_TRACK_ACCEPT;
	}
	if (bpf_nf_entry_is_complete(entry))
		bpf_nf_entry_free(track->table, entry);
	return step;
}

/* Return: the bytes that the transport header needs; U32_MAX if it is cut off. For a protocol
 * that is not listed, one byte shows that no header before it is cut off.
 */
static u32 bpf_nf_transport_len(const struct sk_buff *skb, u32 offset, u8 protocol)
{
	const struct tcphdr *tcph;
	struct tcphdr _tcph;

	switch (protocol) {
	case IPPROTO_TCP:
		tcph = skb_header_pointer(skb, offset, sizeof(_tcph), &_tcph);
		return tcph ? max_t(u32, tcph->doff * 4, sizeof(_tcph)) : U32_MAX;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case IPPROTO_ESP:
		return 8;
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		return 12;
	case IPPROTO_GRE:
		return 4;
	case IPPROTO_IPIP:
		return sizeof(struct iphdr);
	case IPPROTO_IPV6:
		return sizeof(struct ipv6hdr);
	default:
		return 1;
	}
}

static bool bpf_nf_has_transport(const struct sk_buff *skb, u32 offset, u8 protocol)
{
	return skb->len - offset >= bpf_nf_transport_len(skb, offset, protocol);
}

/* Look behind AH, as the receiver does, for the header that AH protects. */
static bool bpf_nf_has_transport_v4(const struct sk_buff *skb, u32 offset, u8 protocol)
{
	const struct ipv6_opt_hdr *hdr;
	struct ipv6_opt_hdr _hdr;

	while (protocol == IPPROTO_AH) {
		hdr = skb_header_pointer(skb, offset, sizeof(_hdr), &_hdr);
		if (!hdr)
			return false;
		/* AH has the same format in both families. */
		offset += ipv6_authlen(hdr);
		if (offset > skb->len)
			return false;
		protocol = hdr->nexthdr;
	}
	return bpf_nf_has_transport(skb, offset, protocol);
}

/* The kernel takes a mobility, HIP or shim6 header for the last one. Programs and some
 * receivers go on behind it, so treat these three as extension headers: see
 * bpf_nf_chain_goes_on().
 */
static bool bpf_nf_is_extension(u8 nexthdr)
{
	return (ipv6_ext_hdr(nexthdr) && nexthdr != NEXTHDR_NONE) ||
	       nexthdr == NEXTHDR_MOBILITY || nexthdr == BPF_NF_NEXTHDR_HIP ||
	       nexthdr == BPF_NF_NEXTHDR_SHIM6;
}

/* Read the header chain of a first fragment from the header behind its fragment header.
 *
 * Return: true if the chain is complete, ends with a transport header, and has no other
 * fragment header
 */
static bool bpf_nf_has_transport_v6(const struct sk_buff *skb, u32 offset, u8 nexthdr)
{
	const struct ipv6_opt_hdr *hdr;
	struct ipv6_opt_hdr _hdr;

	while (bpf_nf_is_extension(nexthdr)) {
		if (nexthdr == NEXTHDR_FRAGMENT || bpf_nf_chain_goes_on(skb, offset, nexthdr))
			return false;
		hdr = skb_header_pointer(skb, offset, sizeof(_hdr), &_hdr);
		if (!hdr)
			return false;
		offset += nexthdr == NEXTHDR_AUTH ? ipv6_authlen(hdr) : ipv6_optlen(hdr);
		if (offset > skb->len)
			return false;
		nexthdr = hdr->nexthdr;
	}
	return bpf_nf_has_transport(skb, offset, nexthdr);
}

static __always_inline void bpf_nf_piece_set(struct bpf_nf_piece *piece, u32 start, u32 len,
					     u32 max_end, bool more)
{
	piece->start = start;
	piece->end = start + len;
	piece->max_end = max_end;
	piece->more = more;
	piece->bad = !len || piece->end > max_end || (more && piece->end % 8);
}

/* Find the option that routes a packet by way of other hosts. RFC 791 has it copied into all
 * fragments. IPCB(skb)->opt is not set yet at PRE_ROUTING, so read the header.
 *
 * Return: the hash of the option; 0 if there is none
 */
static u32 bpf_nf_source_route(const struct iphdr *iph, const siphash_key_t *key)
{
	const u8 *option = (const u8 *)(iph + 1);
	const u8 *end = (const u8 *)iph + iph->ihl * 4;

	while (option < end && *option != IPOPT_END) {
		if (*option == IPOPT_NOOP) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] < 2 || option[1] > end - option)
			break;
		if (*option == IPOPT_LSRR || *option == IPOPT_SSRR)
			return siphash(option, option[1], key);
		option += option[1];
	}
	return 0;
}

static __always_inline void bpf_nf_piece_v4(struct bpf_nf_piece *piece,
					    const struct sk_buff *skb,
					    const struct bpf_nf_track *track)
{
	const struct iphdr *iph = ip_hdr(skb);
	u32 frag_off = ntohs(iph->frag_off);
	u32 hdrlen = iph->ihl * 4;

	bpf_nf_piece_set(piece, (frag_off & IP_OFFSET) * 8, skb->len - hdrlen,
			 IP_MAX_MTU - hdrlen, frag_off & IP_MF);
	if (!piece->start && !bpf_nf_has_transport_v4(skb, hdrlen, iph->protocol))
		piece->bad = true;
	piece->headers = 0;
	if (unlikely(iph->ihl > 5))
		piece->headers = bpf_nf_source_route(iph, &track->table->headers_key);
	piece->ecn = 1 << (iph->tos & INET_ECN_MASK);
	piece->key.id = (__force __be32)iph->id;
	piece->key.kind = NFPROTO_IPV4 | iph->protocol << 8;
	piece->key.v4.saddr = iph->saddr;
	piece->key.v4.daddr = iph->daddr;
}

/* Find the fragment header, as reassembly does.
 *
 * Return: its offset, or a negative number
 */
static int bpf_nf_fragment_header(const struct sk_buff *skb)
{
	u8 nexthdr = ipv6_hdr(skb)->nexthdr;
	u32 offset = sizeof(struct ipv6hdr);
	const struct ipv6_opt_hdr *hdr;
	struct ipv6_opt_hdr _hdr;

	while (nexthdr != NEXTHDR_FRAGMENT) {
		if (!ipv6_ext_hdr(nexthdr) || nexthdr == NEXTHDR_NONE)
			return -1;
		hdr = skb_header_pointer(skb, offset, sizeof(_hdr), &_hdr);
		if (!hdr)
			return -1;
		offset += nexthdr == NEXTHDR_AUTH ? ipv6_authlen(hdr) : ipv6_optlen(hdr);
		nexthdr = hdr->nexthdr;
	}
	return offset;
}

/* Hash what RFC 8200 calls the unfragmentable part: the headers between the IPv6 header and
 * the fragment header, which is at @end. The next header field of the IPv6 header says how to
 * read them. The part can be long, so hash it in pieces, each with the hash of those before.
 */
static noinline u32 bpf_nf_unfragmentable(const struct sk_buff *skb, u32 end,
					  const siphash_key_t *key)
{
	u32 len, offset = sizeof(struct ipv6hdr);
	u64 hash = ipv6_hdr(skb)->nexthdr;
	u64 bytes[8];

	while (offset < end) {
		len = min_t(u32, end - offset, sizeof(bytes) - sizeof(hash));
		bytes[0] = hash;
		/* The caller has read the fragment header, so this does not fail. */
		skb_copy_bits(skb, offset, &bytes[1], len);
		hash = siphash(bytes, sizeof(hash) + len, key);
		offset += len;
	}
	return hash;
}

static __always_inline bool bpf_nf_piece_v6(struct bpf_nf_piece *piece,
					    const struct sk_buff *skb,
					    const struct bpf_nf_track *track)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	const struct frag_hdr *fh;
	struct frag_hdr _fh;
	int offset, data;

	offset = bpf_nf_fragment_header(skb);
	fh = offset < 0 ? NULL : skb_header_pointer(skb, offset, sizeof(_fh), &_fh);
	/* A jumbogram has no length in its header, and must not be fragmented. */
	if (!fh || !ip6h->payload_len)
		return false;

	data = offset + sizeof(*fh);
	bpf_nf_piece_set(piece, ntohs(fh->frag_off) & IP6_OFFSET, skb->len - data,
			 IPV6_MAXPLEN - (offset - sizeof(*ip6h)),
			 fh->frag_off & htons(IP6_MF));
	if (!piece->start && !bpf_nf_has_transport_v6(skb, data, fh->nexthdr))
		piece->bad = true;
	piece->headers = 0;
	if (unlikely(offset > sizeof(*ip6h)))
		piece->headers = bpf_nf_unfragmentable(skb, offset,
						       &track->table->headers_key);
	piece->ecn = 1 << (ipv6_get_dsfield(ip6h) & INET_ECN_MASK);
	piece->key.id = fh->identification;
	piece->key.kind = NFPROTO_IPV6;
	piece->key.v6.saddr = ip6h->saddr;
	piece->key.v6.daddr = ip6h->daddr;
	return true;
}

/* A bridge that floods makes a copy for each port, or for each station behind a port. */
static __always_inline void bpf_nf_piece_bridge(struct bpf_nf_track_key *key,
						const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	u32 port = nf_bridge_get_physoutif(skb);

	if (likely(!port))
		return;
	key->copy = port;
	/* On a bridge the function that gets the packet is always the same one. */
	key->next = ether_addr_to_u64(eth_hdr(skb)->h_dest);
#endif
}

/* The stack copies packets: multicast routing for each device, a bridge that floods for each
 * port or station, output for the sockets of this host, and rules of nft and iptables. All but
 * the last pass FORWARD or POST_ROUTING, and the last pass LOCAL_OUT, too. They differ in the
 * device that they leave by, in the station, or in the function that gets them.
 */
static __always_inline void bpf_nf_piece_copy(struct bpf_nf_track_key *key,
					      const struct sk_buff *skb,
					      const struct nf_hook_state *state,
					      bool multicast)
{
	key->copy = 0;
	key->next = 0;
	if (unlikely(this_cpu_read(nf_skb_duplicated))) {
		key->kind |= 1 << 17;
		key->copy = state->out ? state->out->ifindex : 0;
	}
	if (state->hook != NF_INET_FORWARD && state->hook != NF_INET_POST_ROUTING)
		return;
	if (state->hook == NF_INET_POST_ROUTING)
		key->next = (unsigned long)state->okfn;
	bpf_nf_piece_bridge(key, skb);
	if (multicast && !key->copy)
		key->copy = state->out->ifindex;
}

static __always_inline u32 bpf_nf_fold_next(const struct bpf_nf_track_key *key)
{
	return key->next ^ key->next >> 32;
}

static __always_inline u32 bpf_nf_key_hash(const struct bpf_nf_track_key *key, u32 seed,
					   u8 pf)
{
	seed += key->link + rol32(key->dev, 8) + rol32(key->copy, 16) + bpf_nf_fold_next(key);
	if (pf == NFPROTO_IPV4)
		return jhash_3words((__force u32)key->v4.saddr, (__force u32)key->v4.daddr,
				    (__force u32)key->id ^ rol32(key->kind, 16), seed);
	return jhash2((__force const u32 *)&key->id,
		      (sizeof(key->id) + sizeof(key->v6)) / sizeof(u32),
		      seed + rol32(key->kind, 24));
}

/* Such an address needs an interface, as in nf_ct_frag6_gather(). */
static __always_inline bool bpf_nf_is_linklocal(const struct in6_addr *addr)
{
	return (addr->s6_addr32[0] & htonl(0xffc00000)) == htonl(0xfe800000);
}

static __always_inline u32 bpf_nf_vrf(const struct net_device *dev)
{
	if (likely(!dev || !(netif_is_l3_master(dev) || netif_is_l3_slave(dev))))
		return 0;
	return l3mdev_master_ifindex_rcu(dev);
}

/* Complete the key.
 *
 * A packet that comes in by a device of a VRF passes PRE_ROUTING twice: first with this
 * device, then with the VRF as its device. On output the order is reversed. Without bit 16 of
 * @kind the second pass would be a duplicate.
 */
static __always_inline void bpf_nf_piece_key(struct bpf_nf_piece *piece,
					     const struct sk_buff *skb,
					     const struct nf_hook_state *state,
					     const struct bpf_nf_track *track, u8 pf)
{
	const struct net_device *dev = skb->dev ?: state->out;
	struct bpf_nf_track_key *key = &piece->key;
	bool multicast;

	piece->out = state->out ? state->out->ifindex : 0;
	key->link = track->id;
	key->dev = bpf_nf_vrf(dev);
	if (key->dev && netif_is_l3_master(state->in ?: state->out))
		key->kind |= 1 << 16;
	if (pf == NFPROTO_IPV4) {
		multicast = ipv4_is_multicast(key->v4.daddr);
	} else {
		multicast = ipv6_addr_is_multicast(&key->v6.daddr);
		if (multicast || bpf_nf_is_linklocal(&key->v6.daddr))
			key->dev = dev ? dev->ifindex : 0;
	}
	bpf_nf_piece_copy(key, skb, state, multicast);
	piece->hash = bpf_nf_key_hash(key, track->table->seed, pf);
}

static __always_inline bool bpf_nf_piece_read(struct bpf_nf_piece *piece,
					      const struct sk_buff *skb,
					      const struct nf_hook_state *state,
					      const struct bpf_nf_track *track, u8 pf)
{
	if (pf == NFPROTO_IPV4)
		bpf_nf_piece_v4(piece, skb, track);
	else if (!bpf_nf_piece_v6(piece, skb, track))
		return false;
	/* A virtual machine can ask for the segmentation of any packet. To cut a fragment, the
	 * stack would write new offsets, which begin at 0 again. Reassembly forgets the
	 * request: see inet_frag_queue_insert().
	 */
	if (unlikely(skb_is_gso(skb)))
		piece->bad = true;
	bpf_nf_piece_key(piece, skb, state, track, pf);
	return true;
}

static enum bpf_nf_track_step bpf_nf_reassemble_v4(struct sk_buff *skb, struct net *net,
						   u32 user)
{
	int err;

	local_bh_disable();
	err = ip_defrag(net, skb, user);
	local_bh_enable();
	if (err)
		return err == -EINPROGRESS ? BPF_NF_TRACK_STOLEN : BPF_NF_TRACK_FREED;
	skb->ignore_df = 1;
	return BPF_NF_TRACK_WHOLE;
}

/* nf_ct_frag6_gather() returns 0 for some malformed fragments, and leaves them as they are. */
static enum bpf_nf_track_step bpf_nf_reassemble_v6(struct bpf_nf_track *track,
						   struct sk_buff *skb, struct net *net,
						   u32 user)
{
	int err;

	if (!track->gather_v6)
		return BPF_NF_TRACK_REFUSE;
	err = track->gather_v6(net, skb, user);
	if (err == -EINPROGRESS)
		return BPF_NF_TRACK_STOLEN;
	if (err || bpf_nf_is_fragment(skb, NFPROTO_IPV6))
		return BPF_NF_TRACK_REFUSE;
	return BPF_NF_TRACK_WHOLE;
}

/* A reassembled packet has the bridge's information of its first fragment. That fragment may
 * have waited until its output port was gone. Nobody holds a reference on the port.
 */
static void bpf_nf_renew_port(struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	struct nf_bridge_info *nf_bridge = nf_bridge_info_get(skb);

	/* Only FORWARD and POST_ROUTING of a bridge have an output port. There skb->dev is the
	 * port, and reassembly takes skb->dev from the fragment that came last.
	 */
	if (nf_bridge && nf_bridge->physoutdev)
		nf_bridge->physoutdev = skb->dev;
#endif
}

/* End the entry of a datagram that reassembly has completed. The CPU that runs the program
 * has a pointer to a busy entry.
 */
static void bpf_nf_track_end_reassembly(struct bpf_nf_track_net *table,
					const struct bpf_nf_piece *piece, u8 pf)
{
	struct bpf_nf_track_bucket *bucket = bpf_nf_track_bucket(table, piece->hash);
	struct bpf_nf_track_entry *entry;
	bool process;

	process = bpf_nf_bucket_lock(bucket);
	entry = bpf_nf_entry_find(table, bucket, piece, pf);
	if (entry && entry->state == BPF_NF_ENTRY_REASSEMBLE && !entry->busy)
		bpf_nf_entry_free(table, entry);
	bpf_nf_bucket_unlock(bucket, process);
}

/* Copies of a packet, and links, must not share queues: the fragments would meet there as
 * duplicates. Nor must VRFs, for which nf_ct_frag6_gather() has the same queue.
 */
static u32 bpf_nf_track_user(const struct bpf_nf_track_key *key)
{
	u32 hash = jhash_3words(key->copy, bpf_nf_fold_next(key), key->dev, key->kind >> 16);

	return IP_DEFRAG_BPF_LINK + (key->link + hash) % IP_DEFRAG_BPF_LINK;
}

/**
 * bpf_nf_track_hand_over - give a fragment to reassembly
 * @track: tracking state of the link
 * @skb: the packet
 * @state: the state of the hook
 *
 * Return: BPF_NF_TRACK_WHOLE, BPF_NF_TRACK_STOLEN, BPF_NF_TRACK_FREED or
 * BPF_NF_TRACK_REFUSE
 */
enum bpf_nf_track_step bpf_nf_track_hand_over(struct bpf_nf_track *track,
					      struct sk_buff *skb,
					      const struct nf_hook_state *state)
{
	enum bpf_nf_track_step step;
	struct bpf_nf_piece piece;
	u32 user;

	if (!bpf_nf_piece_read(&piece, skb, state, track, state->pf))
		return BPF_NF_TRACK_REFUSE;
	this_cpu_inc(track->stats->reassembled);
	user = bpf_nf_track_user(&piece.key);
	if (state->pf == NFPROTO_IPV4)
		step = bpf_nf_reassemble_v4(skb, state->net, user);
	else
		step = bpf_nf_reassemble_v6(track, skb, state->net, user);
	if (step == BPF_NF_TRACK_WHOLE) {
		bpf_nf_renew_port(skb);
		bpf_nf_track_end_reassembly(track->table, &piece, state->pf);
	}
	return step;
}

/* An atomic fragment (RFC 6946) is a whole IPv6 datagram, whatever other fragments have its
 * identification.
 */
static bool bpf_nf_is_atomic(const struct bpf_nf_piece *piece)
{
	return !piece->start && !piece->more && !piece->bad;
}

static __always_inline enum bpf_nf_track_step
bpf_nf_track_family(struct bpf_nf_track *track, struct sk_buff *skb,
		    const struct nf_hook_state *state,
		    struct bpf_nf_track_entry **entry, u8 pf)
{
	struct bpf_nf_track_bucket *bucket;
	struct bpf_nf_track_entry *known;
	/* bpf_nf_piece_read() sets all that is read. The compiler's zeroing would cost as
	 * much as reading the header.
	 */
	struct bpf_nf_piece __uninitialized piece;
	enum bpf_nf_track_step step;
	bool process;

	if (unlikely(!bpf_nf_piece_read(&piece, skb, state, track, pf)))
		return BPF_NF_TRACK_REFUSE;
	if (pf == NFPROTO_IPV6 && unlikely(bpf_nf_is_atomic(&piece)))
		return BPF_NF_TRACK_JUDGE;

	bucket = bpf_nf_track_bucket(track->table, piece.hash);
	process = bpf_nf_bucket_lock(bucket);
	known = bpf_nf_entry_find(track->table, bucket, &piece, pf);
	if (known)
		step = bpf_nf_track_known(track, known, &piece, skb);
	else
		step = bpf_nf_track_new(track, bucket, &piece, pf, entry);
	bpf_nf_bucket_unlock(bucket, process);
	return step;
}

/* One function for each family, so that each has only its own branches. */
static noinline enum bpf_nf_track_step
bpf_nf_track_v4(struct bpf_nf_track *track, struct sk_buff *skb,
		const struct nf_hook_state *state, struct bpf_nf_track_entry **entry)
{
	return bpf_nf_track_family(track, skb, state, entry, NFPROTO_IPV4);
}

static noinline enum bpf_nf_track_step
bpf_nf_track_v6(struct bpf_nf_track *track, struct sk_buff *skb,
		const struct nf_hook_state *state, struct bpf_nf_track_entry **entry)
{
	return bpf_nf_track_family(track, skb, state, entry, NFPROTO_IPV6);
}

/**
 * bpf_nf_track - find out what to do with a fragment
 * @track: tracking state of the link
 * @skb: the packet, its data at the network header. It is a fragment, or an IPv6 packet
 *	that may be one.
 * @state: the state of the hook
 * @entry: in: points to NULL; out: if BPF_NF_TRACK_JUDGE is returned, the argument of
 *	bpf_nf_track_judged(), which has to be called in the same RCU read-side critical
 *	section
 *
 * Return: the next step
 */
enum bpf_nf_track_step bpf_nf_track(struct bpf_nf_track *track, struct sk_buff *skb,
				    const struct nf_hook_state *state,
				    struct bpf_nf_track_entry **entry)
{
	if (state->pf == NFPROTO_IPV4)
		return bpf_nf_track_v4(track, skb, state, entry);
	return bpf_nf_track_v6(track, skb, state, entry);
}

/**
 * bpf_nf_track_judged - keep the verdict on a first fragment
 * @track: tracking state of the link
 * @entry: what bpf_nf_track() has stored. NULL if the datagram has no entry.
 * @skb: the packet
 * @accept: whether the program accepts the datagram
 *
 * Another CPU may have given another fragment of the datagram to reassembly meanwhile. If
 * the program accepts the first fragment, reassembly gets it, too.
 *
 * Return: the next step, which is not BPF_NF_TRACK_JUDGE
 */
enum bpf_nf_track_step bpf_nf_track_judged(struct bpf_nf_track *track,
					   struct bpf_nf_track_entry *entry,
					   const struct sk_buff *skb, bool accept)
{
	enum bpf_nf_track_step step = accept ? BPF_NF_TRACK_ACCEPT : BPF_NF_TRACK_DROP;
	struct bpf_nf_track_bucket *bucket;
	bool process;

	if (!entry)
		return step;
	bucket = bpf_nf_track_bucket(track->table, entry->hash);
	process = bpf_nf_bucket_lock(bucket);
	entry->busy = false;
	if (likely(entry->state == BPF_NF_ENTRY_PENDING)) {
		entry->mark = skb->mark;
		entry->priority = skb->priority;
		entry->state = accept ? BPF_NF_ENTRY_ACCEPT : BPF_NF_ENTRY_DROP;
	} else if (accept) {
		step = entry->state == BPF_NF_ENTRY_REASSEMBLE ? BPF_NF_TRACK_HAND_OVER :
								 BPF_NF_TRACK_REFUSE;
	} else {
		/* The ranges lack what reassembly holds, so later fragments cannot be
		 * compared with them.
		 */
		entry->state = BPF_NF_ENTRY_REFUSED;
	}
	bpf_nf_bucket_unlock(bucket, process);
	return step;
}

/* End the entries that @ends() chooses. A busy entry has to stay. */
static void bpf_nf_track_purge(struct bpf_nf_track_net *table,
			       bool (*ends)(const struct bpf_nf_track_entry *, u32),
			       u32 arg)
{
	struct bpf_nf_track_bucket *bucket;
	struct bpf_nf_track_entry *entry;
	struct hlist_node *next;
	u32 i;

	for (i = 0; i < BPF_NF_TRACK_BUCKETS; i++) {
		bucket = &table->buckets[i];
		if (hlist_empty(&bucket->entries))
			continue;
		spin_lock_bh(&bucket->lock);
		hlist_for_each_entry_safe(entry, next, &bucket->entries, node) {
			if (!entry->busy && ends(entry, arg))
				bpf_nf_entry_free(table, entry);
		}
		spin_unlock_bh(&bucket->lock);
		cond_resched();
	}
}

static bool bpf_nf_ends_expired(const struct bpf_nf_track_entry *entry, u32 unused)
{
	return bpf_nf_entry_is_expired(entry);
}

static bool bpf_nf_ends_link(const struct bpf_nf_track_entry *entry, u32 id)
{
	return entry->key.link == id;
}

static bool bpf_nf_ends_all(const struct bpf_nf_track_entry *entry, u32 unused)
{
	return true;
}

static void bpf_nf_track_work(struct work_struct *work)
{
	struct bpf_nf_track_net *table;

	table = container_of(to_delayed_work(work), struct bpf_nf_track_net, work);
	bpf_nf_track_purge(table, bpf_nf_ends_expired, 0);
	if (atomic_read(&table->count))
		schedule_delayed_work(&table->work, HZ);
}

/**
 * bpf_nf_track_alloc - allocate what a link needs to track fragments
 *
 * Return: the memory, or NULL
 */
struct bpf_nf_track *bpf_nf_track_alloc(void)
{
	static atomic_t last_id;
	struct bpf_nf_track *track;

	/* bpf_nf_track_init() has failed. */
	if (!bpf_nf_track_cache)
		return NULL;
	track = kzalloc(sizeof(*track), GFP_KERNEL_ACCOUNT);
	if (!track)
		return NULL;
	track->stats = alloc_percpu_gfp(struct bpf_nf_track_stats, GFP_KERNEL_ACCOUNT);
	if (!track->stats) {
		kfree(track);
		return NULL;
	}
	track->id = atomic_inc_return(&last_id);
	return track;
}

/**
 * bpf_nf_track_free - free the memory of a link
 * @track: from bpf_nf_track_alloc(), or NULL. No packet uses it.
 */
void bpf_nf_track_free(struct bpf_nf_track *track)
{
	if (!track)
		return;
	free_percpu(track->stats);
	kfree(track);
}

static int bpf_nf_track_table_alloc(struct bpf_nf_track_net *table)
{
	struct bpf_nf_track_bucket *buckets;
	atomic_t *sources;
	u32 i;

	sources = kvcalloc(BPF_NF_TRACK_SOURCES, sizeof(*sources), GFP_KERNEL_ACCOUNT);
	buckets = kvcalloc(BPF_NF_TRACK_BUCKETS, sizeof(*buckets), GFP_KERNEL_ACCOUNT);
	if (!sources || !buckets) {
		kvfree(sources);
		kvfree(buckets);
		return -ENOMEM;
	}
	for (i = 0; i < BPF_NF_TRACK_BUCKETS; i++)
		spin_lock_init(&buckets[i].lock);
	table->sources = sources;
	table->buckets = buckets;
	return 0;
}

/* Built-in code cannot link to a function of a module, so look it up. The caller has a
 * reference on the module already: drop the one that symbol_get() takes.
 */
static int (*bpf_nf_track_gather_v6(void))(struct net *, struct sk_buff *, u32)
{
	int (*gather)(struct net *net, struct sk_buff *skb, u32 user) = NULL;

#if IS_ENABLED(CONFIG_NF_DEFRAG_IPV6)
	gather = symbol_get(nf_ct_frag6_gather);
	if (gather)
		symbol_put(nf_ct_frag6_gather);
#endif
	return gather;
}

/**
 * bpf_nf_track_attach - prepare to track fragments in a network namespace
 * @track: tracking state of the link
 * @net: the network namespace
 * @has_v6: the link has IPv6 packets. The caller has a reference on the module
 *	nf_defrag_ipv6, and keeps it until the hook is unregistered.
 *
 * Call it before the hook is registered.
 *
 * Return: 0, -ENOENT if nf_ct_frag6_gather() is not found, or -ENOMEM
 */
int bpf_nf_track_attach(struct bpf_nf_track *track, struct net *net, bool has_v6)
{
	struct bpf_nf_track_net *table = net_generic(net, bpf_nf_track_net_id);
	int err = 0;

	if (has_v6) {
		track->gather_v6 = bpf_nf_track_gather_v6();
		if (!track->gather_v6)
			return -ENOENT;
	}
	mutex_lock(&bpf_nf_track_mutex);
	if (!table->buckets)
		err = bpf_nf_track_table_alloc(table);
	mutex_unlock(&bpf_nf_track_mutex);
	track->table = table;
	return err;
}

/**
 * bpf_nf_track_detach - end the entries of a link
 * @track: tracking state of the link
 *
 * Call it after the hook was unregistered. Packets that still pass the hook may leave
 * entries, which expire.
 */
void bpf_nf_track_detach(struct bpf_nf_track *track)
{
	bpf_nf_track_purge(track->table, bpf_nf_ends_link, track->id);
}

/**
 * bpf_nf_track_fdinfo - print the counters of a link
 * @track: tracking state of the link
 * @seq: the file
 */
void bpf_nf_track_fdinfo(const struct bpf_nf_track *track, struct seq_file *seq)
{
	struct bpf_nf_track_stats sum = {};
	const struct bpf_nf_track_stats *stats;
	int cpu;

	for_each_possible_cpu(cpu) {
		stats = per_cpu_ptr(track->stats, cpu);
		sum.tracked += READ_ONCE(stats->tracked);
		sum.later += READ_ONCE(stats->later);
		sum.reassembled += READ_ONCE(stats->reassembled);
		sum.full += READ_ONCE(stats->full);
	}
	seq_printf(seq, "tracked_datagrams:\t%lu\n", sum.tracked);
	seq_printf(seq, "later_fragments:\t%lu\n", sum.later);
	seq_printf(seq, "reassembled_fragments:\t%lu\n", sum.reassembled);
	seq_printf(seq, "table_full:\t%lu\n", sum.full);
}

#ifdef CONFIG_SYSCTL
static int bpf_nf_track_max_max = 1 << 20;
static int bpf_nf_track_timeout_max = 120;

/* bpf_nf_track_sysctl_register() sets the data in this order. */
static const struct ctl_table bpf_nf_track_sysctls[] = {
	{
		.procname	= "nf_bpf_track_count",
		.maxlen		= sizeof(int),
		.mode		= 0444,
		.proc_handler	= proc_dointvec,
	},
	{
		.procname	= "nf_bpf_track_max",
		.maxlen		= sizeof(int),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= &bpf_nf_track_max_max,
	},
	{
		.procname	= "nf_bpf_track_max_source",
		.maxlen		= sizeof(int),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= &bpf_nf_track_max_max,
	},
	{
		.procname	= "nf_bpf_track_timeout",
		.maxlen		= sizeof(int),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ONE,
		.extra2		= &bpf_nf_track_timeout_max,
	},
	{
		.procname	= "nf_bpf_track_drop_full",
		.maxlen		= sizeof(int),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE,
	},
	{ }
};

static int bpf_nf_track_sysctl_register(struct bpf_nf_track_net *table, struct net *net)
{
	struct ctl_table *sysctls;

	sysctls = kmemdup(bpf_nf_track_sysctls, sizeof(bpf_nf_track_sysctls),
			  GFP_KERNEL_ACCOUNT);
	if (!sysctls)
		return -ENOMEM;
	sysctls[0].data = &table->count;
	sysctls[1].data = &table->max;
	sysctls[2].data = &table->max_source;
	sysctls[3].data = &table->timeout;
	sysctls[4].data = &table->drop_full;
	/* Entries are not charged to a memory cgroup, so root of another user namespace
	 * must not raise their number.
	 */
	if (net->user_ns != &init_user_ns) {
		sysctls[1].mode = 0444;
		sysctls[2].mode = 0444;
	}

	table->sysctls = nf_bpf_register_sysctl(net, "net/netfilter", sysctls,
						ARRAY_SIZE(bpf_nf_track_sysctls) - 1);
	if (!table->sysctls) {
		kfree(sysctls);
		return -ENOMEM;
	}
	return 0;
}

static void bpf_nf_track_sysctl_unregister(struct bpf_nf_track_net *table)
{
	const struct ctl_table *sysctls = table->sysctls->ctl_table_arg;

	unregister_net_sysctl_table(table->sysctls);
	kfree(sysctls);
}
#else
static int bpf_nf_track_sysctl_register(struct bpf_nf_track_net *table, struct net *net)
{
	return 0;
}

static void bpf_nf_track_sysctl_unregister(struct bpf_nf_track_net *table)
{
}
#endif

static int __net_init bpf_nf_track_net_init(struct net *net)
{
	struct bpf_nf_track_net *table = net_generic(net, bpf_nf_track_net_id);

	atomic_set(&table->count, 0);
	table->max = 16384;
	table->max_source = 4096;
	/* Hosts keep fragments for up to 60 seconds (RFC 1122, RFC 8200), Linux those of IPv4
	 * for 30. While they do, the entry has to know what has passed.
	 */
	table->timeout = IPV6_FRAG_TIMEOUT / HZ;
	table->seed = get_random_u32();
	get_random_bytes(&table->headers_key, sizeof(table->headers_key));
	INIT_DELAYED_WORK(&table->work, bpf_nf_track_work);
	return bpf_nf_track_sysctl_register(table, net);
}

/* No packet passes a hook of the namespace any more: a grace period has ended since
 * bpf_nf_net_pre_exit() unregistered the hooks.
 */
static void __net_exit bpf_nf_track_net_exit(struct net *net)
{
	struct bpf_nf_track_net *table = net_generic(net, bpf_nf_track_net_id);

	bpf_nf_track_sysctl_unregister(table);
	if (!table->buckets)
		return;
	cancel_delayed_work_sync(&table->work);
	bpf_nf_track_purge(table, bpf_nf_ends_all, 0);
	kvfree(table->buckets);
	kvfree(table->sources);
}

static struct pernet_operations bpf_nf_track_net_ops = {
	.init	= bpf_nf_track_net_init,
	.exit	= bpf_nf_track_net_exit,
	.id	= &bpf_nf_track_net_id,
	.size	= sizeof(struct bpf_nf_track_net),
};

static int __init bpf_nf_track_init(void)
{
	int err;

	bpf_nf_track_cache = KMEM_CACHE(bpf_nf_track_entry, 0);
	if (!bpf_nf_track_cache)
		return -ENOMEM;
	err = register_pernet_subsys(&bpf_nf_track_net_ops);
	if (err) {
		kmem_cache_destroy(bpf_nf_track_cache);
		bpf_nf_track_cache = NULL;
	}
	return err;
}
subsys_initcall(bpf_nf_track_init);
