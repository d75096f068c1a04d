// SPDX-License-Identifier: GPL-2.0
/* Bytes of packets that reach user space as perf events, and by ring buffer. */
#include <arpa/inet.h>
#include <netinet/ip.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "packet/progs/perf_output.skel.h"

/* PACKET: nf_send_loopback() sends headers of IPv4 and UDP, and a byte. */
enum { PACKET = 20 + 8 + 1, MAGIC = 8, RING_BYTES = 24 };

FIXTURE(samples)
{
	const char *lacks;
	struct packet_perf_output *skel;
	struct perf_buffer *events;
	struct ring_buffer *ring;
	int link;
	int seen;
	__u32 size;
	unsigned char bytes[256];
};

static void take(FIXTURE_DATA(samples) *self, const void *data, __u32 size)
{
	self->seen++;
	self->size = size;
	memcpy(self->bytes, data, size < sizeof(self->bytes) ? size :
							      sizeof(self->bytes));
}

static void take_event(void *self, int cpu, void *data, __u32 size)
{
	take(self, data, size);
}

static int take_record(void *self, void *data, size_t size)
{
	take(self, data, size);
	return 0;
}

FIXTURE_SETUP(samples)
{
	if (!nf_has_packet_access()) {
		self->lacks = NF_PACKET_ACCESS;
		return;
	}
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	self->skel = packet_perf_output__open_and_load();
	ASSERT_NE(NULL, self->skel);
	self->events = perf_buffer__new(bpf_map__fd(self->skel->maps.events), 8,
					take_event, NULL, self, NULL);
	ASSERT_NE(NULL, self->events);
	self->ring = ring_buffer__new(bpf_map__fd(self->skel->maps.ring),
				      take_record, self, NULL);
	ASSERT_NE(NULL, self->ring);
}

FIXTURE_TEARDOWN(samples)
{
	close(self->link);
	ring_buffer__free(self->ring);
	perf_buffer__free(self->events);
	packet_perf_output__destroy(self->skel);
}

#define ATTACH(prog) do {						\
	const struct nf_key _key = {					\
		.pf = NFPROTO_IPV4,					\
		.hooknum = NF_INET_LOCAL_OUT,				\
	};								\
									\
	self->link = nf_link(bpf_program__fd(self->skel->progs.prog), &_key); \
	ASSERT_LE(0, self->link);					\
} while (0)

/* One packet, and what came of it: by now it is there or never will be. */
#define SEND() do {							\
	self->seen = 0;							\
	self->skel->bss->runs = 0;					\
	self->skel->bss->ret = 12345;					\
	ASSERT_EQ(0, nf_send_loopback(1));				\
	ASSERT_EQ(1, self->skel->bss->runs);				\
	ASSERT_LE(0, perf_buffer__consume(self->events));		\
	ASSERT_LE(0, ring_buffer__consume(self->ring));			\
} while (0)

static bool is_the_packet(const unsigned char *bytes)
{
	const struct iphdr *iph = (const void *)bytes;

	return iph->version == 4 && iph->ihl == 5 && ntohs(iph->tot_len) == PACKET &&
	       iph->protocol == IPPROTO_UDP &&
	       iph->daddr == htonl(INADDR_LOOPBACK);
}

/* perf pads what it sends: 4 bytes of its own, and all to a multiple of 8. */
static __u32 padded(__u32 size)
{
	return (4 + size + 7) / 8 * 8 - 4;
}

NF_TEST_F(samples, perf_event)
{
	ATTACH(by_event);
	for (self->skel->bss->want = 20; self->skel->bss->want <= PACKET;
	     self->skel->bss->want++) {
		SEND();
		EXPECT_EQ(0, self->skel->bss->ret);
		ASSERT_EQ(1, self->seen);
		EXPECT_EQ(padded(MAGIC + self->skel->bss->want), self->size);
		EXPECT_EQ(0, memcmp(self->bytes, &self->skel->data->magic, MAGIC));
		EXPECT_TRUE(is_the_packet(self->bytes + MAGIC));
	}
	/* The payload, which is at the very end. */
	EXPECT_EQ('x', self->bytes[MAGIC + PACKET - 1]);
}

NF_TEST_F(samples, perf_event_without_bytes_of_the_packet)
{
	ATTACH(by_event);
	SEND();
	EXPECT_EQ(0, self->skel->bss->ret);
	ASSERT_EQ(1, self->seen);
	EXPECT_EQ(padded(MAGIC), self->size);
}

NF_TEST_F(samples, perf_event_longer_than_the_packet)
{
	static const __u64 lengths[] = { PACKET + 1, 4096, 0xfffff };
	size_t i;

	ATTACH(by_event);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		self->skel->bss->want = lengths[i];
		SEND();
		EXPECT_EQ(-EFAULT, self->skel->bss->ret);
		EXPECT_EQ(0, self->seen);
	}
	self->skel->bss->want = PACKET;
	SEND();
	EXPECT_EQ(0, self->skel->bss->ret);
	EXPECT_EQ(1, self->seen);
}

NF_TEST_F(samples, perf_event_flags)
{
	static const __u64 bad[] = { 1ULL << 52, 1ULL << 63 };
	size_t i;

	ATTACH(by_event);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->skel->bss->more_flags = bad[i];
		SEND();
		EXPECT_EQ(-EINVAL, self->skel->bss->ret);
		EXPECT_EQ(0, self->seen);
	}
	self->skel->bss->more_flags = 0;
	SEND();
	EXPECT_EQ(1, self->seen);
}

NF_TEST_F(samples, ring_buffer)
{
	ATTACH(by_ring);
	SEND();
	EXPECT_EQ(0, self->skel->bss->ret);
	ASSERT_EQ(1, self->seen);
	EXPECT_EQ(RING_BYTES, self->size);
	EXPECT_TRUE(is_the_packet(self->bytes));
}

TEST_HARNESS_MAIN
