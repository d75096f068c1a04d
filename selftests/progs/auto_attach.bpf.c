// SPDX-License-Identifier: GPL-2.0
/* Programs in sections for libbpf's auto-attach. A test loads the programs that it needs. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

__u64 packets;

#define PROGRAM(name, section)						\
	SEC("?netfilter" section)					\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		__sync_fetch_and_add(&packets, 1);			\
		return 1;						\
	}

PROGRAM(bare, "")
PROGRAM(ip_prerouting, "/ip/prerouting")
PROGRAM(ip_input, "/ip/input")
PROGRAM(ip_forward, "/ip/forward")
PROGRAM(ip_output, "/ip/output")
PROGRAM(ip_postrouting, "/ip/postrouting")
PROGRAM(ip6_forward, "/ip6/forward")
PROGRAM(inet_forward, "/inet/forward")
PROGRAM(raw, "/ip/output/raw")
PROGRAM(mangle, "/ip/output/mangle")
PROGRAM(dstnat, "/ip/output/dstnat")
PROGRAM(filter, "/ip/output/filter")
PROGRAM(security, "/ip/output/security")
PROGRAM(srcnat, "/ip/output/srcnat")
PROGRAM(number, "/ip/output/42")
PROGRAM(negative, "/ip/output/-42")
PROGRAM(plus_number, "/ip/output/+42")
PROGRAM(lowest, "/ip/output/-2147483647")
PROGRAM(highest, "/ip/output/2147483646")
PROGRAM(name_plus, "/ip/output/filter+10")
PROGRAM(name_minus, "/ip/output/mangle-1")
PROGRAM(ip_defrag, "/ip/forward/filter/defrag")
PROGRAM(ip6_defrag, "/ip6/forward/-399/defrag")
PROGRAM(inet_defrag, "/inet/forward/0/defrag")
PROGRAM(inet_strict, "/inet/forward/filter/strict")
PROGRAM(defrag_only, "/ip/forward/defrag")
PROGRAM(strict_only, "/inet/forward/strict")
PROGRAM(track_only, "/inet/forward/track")
PROGRAM(inet_track, "/inet/forward/filter+10/track")
PROGRAM(pre_routing, "/ip/pre_routing")
PROGRAM(local_in, "/ip/local_in/raw")
PROGRAM(local_out, "/ip/local_out/defrag")
PROGRAM(post_routing, "/ip/post_routing/srcnat+1")

PROGRAM(no_family, "/")
PROGRAM(bad_family, "/arp/forward")
PROGRAM(family_in_capitals, "/IP/forward")
PROGRAM(no_hook, "/ip")
PROGRAM(empty_hook, "/ip/")
PROGRAM(bad_hook, "/ip/ingress")
PROGRAM(hook_number, "/ip/2")
PROGRAM(empty_priority, "/ip/forward/")
PROGRAM(bad_priority, "/ip/forward/last")
PROGRAM(hexadecimal_priority, "/ip/forward/0x10")
PROGRAM(half_an_offset, "/ip/forward/filter+")
PROGRAM(two_offsets, "/ip/forward/filter+1+1")
PROGRAM(name_in_part, "/ip/forward/filt")
PROGRAM(huge_priority, "/ip/forward/99999999999")
PROGRAM(sum_too_large, "/ip/forward/srcnat+2147483647")
PROGRAM(bad_flag, "/ip/forward/filter/reassemble")
PROGRAM(empty_flag, "/ip/forward/filter/")
PROGRAM(more_behind_defrag, "/ip/forward/filter/defrag/x")
PROGRAM(more_behind_strict, "/ip/forward/filter/strict/x")
PROGRAM(priority_behind_defrag, "/ip/forward/defrag/filter")
PROGRAM(empty_behind_strict, "/ip/forward/strict/")
PROGRAM(two_flags, "/ip/forward/defrag/strict")
PROGRAM(alias_in_capitals, "/ip/LOCAL_IN")
/* libbpf accepts these two, and the kernel refuses them. */
PROGRAM(defrag_too_early, "/ip/forward/-400/defrag")
PROGRAM(priority_min, "/ip/forward/-2147483648")
