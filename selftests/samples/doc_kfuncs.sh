#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Takes the examples out of Documentation/bpf/prog_netfilter_kfuncs.rst, compiles and loads
# them, and attaches them to the router. Also tests that <bpf/bpf_netfilter.h> declares the
# same functions.
#
# Requires: CONFIG_NETFILTER_BPF_KFUNC clang conntrack nft rst2man

source "$(dirname "$0")/../lib.sh"

# shellcheck source=../helpers/doc_programs.sh
source "$SELFTESTS_SRC/helpers/doc_programs.sh"
DOC=$SELFTESTS_SRC/../Documentation/bpf/prog_netfilter_kfuncs.rst
PROTOTYPES=$SELFTESTS_SRC/../include/net/netfilter/nf_bpf_kfunc.h
# The modules for unmodified kernels declare these functions.
PACKET_PROTOTYPES=$SELFTESTS_SRC/../dkms/nf_bpf_packet_kfunc.h
ENTRY_PROTOTYPES=$SELFTESTS_SRC/../dkms/nf_bpf_entry.h
UAPI=$SELFTESTS_SRC/../include/uapi/linux/bpf_nf.h
HEADER=$SELFTESTS_SRC/../tools/lib/bpf/bpf_netfilter.h
MODULE=nf_bpf_kfunc
TRANSLATED=8080		# the port of the NAT example
SOURCE=0xcb007109	# 203.0.113.9, an unused address
OBJECTS=(pieces)	# the objects of the examples
TYPES_OF_MAINLINE=$SELFTESTS/mainline

setup()
{
	needs_own BPF_NF_LINK_INET	# others let programs call other functions for entries
	router_up
	load_policy
	without conntrack || OBJECTS+=(stateful)
	compile_examples
	load_examples
}

compile_examples()
{
	local object

	example '#include "vmlinux.h"' > "$WORK/stateful.bpf.c"
	pieces > "$WORK/pieces.bpf.c"
	for object in "${OBJECTS[@]}"; do
		compile "$object"
	done
}

compile_programs()
{
	OBJECTS+=(stateful)
	compile_examples
	compile_header own "$(vmlinux_dir)"
	compile_header mainline "$TYPES_OF_MAINLINE"
}

load_examples()
{
	local object

	for object in "${OBJECTS[@]}"; do
		nf_prog load "$WORK/$object.bpf.o" "$PINS/$object"
	done
}

# example TEXT: print the literal block that contains TEXT. Such a block is indented more
# than the line before it.
example()
{
	awk -v text="$1" '
	{ match($0, /^ */) }
	NF && RLENGTH <= outer { if (index(block, text)) printf "%s", block; block = ""; on = 0 }
	on && NF && !inner { inner = RLENGTH }
	on { block = block substr($0, inner + 1) "\n" }
	NF && !on { outer = RLENGTH; inner = 0; on = /::$/ }' "$DOC" | grep '' ||
		fail "$DOC: no example with $1" >&2
}

# Print the rules in the here document of the example.
rules()
{
	example "$1" | sed -n "/<<'EOF'/,/^ *EOF/p" |
		sed "1d; \$d; s/^\( *table\) inet/\1 $NFT_INET/"
}

# compile NAME [DIR]: compile NAME with DIR/vmlinux.h.
compile()
{
	compile_program "$1" -Wno-unused -mcpu=v3 -I "${2:-$(vmlinux_dir)}"
}

# piece NAME TEXT [BEFORE]: print the function NAME with the example that contains TEXT. The
# statements BEFORE come before the example.
piece()
{
	local text

	# Call example() here: a failure inside the here document would go unnoticed.
	text=$(example "$2")
	cat <<-EOC
	SEC("netfilter")
	int $1(struct bpf_nf_ctx *ctx)
	{
		struct bpf_sock_tuple tuple = { .ipv4 = {
			.saddr = bpf_htonl(0xc0000202), .sport = bpf_htons(1234),
			.daddr = bpf_htonl(0xc6336402), .dport = bpf_htons(5678),
		} };
		struct bpf_nf_ct_opts opts = {
			.netns_id = -1, .l4proto = IPPROTO_UDP,
		};
		struct bpf_nf_ct_info info = {};
		struct nf_conn___init *init;
		struct nf_conn *ct;
		__u32 mark;

		${3-}
		{
			$text
		}
		return 1;
	}
	EOC
}

pieces()
{
	cat <<-'EOC'
	#include "vmlinux.h"
	#include <bpf/bpf_endian.h>
	#include <bpf/bpf_helpers.h>

	#define NF_DROP 0

	char _license[] SEC("license") = "GPL";
	void bpf_ct_release(struct nf_conn *ct) __ksym;
	struct nf_conn *bpf_ct_insert_entry(struct nf_conn___init *ct) __ksym;
	void bpf_ct_set_timeout(struct nf_conn___init *ct, __u32 timeout) __ksym;
	int bpf_ct_change_timeout(struct nf_conn *ct, __u32 timeout) __ksym;
	EOC
	# The prototypes of the kernel.
	sed -n '/bpf_nf_ct_get(/,/^#endif/{ /^#endif/d; s/);/) __ksym;/; p }' "$PROTOTYPES"
	piece reject "bpf_nf_reject(ctx,"
	! without conntrack || return 0
	piece entry "ct = bpf_nf_ct_get(ctx);"
	piece labels "bpf_nf_ct_set_labels(ctx,"
	piece lookup "ct = bpf_nf_ct_lookup("
	piece alloc "init = bpf_nf_ct_alloc("
	piece nat "bpf_nf_ct_set_nat(ctx," "bpf_nf_ct_info(ctx, &info, sizeof(info));"
	# A variant of the example for the source address, with the same guard.
	piece source_nat "bpf_nf_ct_set_nat(ctx," "bpf_nf_ct_info(ctx, &info, sizeof(info));" |
		sed "s/0xc6336402/$SOURCE/; s/8080, NF_NAT_MANIP_DST/0, NF_NAT_MANIP_SRC/"
}

# Earlier tests have loaded the module. Their programs may still hold it for a moment.
unload()
{
	! grep -q "^$MODULE " /proc/modules || wait_for rmmod "$MODULE"
}

# libbpf refuses the example. After the command in its message, the example loads.
check_not_loaded()
{
	local object=${OBJECTS[-1]}

	nf_prog clean "$PINS/links"
	rm -r "${OBJECTS[@]/#/$PINS/}"
	unload
	modinfo "$MODULE" > "$WORK/modinfo"
	expect_fails "it may be in the module $MODULE, which is not loaded: try 'modprobe $MODULE'" \
		nf_prog load "$WORK/$object.bpf.o" "$PINS/$object"
	modprobe "$MODULE"
	load_examples
	expect_fails "in use" rmmod "$MODULE"
}

attach_example()
{
	attach "$1" inet "${@:2}"
}

# Begin with an empty conntrack table and a rule that counts.
conntrack()
{
	requires conntrack
	rules "table inet t" | nft_router -f -
	nft_router -f - <<-EOC
	table $NFT_INET seen {
		chain c {
			type filter hook postrouting priority 20;
			$1 counter
		}
	}
	EOC
	nf_prog exec "$NS_ROUTER" conntrack -F
}

# The printed example has index 0 for the inside device, so no packet comes from inside.
check_stateful()
{
	local family=$1 client=CLIENT_IP$1 index

	conntrack "ct state new"
	flow "$family" udp 9999 send
	expect_outcome "delivered *"
	attach_example stateful/stateful forward 0
	flow "$family" udp 9998 send
	expect_outcome "lost"
	expect_link "$LINK" accepted=0 dropped=1
	detach_all

	index=$(ip -n "$NS_ROUTER" -o link show dev "$ROUTER_LEFT_DEV")
	sed "s/^\(const .* inside\);/\1 = ${index%%:*};/" "$WORK/stateful.bpf.c" \
		> "$WORK/inside.bpf.c"
	compile inside
	[[ -e $PINS/inside ]] || nf_prog load "$WORK/inside.bpf.o" "$PINS/inside"
	attach_example inside/stateful forward 0
	flow "$family" udp 9997 send reply
	expect_outcome "delivered *, delivered *"
	expect_link "$LINK" accepted=2 dropped=0
	! in_ns "$NS_SERVER" ping -c 1 -W 1 "${!client}" || fail "let in from outside"
	expect_link "$LINK" accepted=2 dropped=1
}

# check_effect NAME MATCH: the example accepts packets, and has the effect that nft's MATCH
# finds.
check_effect()
{
	conntrack "$2"
	flow 4 udp 9999 send
	expect_outcome "delivered *"
	expect_nft_counter "$NFT_INET seen c" 0
	attach_example "pieces/$1" forward 0
	flow 4 udp 9996 send
	expect_outcome "delivered *"
	expect_nft_counter "$NFT_INET seen c" 1
}

check_passes()
{
	conntrack "udp dport 9999"
	attach_example "pieces/$1" forward 0
	flow 4 udp 9999 send reply
	expect_outcome "delivered *, delivered *"
	expect_link "$LINK" accepted=2 dropped=0
}

# The client reaches the server by an unused address.
test_nat()
{
	local FLOW_TO_ADDRESS=203.0.113.7 FLOW_LISTEN=$TRANSLATED

	requires conntrack
	conntrack "udp dport $TRANSLATED"
	rules "table inet n" | nft_router -f -
	flow 4 udp 9999 send
	expect_outcome "icmp *"
	attach_example pieces/nat prerouting -150
	flow 4 udp 9998 send reply
	expect_outcome "delivered *, delivered *"
	expect_nft_counter "$NFT_INET seen c" 1
}

# Before these hooks, NAT has decided about the destination, which it leaves as it is here.
check_source_nat()
{
	conntrack "udp dport 9998"
	rules "table inet n" | nft_router -f -
	attach_example pieces/source_nat "$1" "$2"
	flow 4 udp 9998 send
	expect_outcome "delivered *"
	expect_nft_counter "$NFT_INET seen c" 1
	expect_match "entry" "*src=$CLIENT_IP4 * dst=203.0.113.9 *" \
		"$(nf_prog exec "$NS_ROUTER" conntrack -L 2> /dev/null)"
	expect_link "$LINK" accepted=1 dropped=0
}

check_reject()
{
	local server=SERVER_IP$1

	expect_match "ping" "*1 received*" \
		"$(in_ns "$NS_CLIENT" ping -c 1 -W 5 "${!server}")"
	attach_example pieces/reject forward 0
	expect_fails "$2" in_ns "$NS_CLIENT" ping -c 1 -W 5 "${!server}"
	expect_link "$LINK" dropped=1
}

header_calls()
{
	cat <<-'EOC'
	#include "vmlinux.h"
	#include <bpf/bpf_helpers.h>
	#include <bpf/bpf_netfilter.h>

	char LICENSE[] SEC("license") = "GPL";
	void bpf_ct_release(struct nf_conn *ct) __ksym;
	struct nf_conn *bpf_ct_insert_entry(struct nf_conn___init *ct) __ksym;

	SEC("netfilter")
	int calls(struct bpf_nf_ctx *ctx)
	{
		struct bpf_nf_ct_opts___nf opts = { .netns_id = -1, .l4proto = IPPROTO_UDP };
		struct bpf_sock_tuple tuple = {};
		struct bpf_nf_ct_labels___nf labels = {};
		struct bpf_nf_ct_info___nf info = {};
		struct bpf_nf_frag_info___nf frag = {};
		union bpf_nf_addr addr = {};
		struct nf_conn___init *init;
		struct nf_conn *ct;

		bpf_nf_frag_info___nf(ctx, &frag, sizeof(frag));
		bpf_nf_ct_info___nf(ctx, &info, sizeof(info));
		bpf_nf_ct_set_mark___nf(ctx, 1, 1);
		bpf_nf_ct_get_labels___nf(ctx, &labels, sizeof(labels));
		bpf_nf_ct_set_labels___nf(ctx, &labels, sizeof(labels), &labels, sizeof(labels));
		bpf_nf_ct_set_nat___nf(ctx, &addr, 0, BPF_NF_NAT_DST);
		ct = bpf_nf_ct_get___nf(ctx);
		if (ct)
			bpf_ct_release(ct);
		ct = bpf_nf_ct_lookup___nf(ctx, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
		if (ct)
			bpf_ct_release(ct);
		init = bpf_nf_ct_alloc___nf(ctx, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
		if (init) {
			ct = bpf_ct_insert_entry(init);
			if (ct)
				bpf_ct_release(ct);
		}
		bpf_nf_reject___nf(ctx, BPF_NF_REJECT_ICMPX, BPF_NF_REJECT_NO_ROUTE);
		return NF_ACCEPT;
	}
	EOC
}

# compile_header NAME DIR: compile header_NAME with DIR/vmlinux.h
compile_header()
{
	header_calls > "$WORK/header_$1.bpf.c"
	compile "header_$1" "$2"
}

# The header's types and prototypes match the kernel, with each vmlinux.h.
check_header()
{
	local name=header_$1 function

	requires conntrack
	compile_header "$1" "$2"
	while read -r function; do
		# A patched kernel has helpers and other functions in place of these.
		[[ $function = bpf_nf_frag_info* ]] ||
			! grep -qw "${function%___nf}" "$PACKET_PROTOTYPES" \
				"$ENTRY_PROTOTYPES" || continue
		grep -q "$function(ctx" "$WORK/$name.bpf.c" ||
			fail "$function: not called"
	done < <(sed -nE 's/^extern .*\b(bpf_nf_[a-z_]+___nf)\(.*/\1/p' \
		"$BUILD/tools/include/bpf/bpf_netfilter.h")
	nf_prog load "$WORK/$name.bpf.o" "$PINS/$name"
}

# Print the prototypes of a header, one a line.
prototypes()
{
	local prototype='[a-z0-9_ *]*bpf_nf_\w+\(struct bpf_nf_ctx [^)]*\)'

	tr -s '\n\t ' ' ' < "$1" | sed 's/___nf//g; s/[;}]/&\n/g' |
		sed -nE "s:^ *(.*/ )?(extern )?($prototype).*;$:\3:p" |
		sed 's/__\(u[36][24]\)/\1/g; s/nf_inet_addr/bpf_nf_addr/; s/__bpf_nf_map/bpf_map/; s/__bpf_nf_fib/bpf_fib_lookup/' |
		sed 's/nf_nat_manip_type/bpf_nf_nat_manip/' |
		grep -v -e bpf_nf_frag_info -e __always_inline -e ^__weak | sort
}

# The header has other names for two types, and one function that the module lacks.
test_header_prototypes()
{
	local kernel

	kernel=$(sort <(prototypes "$PROTOTYPES") <(prototypes "$PACKET_PROTOTYPES"))
	expect_eq "number of functions" 20 "$(wc -l <<< "$kernel")"
	expect_eq "prototypes" "$kernel" "$(prototypes "$HEADER")"
}

# Print the numbers of a header, from enums and macros.
numbers()
{
	local name='BPF_NF_(CT|FRAG|REJECT)_[A-Z_]*' number='1U << [0-9]|[0-9]*'

	sed -nE "s/^(#define)?\s*($name)[ \t=]*\(?($number)\)?,?$/\2 \4/p" "$1" | sort
}

test_header_types()
{
	local name

	for name in frag_info ct_info ct_labels ct_opts; do
		expect_match "$name" "*__[us]*;*" \
			"$(sed -n "/^struct bpf_nf_$name {/,/^}/p" "$UAPI")"
		expect_eq "$name" "$(sed -n "/^struct bpf_nf_$name {/,/^}/p" "$UAPI")" \
			"$(sed -n "/^struct bpf_nf_${name}___nf {/,/^}/{ s/___nf//; p }" "$HEADER")"
	done
	expect_match "numbers" "*BPF_NF_CT_UNTRACKED 1U << 6*" "$(numbers "$UAPI")"
	expect_eq "numbers" "$(numbers "$UAPI")" "$(numbers "$HEADER")"
}

test_text_is_valid()
{
	rst2man --exit-status=2 "$DOC" > "$WORK/man"
}

# This test is the first, because few programs hold the module now.
add_test "module_not_loaded" check_not_loaded
for family in "${FAMILIES[@]}"; do
	add_test "stateful_ipv$family" check_stateful "$family"
done
add_test "entry" check_effect entry "ct mark 7"
add_test "labels" check_effect labels "ct label 3"
add_test "lookup" check_passes lookup
add_test "alloc" check_passes alloc
add_test "source_nat_forward" check_source_nat forward 0
add_test "source_nat_postrouting" check_source_nat postrouting 50
add_test "reject_ipv4" check_reject 4 "Packet filtered"
add_test -r ipv6 "reject_ipv6" check_reject 6 "Administratively prohibited"
add_test "header" check_header own "$(vmlinux_dir)"
add_test "header_mainline" check_header mainline "$TYPES_OF_MAINLINE"

on_host "$@"
run_tests
