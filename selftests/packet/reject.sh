#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The answers that bpf_nf_reject() sends: each ICMP code of each family, resets, and no
# answer where the kernel must not send one.
#
# Requires: CONFIG_NETFILTER_BPF_KFUNC nft bpftool

source "$(dirname "$0")/../lib.sh"

declare -ri UDP=17 TCP=6
# enum bpf_nf_reject_type
declare -ri ICMP=1 ICMPX=2 RESET=3
declare -ri EINVAL=22 ELOOP=40 EPROTO=71 EBADMSG=74 EOPNOTSUPP=95 EADDRNOTAVAIL=99 \
	EHOSTUNREACH=113

setup()
{
	router_up
	load_kfunc reject
}

# limits MS: allow one error to an address in MS milliseconds; 0 is no limit. The limit of
# all errors together, per namespace since 6.1.165, is raised so that it has no effect.
limits()
{
	nf_prog exec "$NS_ROUTER" bash -ec "cd /proc/sys/net
		echo 10000 | tee ipv4/icmp_msgs_per_sec > ipv4/icmp_msgs_burst
		echo $1 > ipv4/icmp_ratelimit
		[[ ! -d ipv6 ]] || echo $1 > ipv6/icmp/ratelimit"
}

unreachable()
{
	echo $(($1 == 4 ? 3 : 1))
}

# "Destination unreachable" messages that the router has sent.
sent_unreachable()
{
	snmp_counter "$NS_ROUTER" Icmp OutDestUnreachs Icmp6OutDestUnreachs
}

# rejected FAMILY TYPE CODE SEEN: a datagram, forwarded.
rejected()
{
	tell proto="$UDP" port=9999 type="$2" code="$3" times=1 verdict=0
	flow "$1" udp 9999 send
	expect_outcome "icmp $4"
	expect_told packets=1 ret=0
}

check_codes()
{
	local family=$1 last=15 code

	((family == 4)) || last=6
	limits 0
	flow "$family" udp 9999 send
	expect_outcome "delivered *"
	attach kfunc/reject inet forward 0
	for ((code = 0; code <= last; code++)); do
		((family == 6 || code != 4)) || continue
		rejected "$family" "$ICMP" "$code" "$(unreachable "$family") $code"
	done
}

check_icmpx()
{
	local family=$1 codes=(0 3 1 13) code

	((family == 4)) || codes=(0 4 3 1)
	limits 0
	attach kfunc/reject inet forward 0
	for code in "${!codes[@]}"; do
		rejected "$family" "$ICMPX" "$code" \
			"$(unreachable "$family") ${codes[code]}"
	done
}

# refused TYPE CODE ERROR: the packet is the program's to let pass.
refused()
{
	tell proto="$UDP" port=9999 type="$1" code="$2" times=1
	flow "$family" udp 9999 send
	expect_outcome "delivered *"
	expect_told packets=1 ret=-"$3"
}

check_bad_codes()
{
	local family=$1

	limits 0
	attach kfunc/reject inet forward 0
	refused 0 0 "$EINVAL"
	refused 4 0 "$EINVAL"
	refused -1 0 "$EINVAL"
	refused "$ICMPX" 4 "$EINVAL"
	refused "$ICMPX" -1 "$EINVAL"
	refused "$RESET" 1 "$EINVAL"
	refused "$RESET" 0 "$EPROTO"
	if ((family == 4)); then
		refused "$ICMP" 4 "$EINVAL"
		refused "$ICMP" 16 "$EINVAL"
	else
		refused "$ICMP" 7 "$EINVAL"
	fi
	refused "$ICMP" 256 "$EINVAL"
	refused "$ICMP" -1 "$EINVAL"
	rejected "$family" "$ICMP" 1 "$(unreachable "$family") 1"
}

# The way of a packet through a hook.
through()
{
	local hook=$1 family=$2 left=ROUTER_LEFT_IP$2

	case $hook in
	input)
		FLOW_TO=$NS_ROUTER FLOW_TO_ADDRESS=${!left} ;;
	output|postrouting)
		FLOW_FROM=$NS_ROUTER ;;
	esac
}

check_hook()
{
	local family=$1 hook=$2 priority=$3 code=13
	local FLOW_FROM='' FLOW_TO='' FLOW_TO_ADDRESS=''

	((family == 4)) || code=1
	limits 0
	through "$hook" "$family"
	flow "$family" udp 9999 send
	expect_outcome "delivered *"
	attach kfunc/reject inet "$hook" "$priority"
	tell proto="$UDP" port=9999 type="$ICMPX" code=3 times=1 verdict=0
	flow "$family" udp 9999 send
	expect_outcome "*icmp $(unreachable "$family") $code"
	expect_told packets=1 ret=0

	# The reset passes the program as well, where it is sent.
	tell proto="$TCP" port=9999 oneway=1 type="$RESET" times=1 verdict=0
	flow "$family" tcp 9999 send
	expect_outcome "reset"
	expect_told packets=1 ret=0
	tell proto="$TCP" port=9999
	FROM_PORT=40001 flow "$family" tcp 9999 send
	expect_outcome "delivered *"
}

check_postrouting()
{
	local family=$1
	local FLOW_FROM='' before

	limits 0
	attach kfunc/reject inet postrouting 0
	before=$(sent_unreachable)
	refused "$ICMPX" 3 "$EOPNOTSUPP"
	FLOW_FROM=$NS_ROUTER
	refused "$ICMPX" 3 "$EOPNOTSUPP"
	expect_eq "errors sent" "$before" "$(sent_unreachable)"
	detach_all
	FLOW_FROM=''
	attach kfunc/reject inet forward 0
	rejected "$family" "$ICMPX" 0 "$(unreachable "$family") 0"
	expect_eq "errors sent" $((before + 1)) "$(sent_unreachable)"
}

# A packet that is dropped only is lost, and a connection too: not so with a reset.
check_drop()
{
	local family=$1

	attach kfunc/reject inet forward 0
	tell proto="$TCP" port=9999 times=0 verdict=0
	flow "$family" tcp 9999 send
	expect_outcome "lost"
	expect_told packets=1
	tell proto="$TCP" port=9999 type="$RESET" times=1 verdict=0
	flow "$family" tcp 9999 send
	expect_outcome "reset"
	expect_told packets=1 ret=0
	detach_all
	flow "$family" tcp 9999 send
	expect_outcome "delivered *"
}

check_icmp_for_tcp()
{
	local family=$1

	limits 0
	attach kfunc/reject inet forward 0
	tell proto="$TCP" port=9999 type="$ICMPX" code=3 times=1 verdict=0
	flow "$family" tcp 9999 send
	expect_outcome "icmp *"
	expect_told packets=1 ret=0
	detach_all
	flow "$family" tcp 9999 send
	expect_outcome "delivered *"
}

# No fragment but the first is answered, and that one only if its checksum can be
# right, which it cannot here.
check_fragments()
{
	local family=$1 before

	limits 0
	attach kfunc/reject "$( ((family == 4)) && echo ip || echo ip6)" prerouting -450
	before=$(sent_unreachable)
	if ((family == 4)); then
		tell proto="$UDP" type="$ICMPX" times=1
		probe 4 client-server -z 1400,480,912
		# The first one, and the sentinel behind, have a header.
		expect_told packets=4 refused=2
	else
		tell proto=44 type="$ICMPX" times=1
		probe 6 client-server -z 1400,480,912
		expect_told packets=3 refused=2 ret=-"$EBADMSG"
	fi
	expect_delivered "2784 intact"
	tell proto="$UDP" port=9999 type="$ICMPX" times=1 verdict=0
	flow "$family" udp 9999 send
	expect_outcome "icmp $(unreachable "$family") 0"
	# IPv4: the sentinel of the fragments was one, too.
	expect_eq "errors sent" $((before + 1 + (family == 4))) "$(sent_unreachable)"
}

# A packet to a broadcast or multicast address gets no answer.
check_multicast()
{
	local family=$1 to before addresses=(224.1.2.3 192.0.2.255)

	((family == 4)) || addresses=(ff0e::77)
	limits 0
	attach kfunc/reject inet prerouting 0
	before=$(sent_unreachable)
	for to in "${addresses[@]}"; do
		tell proto="$UDP" port=9999 type="$ICMPX" times=1
		FLOW_TO_ADDRESS=$to flow "$family" udp 9999 send
		expect_outcome "lost"
		expect_told packets=1 ret=-"$EADDRNOTAVAIL"
	done
	expect_eq "errors sent" "$before" "$(sent_unreachable)"
	rejected "$family" "$ICMPX" 0 "$(unreachable "$family") 0"

	# At output no device has marked the packet as broadcast or multicast.
	detach_all
	attach kfunc/reject inet output 0
	before=$(sent_unreachable)
	for to in "${addresses[@]}"; do
		tell proto="$UDP" port=9999 type="$ICMPX" times=1
		FLOW_FROM=$NS_ROUTER FLOW_TO_ADDRESS=$to flow "$family" udp 9999 send
		expect_outcome "lost"
		expect_told packets=1 ret=-"$EADDRNOTAVAIL"
	done
	expect_eq "errors sent" "$before" "$(sent_unreachable)"
	tell proto="$UDP" port=9999 type="$ICMPX" times=1 verdict=0
	FLOW_FROM=$NS_ROUTER flow "$family" udp 9999 send
	expect_outcome "*icmp $(unreachable "$family") 0"
	expect_told packets=1 ret=0
}

# The answer copies the options, which have to have room in it.
check_options()
{
	local family=4 options before

	# Record route (11 bytes), one of nothing, time stamps (28).
	options=options=070b04$(printf '%016d' 0)01441c0500$(printf '%048d' 0)
	limits 0
	attach kfunc/reject ip forward 0
	tell proto="$UDP" type="$ICMPX" code=3 times=1 verdict=0
	flow 4 udp 9999 "$options" send
	expect_outcome "icmp 3 13"
	expect_told packets=1 ret=0

	# A length written over ends where the header does, and goes over the other.
	nft_router -f - <<-EOF2
	table ip t {
		chain c {
			type filter hook forward priority -10;
			udp dport 9999 @nh,168,8 set 40 counter
		}
	}
	EOF2
	before=$(sent_unreachable)
	tell proto="$UDP" type="$ICMPX" code=3 times=1 verdict=0
	flow 4 udp 9999 "$options" send
	expect_outcome "lost"
	expect_told packets=1 ret=-"$EBADMSG"
	expect_nft_counter "ip t c" 1
	expect_eq "errors sent" "$before" "$(sent_unreachable)"
	nft_router flush ruleset
	tell proto="$UDP" type="$ICMPX" code=3 times=1 verdict=0
	flow 4 udp 9999 "$options" send
	expect_outcome "icmp 3 13"
}

# An ICMP error gets no answer. The server sends the error, because its port is closed.
check_error()
{
	local family=$1 before proto=1

	((family == 4)) || proto=58
	limits 0
	FLOW_LISTEN=1 flow "$family" udp 9999 send
	expect_outcome "icmp *"
	attach kfunc/reject inet forward 0
	before=$(sent_unreachable)
	tell proto="$proto" type="$ICMPX" times=1 verdict=0
	FLOW_LISTEN=1 flow "$family" udp 9999 send
	expect_outcome "lost"
	expect_told packets=1 ret=0
	expect_eq "errors sent" "$before" "$(sent_unreachable)"
	rejected "$family" "$ICMPX" 0 "$(unreachable "$family") 0"
	expect_eq "errors sent" $((before + 1)) "$(sent_unreachable)"
}

# burst FAMILY ERRORS: as many (a pattern) answer a burst of 50 datagrams.
burst()
{
	local family=$1 errors=$2 before

	before=$(sent_unreachable)
	flow "$family" udp 9999 burst=50
	expect_match "errors that arrived" "errors $errors" "$OUTCOME"
	expect_match "errors sent" "$errors" $(($(sent_unreachable) - before))
}

check_rate()
{
	local family=$1

	attach kfunc/reject inet forward 0
	tell proto="$UDP" port=9999 type="$ICMPX" code=3 times=1 verdict=0
	limits 0
	burst "$family" 50
	expect_told packets=50 ret=0
	limits 60000
	FROM_PORT=40001 burst "$family" '?'
	expect_told packets=100 ret=0
	limits 0
	FROM_PORT=40002 burst "$family" 50
	expect_told packets=150 ret=0
}

# Behind 33 tail calls, too little of the kernel's stack is left for an answer.
check_deep()
{
	local family=$1

	limits 0
	attach kfunc/reject inet forward 0
	rejected "$family" "$ICMPX" 0 "$(unreachable "$family") 0"
	detach_all
	attach kfunc/deep inet forward 0
	tell proto="$UDP" port=9999 type="$ICMPX"
	flow "$family" udp 9999 send
	expect_told packets=34 ret=-"$ELOOP"
	expect_outcome "lost"
}

# An answer that is made into something else, and is answered: that ends.
check_answers()
{
	local family=$1 FLOW_FROM=$NS_ROUTER

	attach kfunc/answer inet output 0
	tell proto="$TCP" port=9999 type="$RESET"
	flow "$family" tcp 9999 send
	expect_outcome "lost"
	expect_told packets=2 ret=-"$ELOOP"
	detach_all
	flow "$family" tcp 9999 send
	expect_outcome "delivered *"
}

# An answer to a packet that has no device yet does not leave one behind.
check_device()
{
	local family=$1 FLOW_FROM=$NS_ROUTER

	limits 0
	detach_all
	attach kfunc/reject inet output 0
	tell proto="$UDP" port=9999 type="$ICMPX" times=0 verdict=1
	flow "$family" udp 9999 send
	expect_outcome "delivered *"
	expect_told packets=1 device=0
	tell proto="$UDP" port=9999 type="$ICMPX" times=1 verdict=1
	flow "$family" udp 9999 send
	expect_told packets=1 ret=0 device=0
}

# The route of the answer is not the packet's.
check_accepted()
{
	local family=$1 hook

	limits 0
	nft_router -f - <<-EOF2
	table $NFT_INET t {
		chain c {
			type filter hook forward priority 10;
			oifname $ROUTER_RIGHT_DEV udp dport 9999 counter
		}
	}
	EOF2
	for hook in prerouting forward; do
		attach kfunc/reject inet "$hook" 0
		tell proto="$UDP" port=9999 type="$ICMPX" times=1
		flow "$family" udp 9999 send
		expect_outcome "icmp $(unreachable "$family") 0"
		expect_told packets=1 ret=0
		detach_all
	done
	expect_nft_counter "$NFT_INET t c" 2
}

# A test run's packet comes from nowhere: nothing is sent, at no hook.
check_test_run()
{
	local family=$1 hook state packet before error

	needs_own BPF_NF_LINK_INET	# mainline's test run has a hook of its own
	limits 0
	before=$(sent_unreachable)
	# UDP from the client's port 40000 to the server's 9999
	if ((family == 4)); then
		packet=4500001c000000004011b0c4c0000202c6336402
	else
		packet=600000000008114020010db800010000000000000000000220010db8000200000000000000000002
	fi
	xxd -r -p <<< "${packet}9c40270f00080000" > "$WORK/packet"
	for hook in 0 1 2 3 4; do
		state=$(printf '%02x%02x' "$hook" $((family == 4 ? 2 : 10)))
		xxd -r -p <<< "$state$(printf '%092d' 0)" > "$WORK/state"
		tell proto="$UDP" port=9999 type="$ICMPX" times=1
		nf_prog exec "$NS_ROUTER" bpftool prog run pinned "$PINS/kfunc/reject" \
			data_in "$WORK/packet" ctx_in "$WORK/state"
		error=$((hook == 4 ? EOPNOTSUPP : EHOSTUNREACH))
		expect_told packets=1 ret=-"$error"
	done
	expect_eq "errors sent" "$before" "$(sent_unreachable)"
	attach kfunc/reject inet forward 0
	rejected "$family" "$ICMPX" 0 "$(unreachable "$family") 0"
	expect_eq "errors sent" $((before + 1)) "$(sent_unreachable)"
}

add_test "ip_options_ipv4" check_options
for family in "${FAMILIES[@]}"; do
	for name in codes icmpx bad_codes postrouting drop icmp_for_tcp fragments \
		    multicast error rate deep answers device accepted test_run; do
		add_test "${name}_ipv$family" "check_$name" "$family"
	done
	add_test "prerouting_ipv$family" check_hook "$family" prerouting 0
	add_test "prerouting_first_ipv$family" check_hook "$family" prerouting -1000
	add_test "input_ipv$family" check_hook "$family" input 0
	add_test "forward_ipv$family" check_hook "$family" forward 0
	add_test "output_ipv$family" check_hook "$family" output 0
done

run_tests
