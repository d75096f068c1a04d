// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of a program that changes while a helper works with it.
 *
 * Processors: 2
 */
#include <netinet/ip.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "packet/run_packet.h"

enum { SECONDS = 3, VERSION_IHL = 0x45, OTHER_IHL = 0x4f };

static atomic_bool stop;

static void *change(void *arg)
{
	atomic_uchar *byte = arg;

	while (!stop) {
		*byte = OTHER_IHL;
		*byte = VERSION_IHL;
	}
	return NULL;
}

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* The length of the header is not to be changed: what is checked is what is stored. */
TEST(store_bytes)
{
	const struct iphdr iph = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons(64),
	};
	/* The beginning of struct nf_hook_state. */
	const __u8 state[] = { NF_INET_PRE_ROUTING, NFPROTO_IPV4 };
	long stored = 0, refused = 0, changed = 0;
	struct packet_bpf_helpers *skel;
	__u8 packet[64] = {}, out[64];
	pthread_t thread;
	time_t end;

	if (!nf_has_packet_access())
		NF_LACKS(return, NF_PACKET_ACCESS);
	skel = packet_bpf_helpers__open_and_load();
	ASSERT_NE(NULL, skel);
	memcpy(packet, &iph, sizeof(iph));
	skel->bss->length = 1;
	ASSERT_EQ(0, pthread_create(&thread, NULL, change, &skel->bss->buffer[0]));
	/* On a slow kernel until both were there to be found, however long it takes. */
	end = now() + SECONDS;
	while (now() < end || !stored || !refused) {
		struct bpf_test_run_opts opts = {
			.sz = sizeof(opts),
			.data_in = packet,
			.data_size_in = sizeof(packet),
			.data_out = out,
			.data_size_out = sizeof(out),
			.ctx_in = state,
			.ctx_size_in = sizeof(state),
			.repeat = 1,
		};

		ASSERT_EQ(0, run_packet(skel, skel->progs.store, &opts, NULL));
		stored += skel->bss->ret == 0;
		refused += skel->bss->ret == -EPERM;
		changed += out[0] != VERSION_IHL;
	}
	stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, changed);
	printf("# stored %ld times, refused %ld times, changed %ld times\n", stored,
	       refused, changed);
	packet_bpf_helpers__destroy(skel);
}

TEST_HARNESS_MAIN
