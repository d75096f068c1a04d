# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Senders. Each send function sends COUNT packets or datagrams through the router, and
# prints the nanoseconds of guest time that this took.

PKTGEN=/proc/net/pktgen
# Number of source ports. A hash lookup is then the mean over many buckets.
FLOWS=1000

ROUTER_MAC=
ROUTER_PID=

router_mac()
{
	ip -n router -j link show dev in | jq -r '.[0].address'
}

# Print the number of packets that left by "out". Use no extra process, because a process
# is expensive on an emulated processor.
forwarded()
{
	local line

	while read -ra line; do
		[[ ${line[0]} != out: ]] || printf '%s\n' "${line[10]}"
	done < "/proc/$ROUTER_PID/net/dev"
}

# --- pktgen: UDP ------------------------------------------------------------

pktgen_set()
{
	local file=$1

	shift
	printf '%s\n' "$*" > "$PKTGEN/$file"
}

pktgen_flow()
{
	local saddr=$1 daddr=$2 sport=$3 flows=$4 dport=$5

	if [[ $FAMILY = 4 ]]; then
		pktgen_set gen "src_min $saddr"
		pktgen_set gen "src_max $saddr"
		pktgen_set gen "dst $daddr"
	else
		pktgen_set gen "src6 $saddr"
		pktgen_set gen "dst6 $daddr"
	fi
	pktgen_set gen "udp_src_min $sport"
	pktgen_set gen "udp_src_max $((sport + flows))"
	pktgen_set gen "udp_dst_min $dport"
	pktgen_set gen "udp_dst_max $dport"
}

load_pktgen()
{
	[[ -d $PKTGEN ]] || modprobe pktgen
}

# pktgen_up BYTES: set up pktgen for packets of BYTES from the IP header on
pktgen_up()
{
	load_pktgen
	pktgen_set kpktgend_0 rem_device_all
	pktgen_set kpktgend_0 add_device gen
	pktgen_set gen "pkt_size $(($1 + 14))"
	pktgen_set gen "dst_mac $ROUTER_MAC"
	pktgen_set gen "delay 0"
}

send_pktgen()
{
	local count=$1

	pktgen_set gen "count $count"
	pktgen_set pgctrl start
	awk '/^Result: OK/ { sub(/\(.*/, "", $3); print $3 * 1000; found = 1 }
	     END { exit !found }' "$PKTGEN/gen"
}

send_udp()
{
	pktgen_up "$BYTES"
	pktgen_flow "$CLIENT" "$SERVER" 1000 "$FLOWS" 2000
	send_pktgen "$1"
}

# Send the listed flow with another destination port, which rules compare last.
send_last()
{
	pktgen_up "$BYTES"
	pktgen_flow "$LISTED_CLIENT" "$LISTED_SERVER" 9 0 2000
	send_pktgen "$1"
}

# --- send_frames: a packet socket; TCP and fragments -----------------------------------------

# frame_times COUNT [OPTION...]: print how long sending took, and when it began
frame_times()
{
	"$TOOLS/send_frames" -n "$1" "${@:2}" gen "$ROUTER_MAC" "$CLIENT" "$SERVER" 1000 2000
}

frames()
{
	local times

	times=$(frame_times "$@")
	printf '%s\n' "${times% *}"
}

send_frames()
{
	frames "$1" -s "$((BYTES - (FAMILY == 4 ? 20 : 40)))"
}

send_tcp()
{
	frames "$1" -t -s "$((BYTES - 20))"
}

# send_fragments COUNT: send datagrams of BYTES in the order ORDER
send_fragments()
{
	case $ORDER in
	in-order)
		frames "$1" -s "$BYTES" ;;
	reversed)
		frames "$1" -s "$BYTES" -r ;;
	interleaved-*)
		frames "$1" -s "$BYTES" -i "${ORDER#*-}" ;;
	esac
}

# --- shared by all senders --------------------------------------------------

# Send the flow that the policies drop, with the traffic of the current part.
send_listed()
{
	local frames=("$TOOLS/send_frames" -n 10)
	local flow=(gen "$ROUTER_MAC" "$LISTED_CLIENT" "$LISTED_SERVER" 9 10)

	case $TRAFFIC in
	udp|last|frames)
		"${frames[@]}" -s 104 "${flow[@]}" > /dev/null ;;
	tcp)
		"${frames[@]}" -t -s 1480 "${flow[@]}" > /dev/null ;;
	fragments)
		"${frames[@]}" -s 4096 "${flow[@]}" > /dev/null ;;
	esac
	# Wait for packets that user space judges. Idle time costs nothing here.
	[[ $SEND = send_"$TRAFFIC" ]] || sleep 1
}

# send_queued FILE COUNT: send through a program that writes the time of its last verdict
# to FILE. The program still works after the last packet was sent, and this work counts.
send_queued()
{
	local file=$1 count=$2 before times

	before=$(forwarded)
	times=$(frame_times "$count" -s "$((BYTES - 20))")
	wait_for forwarded_since "$before" "$count"
	printf '%s\n' "$(($(od -A n -t d8 "$file") - ${times#* }))"
}

forwarded_since()
{
	(($(forwarded) - $1 >= $2))
}

wait_for()
{
	local i

	for ((i = 0; i < 100; i++)); do
		! "$@" || return 0
		sleep 0.1
	done
	warn "$CASE: gave up waiting for: $*"
	return 1
}
