#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs read and change conntrack entries of packets that the router forwards. nft and
# conntrack(8) see the same values and changes.
#
# Requires: CONFIG_NF_CONNTRACK CONFIG_NETFILTER_BPF_KFUNC nft conntrack python3

source "$(dirname "$0")/../lib.sh"

# enum bpf_nf_ct_state
declare -ri INVALID=1 ESTABLISHED=2 RELATED=4 NEW=8 UNTRACKED=64
# IPS_SEEN_REPLY, IPS_CONFIRMED
declare -ri CONFIRMED_AND_REPLIED=10
declare -ri UDP=17
declare -ri ENOENT=2 EBUSY=16 EINVAL=22 ENOSPC=28 ENONET=64 EPROTO=71

setup()
{
	router_up
	load_kfunc
}

track()
{
	nft_track
	router_conntrack -F
}

router_conntrack()
{
	nf_prog exec "$NS_ROUTER" conntrack "$@" 2>&1
}

# The entry to that port, as conntrack(8) prints it.
entry()
{
	local family=$1 port=$2

	router_conntrack -L -f "ipv$family" -p udp --dport "$port" |
		grep -v 'flow entries' || :
}

expect_entry()
{
	expect_match "conntrack -L" "$3" "$(entry "$1" "$2")"
}

# expect_timeout FAMILY PORT FROM TO: seconds that the entry is to live.
expect_timeout()
{
	local line seconds

	line=$(entry "$1" "$2")
	[[ $line =~ ^udp\ +17\ ([0-9]+) ]] || fail "no entry: $line"
	seconds=${BASH_REMATCH[1]}
	((seconds >= $3 && seconds <= $4)) ||
		fail "timeout: expected $3 to $4 seconds, got $seconds"
}

icmp_of()
{
	echo $(($1 == 4 ? 1 : 58))
}

# --- states ------------------------------------------------------------------

check_states()
{
	local family=$1

	attach kfunc/info inet forward 0
	tell proto="$UDP" port=9999
	flow "$family" udp 9999 send
	expect_outcome "delivered *"
	expect_told packets=1 ret=0 state="$INVALID" status=0 zone_dir=0

	track
	flow "$family" udp 9999 send
	expect_outcome "delivered *"
	expect_told packets=2 ret=0 state="$NEW" dir=0 zone=0 zone_dir=3
	flow "$family" udp 9999 send reply
	expect_outcome "delivered *, delivered *"
	expect_told packets=4 state="$ESTABLISHED" dir=1
	flow "$family" udp 9999 send
	expect_told packets=5 state="$ESTABLISHED" dir=0 status="$CONFIRMED_AND_REPLIED"
}

# The server's port is closed, so the server's error passes the router.
check_related()
{
	local family=$1

	track
	attach kfunc/info inet forward 0
	tell proto="$(icmp_of "$family")"
	FLOW_LISTEN=1234 flow "$family" udp 9999 send
	expect_outcome "icmp *"
	expect_told packets=1 state="$RELATED" dir=1
}

# send_icmp FAMILY TYPE: an echo reply without a request, or a request.
send_icmp()
{
	local family=$1 type=$2 server=SERVER_IP$1

	nf_prog exec "$NS_CLIENT" python3 - "$family" "$type" "${!server}" <<-'EOF2'
	import socket, struct, sys
	family, kind, to = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
	af = socket.AF_INET if family == 4 else socket.AF_INET6
	s = socket.socket(af, socket.SOCK_RAW, 1 if family == 4 else 58)
	body = struct.pack("!HH", 77, kind)
	check = 0
	if family == 4:
	    check = ~sum((kind << 8, 77, kind)) & 0xffff
	s.sendto(struct.pack("!BBH", kind, 0, check) + body, (to, 0))
	EOF2
}

check_invalid()
{
	local family=$1 reply=0 request=8

	((family == 4)) || reply=129 request=128
	track
	attach kfunc/info inet forward 0
	tell proto="$(icmp_of "$family")"
	send_icmp "$family" "$reply"
	expect_told packets=1 state="$INVALID"
	tell proto="$(icmp_of "$family")" verdict=0
	send_icmp "$family" "$request"
	expect_told packets=1 state="$NEW"
}

check_untracked()
{
	local family=$1

	track
	nft_raw 'udp dport 9999 notrack'
	attach kfunc/info inet forward 0
	attach kfunc/own inet forward 1
	tell proto="$UDP" port=9999
	flow "$family" udp 9999 send
	expect_told packets=2 state="$UNTRACKED" found=0
	tell proto="$UDP" port=53
	flow "$family" udp 53 send
	expect_told packets=2 state="$NEW" found=1
}

# A rule's template is on the packet before conntrack is; it is no entry.
check_zone()
{
	local family=$1

	track
	nft_raw 'udp dport 9999 ct zone set 5' 'udp dport 53 ct original zone set 6'
	attach kfunc/own inet prerouting -250
	attach kfunc/info inet forward 0
	tell proto="$UDP" port=9999
	flow "$family" udp 9999 send
	expect_told packets=2 found=0 state="$NEW" zone=5 zone_dir=3
	tell proto="$UDP" port=53
	flow "$family" udp 53 send
	expect_told packets=2 found=0 state="$NEW" zone=6 zone_dir=1
}

# Locally sent packets are in process context.
check_local()
{
	local family=$1 hook

	track
	for hook in output postrouting; do
		attach kfunc/info inet "$hook" 0
		attach kfunc/own inet "$hook" 1
		attach kfunc/mark inet "$hook" 2
	done
	tell proto="$UDP" port=9999 new_mark=7 mask=0xff
	FLOW_FROM=$NS_ROUTER flow "$family" udp 9999 send
	expect_outcome "delivered *"
	expect_told packets=6 found=2 state="$NEW" ret=0 mark=7
}

check_reassembled()
{
	local family=$1

	track
	attach kfunc/info inet forward 0 defrag
	attach kfunc/mark inet forward 1
	tell proto="$UDP" port=9999 new_mark=0x77 mask=-1
	probe "$family" client-server -z 1400,480,912 -o 2,1,0
	expect_delivered "2784 intact"
	expect_told packets=2 state="$NEW" length=$((2792 + (family == 4 ? 20 : 40)))
	expect_entry "$family" 9999 "*mark=119 *"
}

# --- the mark ------------------------------------------------------------------

check_mark()
{
	local family=$1

	attach kfunc/mark inet forward 0
	tell proto="$UDP" port=9999 new_mark=0xabcd mask=0xff
	flow "$family" udp 9999 send
	expect_told packets=1 ret=-"$ENOENT"

	track
	nft_router add rule "$NFT_INET" t c ct mark set 0x1200
	flow "$family" udp 9999 send
	expect_told packets=2 ret=0
	expect_entry "$family" 9999 "*mark=$((0x1200)) *"
	# The rule is behind the program.
	nft_router flush chain "$NFT_INET" t c
	nft_router add rule "$NFT_INET" t c ct state established,new counter
	flow "$family" udp 9999 send
	expect_told packets=3 ret=0
	expect_entry "$family" 9999 "*mark=$((0x12cd)) *"
	attach kfunc/info inet forward 1
	tell proto="$UDP" port=9999
	flow "$family" udp 9999 send
	expect_told packets=2 mark=$((0x12cd))
}

# Listeners of conntrack events are notified.
check_mark_event()
{
	local family=$1 listener

	track
	attach kfunc/mark inet forward 0
	# By its path: of a function the shell would be killed.
	"$HELPERS/nf_prog" exec "$NS_ROUTER" timeout 30 conntrack -E -e UPDATES \
		-f "ipv$family" > "$WORK/events" 2> "$WORK/events.err" &
	listener=$!
	wait_for heard_event "$family"
	kill "$listener"
	wait "$listener" || :
}

# An entry that is older than the listener has no events.
heard_event()
{
	local FROM_PORT=$((RANDOM % 10000 + 20000))

	tell proto="$UDP" port=9999 new_mark=0x1111 mask=-1
	flow "$1" udp 9999 send
	tell proto="$UDP" port=9999 new_mark=0x2222 mask=-1
	flow "$1" udp 9999 send
	grep -q "sport=$FROM_PORT dport=9999 .*mark=$((0x2222))" "$WORK/events"
}

check_direct()
{
	local family=$1

	track
	attach kfunc/direct inet forward 0
	tell proto="$UDP" port=9999 new_mark=0x4321 timeout=500000
	flow "$family" udp 9999 send reply
	expect_told packets=2 found=2 ret=0
	expect_entry "$family" 9999 "*\[ASSURED\] mark=$((0x4321)) *"
	expect_timeout "$family" 9999 490 500
}

# --- labels --------------------------------------------------------------------

check_labels()
{
	local family=$1

	attach kfunc/labels inet forward 0
	tell proto="$UDP" port=9999 label0=8 mask0=-1 label1=$((1 << 36)) mask1=-1
	flow "$family" udp 9999 send
	expect_told packets=1 ret=-"$ENOENT"

	# No rule uses labels: the program makes room for them.
	track
	flow "$family" udp 9999 send
	expect_told packets=2 ret=0 labels0=8 labels1=$((1 << 36))
	nft_router add rule "$NFT_INET" t c ct label 3 ct label 100 counter
	nft_router flush chain "$NFT_INET" t c
	nft_router add rule "$NFT_INET" t c ct label 3 ct label 100 ct label != 4 counter
	tell proto="$UDP" port=9999 label0=-1 mask0=0x21
	flow "$family" udp 9999 send
	expect_told packets=1 ret=0 labels0=$((0x29)) labels1=$((1 << 36))
	expect_nft_counter "$NFT_INET t c" 1
	tell proto="$UDP" port=9999 mask0=0x20
	flow "$family" udp 9999 send
	expect_told packets=1 ret=0 labels0=9
}

# broadcast NAME=VALUE...: to the programs, and a datagram of the client to all that is on
# its link.
broadcast()
{
	tell proto="$UDP" port=9999 label0=8 mask0=-1 "$@"
	FLOW_TO_ADDRESS=192.0.2.255 flow 4 udp 9999 send
}

# A bridge floods clones of a packet, which share its new entry. The function must not
# change an entry that others read. A packet that is routed has an entry of its own.
test_labels_of_clones()
{
	track
	modprobe br_netfilter
	ip -n "$NS_ROUTER" -batch - <<-EOF
	link add name br0 type bridge
	link set dev br0 up
	link add name third type dummy
	link set dev third up
	link set dev third master br0
	link set dev $ROUTER_LEFT_DEV master br0
	EOF
	in_ns "$NS_ROUTER" sysctl -q net.bridge.bridge-nf-call-iptables=1
	attach kfunc/labels ip forward 0
	broadcast
	expect_told packets=1 ret=-"$EBUSY"
	ip -n "$NS_ROUTER" link delete br0
	ip -n "$NS_ROUTER" link delete third
	nf_prog exec "$NS_ROUTER" conntrack -F
	tell proto="$UDP" port=9999 label0=8 mask0=-1
	flow 4 udp 9999 send
	expect_told packets=1 ret=0 labels0=8
}

# An expectation of nft points to the new entry. The function must not move what it points to.
check_labels_of_expecting()
{
	local family=$1

	track
	nft_expectation "$family"
	attach kfunc/labels inet forward 1
	tell proto="$UDP" port=9999 label0=8 mask0=-1
	flow "$family" udp 9999 send
	expect_told packets=1 ret=-"$EBUSY"
	expect_nft_counter "$NFT_INET e c" 1
	expect_match "expectations" "*dport=9876*" "$(router_conntrack -L expect -f "ipv$family")"
	nft_router delete table "$NFT_INET" e
	FROM_PORT=40001 flow "$family" udp 9999 send
	expect_told packets=2 ret=0 labels0=8
}

check_labels_of_nft()
{
	local family=$1

	track
	nft_router insert rule "$NFT_INET" t c ct label set 5
	attach kfunc/read_labels inet forward 20
	tell proto="$UDP" port=9999
	flow "$family" udp 9999 send
	expect_told packets=1 labels0=32 labels1=0
}

# A connection that began without room for labels cannot get labels later.
check_labels_too_late()
{
	local family=$1

	track
	flow "$family" udp 9999 send
	attach kfunc/labels inet forward 0
	tell proto="$UDP" port=9999 label0=8 mask0=-1
	flow "$family" udp 9999 send
	expect_told packets=1 ret=-"$ENOSPC" labels0=0
	FROM_PORT=40001 flow "$family" udp 9999 send
	expect_told packets=2 ret=0 labels0=8
}

# --- other entries -------------------------------------------------------------

check_lookup()
{
	local family=$1 meant=(proto="$UDP" port=9999 other_port=7777 other_proto="$UDP")
	local change error

	track
	nft_router insert rule "$NFT_INET" t c udp dport 7777 ct mark set 0x7777
	attach kfunc/lookup inet forward 0
	tell "${meant[@]}"
	flow "$family" udp 9999 send
	expect_told packets=1 found=0 ret=-"$ENOENT"
	flow "$family" udp 7777 send
	flow "$family" udp 9999 send
	expect_told packets=2 found=1 ret=0 dir=0 mark=$((0x7777))

	for change in other_proto=6:ENOENT other_proto=1:EPROTO netns_id=-2:EINVAL \
			netns_id=99:ENONET in_zone_dir=4:EINVAL in_zone=1:ENOENT \
			reserved=1:EINVAL reserved=2:EINVAL reserved=3:EINVAL; do
		error=${change#*:}
		tell "${meant[@]}" "${change%:*}"
		flow "$family" udp 9999 send
		expect_told packets=1 found=0 ret=-"${!error}"
	done
	tell "${meant[@]}"
	flow "$family" udp 9999 send
	expect_told packets=1 found=1 ret=0
}

# A reply's tuple is the other direction of the entry, which its packet before made.
check_lookup_reply()
{
	local family=$1

	track
	attach kfunc/lookup inet forward 0
	tell proto="$UDP" port=9999 other_port="$FROM_PORT" other_proto="$UDP"
	flow "$family" udp 9999 send reply
	expect_outcome "delivered *, delivered *"
	expect_told packets=2 found=1 ret=0 dir=1
}

check_lookup_zone()
{
	local family=$1 meant=(proto="$UDP" port=9999 other_port=7777 other_proto="$UDP")

	track
	nft_raw 'udp dport 7777 ct zone set 5'
	flow "$family" udp 7777 send
	attach kfunc/lookup inet forward 0
	tell "${meant[@]}"
	flow "$family" udp 9999 send
	expect_told packets=1 found=0 ret=-"$ENOENT"
	tell "${meant[@]}" in_zone=5
	flow "$family" udp 9999 send
	expect_told packets=1 found=1 ret=0 dir=0
}

# The id that the server's namespace has in the router, as the peer of a device.
server_netns_id()
{
	local list

	list=$(ip -n "$NS_ROUTER" netns list)
	[[ $list =~ $NS_SERVER\ \(id:\ ([0-9]+)\) ]] || fail "no id: $list"
	echo "${BASH_REMATCH[1]}"
}

check_lookup_netns()
{
	local family=$1 meant=(proto="$UDP" port=9999 other_port=7777 other_proto="$UDP")
	local id

	id=$(server_netns_id)
	nf_prog exec "$NS_SERVER" nft -f - <<-EOF2
	table $NFT_INET s {
		chain c {
			type filter hook input priority 0;
			ct state new counter
		}
	}
	EOF2
	flow "$family" udp 7777 send
	attach kfunc/lookup inet forward 0
	tell "${meant[@]}"
	flow "$family" udp 9999 send
	expect_told packets=1 found=0 ret=-"$ENOENT"
	tell "${meant[@]}" netns_id="$id"
	flow "$family" udp 9999 send
	expect_told packets=1 found=1 ret=0
	nf_prog exec "$NS_SERVER" nft flush ruleset
}

check_alloc()
{
	local family=$1
	local meant=(proto="$UDP" port=9999 other_port=6666 other_proto="$UDP"
		     timeout=100000 new_mark=0x66)

	track
	attach kfunc/alloc inet forward 0
	tell "${meant[@]}" other_proto=47
	flow "$family" udp 9999 send
	expect_told packets=1 found=0 ret=-"$EPROTO"
	expect_entry "$family" 6666 ""

	tell "${meant[@]}"
	flow "$family" udp 9999 send
	expect_told packets=1 found=1 ret=0
	expect_entry "$family" 6666 "*dport=6666 *mark=102 *"
	expect_timeout "$family" 6666 90 100
	# The table has this entry already, so the new one is freed.
	flow "$family" udp 9999 send
	expect_told packets=2 found=2 ret=-1
	# The entry is used by the packet whose tuple it has.
	attach kfunc/info inet forward 1
	tell proto="$UDP" port=6666
	flow "$family" udp 6666 send
	expect_told packets=2 mark=$((0x66)) state="$ESTABLISHED" dir=0
}

check_alloc_timeout()
{
	local family=$1

	track
	attach kfunc/alloc inet forward 0
	# Until it is listed it has to be there.
	tell proto="$UDP" port=9999 other_port=6666 other_proto="$UDP" \
		timeout=$((2000 * ${NF_BPF_SLOW:-1}))
	flow "$family" udp 9999 send
	expect_told packets=1 found=1 ret=0
	expect_entry "$family" 6666 "*dport=6666 *"
	wait_for entry_is_gone "$family" 6666
}

entry_is_gone()
{
	[[ -z $(entry "$1" "$2") ]]
}

# --- arguments -----------------------------------------------------------------

check_sizes()
{
	local family=$1 size

	track
	attach kfunc/sizes inet forward 0
	for size in 0 4 8 12 15 17 20 32 63; do
		tell proto="$UDP" port=9999 size="$size"
		flow "$family" udp 9999 send
		expect_told packets=1 ret=-"$EINVAL" state=-"$EINVAL" status=-"$EINVAL" \
			mark=-"$EINVAL" dir=0 \
			zone=$((size < 8 ? 0 : -EINVAL))
	done
	tell proto="$UDP" port=9999 size=16
	flow "$family" udp 9999 send
	expect_told packets=1 ret=0 state=0 zone=-"$ENOENT" dir=0
}

for family in "${FAMILIES[@]}"; do
	for name in states related invalid untracked zone local reassembled mark \
		    mark_event direct labels labels_of_expecting labels_of_nft labels_too_late lookup \
		    lookup_reply lookup_zone lookup_netns alloc alloc_timeout sizes; do
		add_test "${name}_ipv$family" "check_$name" "$family"
	done
done

run_tests
