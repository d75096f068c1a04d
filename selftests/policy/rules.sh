#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Rules of maps as text: nf-bpf save and load, and the rules that a policy names.
#
# Requires: jq
# Kernel: any

source "$(dirname "$0")/lib.sh"

RULES=
ENOMEM=12

begin_rules()
{
	begin
	RULES=$WORK/edge.rules
	printf '%s\n' "$@" > "$RULES"
	conf block "object = $SELFTESTS/policy/progs/rules.bpf.o" "rules = $RULES"
}

saved()
{
	nf_bpf save edge - | grep -v '^\[' | sort
}

# expect_saved RULE...: the maps have these entries and no other
expect_saved()
{
	expect_eq "rules" "$(printf '%s\n' "$@" | sort)" "$(saved)"
}

test_round_trip()
{
	local rules=(
		"192.0.2.0/24 -> verdict=-1 mark=7" "0.0.0.0/0 -> verdict=1"
		"2001:db8::/32 -> verdict=1"
		"port=1000-2000 protocol=tcp -> verdict=1" "port=domain-domain protocol=udp -> verdict=1"
		"saddr=192.0.2.1 daddr=198.51.100.1 dport=https protocol=tcp -> 5"
		"daddr=2001:db8::1 dport=ssh protocol=tcp -> 0" "protocol=50 family=2 -> 3"
		"2 -> 99"
	)
	begin_rules "[blocked]" "${rules[@]:0:2}" "[blocked6]" "${rules[2]}" "[services]" \
		"${rules[@]:3:2}" "[tuples]" "${rules[@]:5:3}" "[settings]" "${rules[8]}"
	nf_bpf apply edge
	nf_bpf save edge "$WORK/saved"
	expect_saved "${rules[@]/protocol=50/protocol=esp}"
	printf '[%s]\n' blocked blocked6 services tuples settings > "$WORK/none"
	nf_bpf load edge "$WORK/none"
	expect_saved ""
	nf_bpf load edge "$WORK/saved"
	expect_saved "${rules[@]/protocol=50/protocol=esp}"
	nf_bpf save edge "$WORK/again"
	diff <(sort "$WORK/saved") <(sort "$WORK/again")
}

# The program finds the entries: their addresses are in network byte order.
test_packets()
{
	begin_rules "[blocked]" "$CLIENT_IP4/32" "[blocked6]" "$CLIENT_IP6/128"
	nf_bpf apply edge
	expect_all dropped
	printf '[blocked]\n[blocked6]\n' | nf_bpf load edge -
	expect_all pass
	nf_bpf load edge
	expect_all dropped
}

test_ranges_are_expanded()
{
	begin_rules "[tuples]" "saddr=192.0.2.0/30 dport=22-23 protocol=tcp -> 1" \
		"saddr=2001:db8::fe-2001:db8::100 -> 1" "[settings]"
	nf_bpf apply edge
	expect_saved saddr=192.0.2.{0,1,2,3}" dport="{ssh,telnet}" protocol=tcp -> 1" \
		saddr=2001:db8::{fe,ff,100}" -> 1"
}

# A map that libbpf would share with other versions, and with other objects
test_map_with_a_pin()
{
	begin
	printf '[nf_selftest_pin]\n2 -> 1\n' > "$WORK/edge.rules"
	conf pinned "object = $SELFTESTS/policy/progs/pinned.bpf.o" "rules = $WORK/edge.rules"
	nf_bpf apply edge > "$WORK/said" 2>&1
	expect_match "what is said" "*map nf_selftest_pin: its pin * is not made*" "$(< "$WORK/said")"
	[[ ! -e /sys/fs/bpf/nf_selftest_pin ]] || fail "the map is pinned"
	expect_all pass
	# Only the check sees the rule that drops packets.
	printf '[nf_selftest_pin]\n1 -> 1\n' > "$WORK/edge.rules"
	nf_bpf check edge
	expect_saved "2 -> 1"
	expect_all pass
	nf_bpf apply edge
	expect_saved "1 -> 1"
	expect_all dropped
}

# expect_printed_diff LINE...: "status" prints the command that shows these changes of the rules.
expect_printed_diff()
{
	local status words

	status=$(nf_bpf status edge)
	[[ $status =~ differs\ *rules:\ \'(diff\ -u\ [^\']*)\' ]] || fail "no command: $status"
	read -r -a words <<< "${BASH_REMATCH[1]}"
	expect_eq "changes" "$(printf '%s\n' "$@")" \
		"$("${words[@]}" | grep '^[-+][^-+]' || :)"
}

# If the rules change, apply makes a new version with new maps.
test_rules_are_a_part_of_the_version()
{
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	nf_bpf apply edge
	echo "198.51.100.0/24 -> mark=1" >> "$RULES"
	expect_json "$(nf_bpf --json status edge)" '.changes == [{"what": "rules"}]'
	expect_printed_diff "+198.51.100.0/24 -> mark=1"
	nf_bpf apply edge
	expect_in_force 2
	expect_saved "192.0.2.0/24 -> mark=1" "198.51.100.0/24 -> mark=1"
	nf_bpf rollback edge
	expect_saved "192.0.2.0/24 -> mark=1"
}

test_kept_map_is_filled_once()
{
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	echo "keep = blocked" >> "$ETC/edge.conf"
	nf_bpf apply edge
	printf '[blocked]\n198.51.100.0/24 -> mark=2\n' | nf_bpf load edge -
	echo "# change" >> "$ETC/edge.conf"
	nf_bpf apply edge
	expect_in_force 2
	expect_saved "198.51.100.0/24 -> mark=2"
	# After a reboot the map is new, and filled from the rules.
	nf_bpf save edge
	reboot
	nf_bpf start edge
	expect_saved "198.51.100.0/24 -> mark=2"
}

# check_wrong LINE TEXT RULE...: apply and load refuse these rules, and change nothing
check_wrong()
{
	local line=$1 text=$2

	shift 2
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	nf_bpf apply edge
	printf '%s\n' "[blocked]" "203.0.113.0/24" "$@" > "$RULES"
	expect_fails -s 1 "$RULES:$line: $text" nf_bpf load edge
	expect_fails -s 1 "$RULES:$line: $text" nf_bpf apply edge
	expect_in_force 1
	expect_saved "192.0.2.0/24 -> mark=1"
}

add_test wrong_address check_wrong 3 "192.0.2/24: not a value of this member" "192.0.2/24"
# Bits after the prefix would not count: 10.1.2.3/3 would be 0.0.0.0/3.
add_test host_bits check_wrong 3 \
	"10.1.2.3/3: bits after the prefix are set: write 0.0.0.0/3, or correct the length" \
	"10.1.2.3/3 -> mark=1"
add_test host_bits_of_ipv6 check_wrong 4 \
	"2001:db8::1/64: bits after the prefix are set: write 2001:db8::/64" "[blocked6]" \
	"2001:db8::1/64 -> mark=1"
add_test host_bits_of_a_member check_wrong 4 \
	"saddr=192.0.2.77/28: bits after the prefix are set: write 192.0.2.64/28" "[tuples]" \
	"saddr=192.0.2.77/28 -> 1"
add_test host_bits_of_a_network check_wrong 4 \
	"addr=192.0.2.77/24: bits after the prefix are set: write 192.0.2.0/24" "[names]" \
	"device=eth0 addr=192.0.2.77/24 -> lan"
add_test bits_after_the_length check_wrong 4 \
	"bits after the length of the key are set: write ifindex=2 addr=192.0.2.0/24" "[devices]" \
	"prefixlen=56 ifindex=2 addr=192.0.2.77 -> 1"

# An address of IPv6 is no address of IPv4, so it would not match the packets of IPv4.
add_test mapped_address check_wrong 4 "::ffff:192.0.2.1: matches no IPv4 packet: write 192.0.2.1" \
	"[tuples]" "saddr=::ffff:192.0.2.1 -> 1"
add_test mapped_network check_wrong 4 "::ffff:192.0.2.0: matches no IPv4 packet: write 192.0.2.0" \
	"[names]" "device=eth0 addr=::ffff:192.0.2.0/120 -> lan"

# A packet of IPv6 can have such an address, and a key without a family can mean either.
test_mapped_address_of_ipv6()
{
	local rules=(
		"family=10 saddr=::ffff:192.0.2.1 -> 1"
		"device=eth0 family=10 addr=::ffff:192.0.2.0/120 -> lan"
		"::ffff:192.0.2.0/120 -> mark=1"
	)

	begin_rules "[tuples]" "${rules[0]}" "[names]" "${rules[1]}" "[blocked6]" "${rules[2]}"
	nf_bpf apply edge
	# save prints the members in their order.
	rules[0]="saddr=::ffff:192.0.2.1 family=10 -> 1"
	expect_saved "${rules[@]}"
	nf_bpf save edge "$WORK/mapped"
	nf_bpf load edge "$WORK/mapped"
	expect_saved "${rules[@]}"
}

# A program or bpftool can set bits after the length. The trie has the key without them.
test_host_bits_of_a_program()
{
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	nf_bpf apply edge
	bpftool map update pinned "$(current)/maps/blocked" key 24 0 0 0 192 0 2 77 \
		value 0 0 0 0 2 0 0 0
	expect_saved "192.0.2.0/24 -> mark=2"
	nf_bpf save edge "$WORK/host_bits"
	nf_bpf load edge "$WORK/host_bits"
	expect_saved "192.0.2.0/24 -> mark=2"
	bpftool map update pinned "$(current)/maps/blocked" key 24 0 0 0 192 0 2 77 \
		value 0 0 0 0 3 0 0 0
	nf_bpf load edge
	expect_saved "192.0.2.0/24 -> mark=1"
}

add_test wrong_prefix check_wrong 3 "192.0.2.0/33: not a value" "192.0.2.0/33"
add_test wrong_member check_wrong 4 "colour=red: unknown member: take NAME=VALUE with one of" \
	"[tuples]" "colour=red"
add_test wrong_service check_wrong 4 "dport=nothing: not a value" "[tuples]" "dport=nothing"
add_test wrong_protocol check_wrong 4 "protocol=256: not a value" "[tuples]" "protocol=256"
add_test wrong_map check_wrong 3 "[other]: the program has no such map" "[other]"
add_test wrong_value check_wrong 3 "mark=x: not a value" "203.0.113.0/24 -> mark=x"
add_test range_of_a_value check_wrong 3 "mark=1-2: a value can't be a range" \
	"203.0.113.0/24 -> mark=1-2"
add_test section_twice check_wrong 3 "[blocked]: given twice" "[blocked]"
add_test backwards check_wrong 4 "dport=9-8: not a value" "[tuples]" "dport=9-8"
add_test too_many check_wrong 4 "the ranges of this line have more than 65536 combinations" \
	"[tuples]" "dport=1-1000 sport=1-1000"

# Numbers are decimal, or hexadecimal with 0x. A leading zero does not make them octal.
test_numbers()
{
	begin_rules "[services]" "port=0053 -> mark=0x10" "port=0x16-22 -> verdict=-2147483648" \
		"port=7 -> verdict=2147483647"
	nf_bpf apply edge
	expect_saved "port=domain-domain -> mark=16" "port=ssh-ssh -> verdict=-2147483648" \
		"port=echo-echo -> verdict=2147483647"
}

add_test signed_too_large check_wrong 3 "verdict=4294967295: not a value" \
	"203.0.113.0/24 -> verdict=4294967295"
add_test signed_too_small check_wrong 3 "verdict=-2147483649: not a value" \
	"203.0.113.0/24 -> verdict=-2147483649"
add_test prefix_with_sign check_wrong 3 "192.0.2.0/+24: not a value" "192.0.2.0/+24"

# If a key has no family, 16 bytes are an IPv6 address, even if they look like IPv4.
test_sixteen_bytes()
{
	begin_rules "[bytes]" "2001:db8::/48 -> 1" "2600::/8 -> 2" "[hosts6]" "saddr=2001:db8:: -> 3"
	nf_bpf apply edge
	expect_saved "2001:db8::/48 -> 1" "2600::/8 -> 2" "saddr=2001:db8:: -> 3"
	nf_bpf save edge "$WORK/bytes"
	nf_bpf load edge "$WORK/bytes"
	expect_saved "2001:db8::/48 -> 1" "2600::/8 -> 2" "saddr=2001:db8:: -> 3"
}

add_test ip4_in_sixteen_bytes check_wrong 4 "38.0.0.0/8: not a value" "[bytes]" "38.0.0.0/8 -> 1"

test_family_of_no_address()
{
	local rules=(
		"saddr=c000:201:: family=0 -> 1" "saddr=c000:201:: family=7 -> 2"
		"saddr=192.0.2.1 -> 3"
	)
	begin_rules "[tuples]" "${rules[@]}"
	nf_bpf apply edge
	expect_saved "${rules[@]}"
}

test_any()
{
	begin_rules "[blocked]" "any -> mark=1" "[blocked6]" "any -> mark=2" "[tuples]" \
		"saddr=192.0.2.1 daddr=any -> 1" "saddr=any daddr=2001:db8::1 -> 2"
	nf_bpf apply edge
	expect_saved "0.0.0.0/0 -> mark=1" "::/0 -> mark=2" "saddr=192.0.2.1 -> 1" \
		"daddr=2001:db8::1 -> 2"
}

add_test any_prefix check_wrong 3 "any/8: not a value" "any/8"
test_stored_range_of_addresses()
{
	begin_rules "[ranges]" "saddr=192.0.2.1-192.0.2.3 -> 1" "saddr=198.51.100.0/24 -> 2" \
		"saddr=203.0.113.1 -> 3" "saddr=any -> 4"
	nf_bpf apply edge
	expect_saved "saddr=192.0.2.1-192.0.2.3 -> 1" "saddr=198.51.100.0-198.51.100.255 -> 2" \
		"saddr=203.0.113.1-203.0.113.1 -> 3" "saddr=0.0.0.0-255.255.255.255 -> 4"
}

add_test addresses_backwards check_wrong 4 "saddr=192.0.2.3-192.0.2.1: not a value" "[ranges]" \
	"saddr=192.0.2.3-192.0.2.1"

add_test two_families check_wrong 4 "daddr=2001:db8::1: not the family of the address before" \
	"[tuples]" "saddr=192.0.2.1 daddr=2001:db8::1 -> 1"
add_test other_family check_wrong 4 "family=10: not the family of the addresses: leave it out" \
	"[tuples]" "saddr=192.0.2.1 family=10 -> 1"

test_trie_of_several_members()
{
	begin_rules "[devices]" "prefixlen=56 ifindex=2 addr=192.0.2.0 -> 1" "prefixlen=0 -> 2"
	nf_bpf apply edge
	expect_saved "ifindex=2 addr=192.0.2.0/24 -> 1" "prefixlen=0 -> 2"
	nf_bpf save edge "$WORK/devices"
	nf_bpf load edge "$WORK/devices"
	expect_saved "ifindex=2 addr=192.0.2.0/24 -> 1" "prefixlen=0 -> 2"
}

# The length of the key counts the members before the address, too. "any" has either family.
test_networks_of_names()
{
	local rules=(
		"device=eth0 addr=192.0.2.0/24 -> lan" "device=eth0 addr=2001:db8::/32 -> lan"
		"device=eth0 addr=any -> wan" "device=eth0 addr=0.0.0.0/0 -> 0x2361000000000000"
		"device=interface-names addr=any -> 12345678"
		"device=0x2d3e0000000000000000000000000000 addr=192.0.2.1/32 -> dmz"
		"prefixlen=136 device=eth1 family=2 -> rest"
	)
	begin_rules "[names]" "${rules[@]}"
	nf_bpf apply edge
	expect_saved "${rules[@]}"
	nf_bpf save edge "$WORK/names"
	nf_bpf load edge "$WORK/names"
	expect_saved "${rules[@]}"
}

# Only numbers and addresses have ranges.
test_two_names()
{
	begin_rules "[zones]" "zone_from=dmz zone_to=wan -> 9"
	nf_bpf apply edge
	expect_saved "zone_from=dmz zone_to=wan -> 9"
	nf_bpf save edge "$WORK/zones"
	nf_bpf load edge "$WORK/zones"
	expect_saved "zone_from=dmz zone_to=wan -> 9"
}

# Text that would be a section is saved as a number.
test_name_like_a_section()
{
	begin_rules "[words]" "0x5b785d00000000000000000000000000 -> 9" "x -> 8"
	nf_bpf apply edge
	nf_bpf save edge "$WORK/words"
	nf_bpf load edge "$WORK/words"
	expect_saved "0x5b785d00000000000000000000000000 -> 9" "x -> 8"
}

# A program may have used the longest key for an address of IPv4.
test_key_longer_than_its_address()
{
	local rule="prefixlen=288 device=eth0 addr=192.0.2.9 -> lan"

	begin_rules "[names]" "$rule"
	nf_bpf apply edge
	expect_saved "$rule"
	nf_bpf save edge "$WORK/names"
	nf_bpf load edge "$WORK/names"
	expect_saved "$rule"
}

# map_call_fails NUMBER COMMAND...: a call of nf-bpf about entries of a map
map_call_fails()
{
	"$HELPERS/fail_call" -m "$WORK/failed" "$1" "$ENOMEM" "$NF_BPF" --etc "$ETC" \
		--state "$STATE" --pins "$PINS/nf-bpf" "${@:2}" > "$WORK/said" 2>&1
}

# While rules are loaded, an exception is there before the rule that it is an exception of.
test_exceptions_first()
{
	local number new

	begin_rules "[blocked]" "10.0.0.0/8"
	nf_bpf apply edge
	printf '%s\n' "[blocked]" "0.0.0.0/0 -> mark=1" "192.0.2.1/32 -> mark=2" > "$WORK/new"
	for ((number = 1; number < MAX_CALLS; number++)); do
		nf_bpf load edge "$RULES"
		! map_call_fails "$number" load edge "$WORK/new" || fail "$number calls"
		new=$(saved | grep -c mark=) || :
		[[ $new != 1 ]] || break
	done
	expect_match "rules" "*192.0.2.1/32 -> mark=2*" "$(saved)"
}

# An error while entries are listed is not the end of the map.
test_listing_fails()
{
	local rules=("192.0.2.0/24 -> mark=1" "198.51.100.0/24 -> mark=2" "203.0.113.0/24 -> mark=3")
	local number

	begin_rules "[blocked]" "${rules[@]}"
	nf_bpf apply edge
	nf_bpf save edge "$WORK/listed"
	for ((number = 1; number < MAX_CALLS; number++)); do
		cp "$WORK/listed" "$WORK/half"
		! map_call_fails "$number" save edge "$WORK/half" || break
		expect_match "message" "*can't list its entries: Cannot allocate memory*" \
			"$(< "$WORK/said")"
		cmp "$WORK/listed" "$WORK/half"
	done
	((number > 3)) || fail "$number calls"
	cmp "$WORK/listed" "$WORK/half"
}

add_test name_too_long check_wrong 4 "device=eth0123456789abcd: not a value" "[names]" \
	"device=eth0123456789abcd addr=any -> lan"
add_test any_of_a_family check_wrong 4 "addr=any has both families: write 0.0.0.0/0 or ::/0" \
	"[names]" "device=eth0 family=2 addr=any -> lan"
add_test length_twice check_wrong 4 "addr=192.0.2.0/24: the length of the key is given twice" \
	"[names]" "prefixlen=160 device=eth0 addr=192.0.2.0/24 -> lan"

add_test trie_without_length check_wrong 4 "the key of an LPM trie needs prefixlen=BITS" \
	"[devices]" "ifindex=2 addr=192.0.2.1 -> 1"
add_test trie_too_long check_wrong 4 "the key of an LPM trie needs prefixlen=BITS, from 0 to 64" \
	"[devices]" "prefixlen=65 ifindex=2 -> 1"

test_not_text()
{
	begin_rules "[blocked]" "192.0.2.0/24"
	printf '198.51.100.0/24\0\n203.0.113.0/24\n' >> "$RULES"
	expect_fails -s 1 "$RULES: a byte of the file is 0: it is not text" nf_bpf apply edge
}

# Lines end with LF, or with CR LF as in files from Windows.
test_lines_with_cr_lf()
{
	begin_rules "[blocked]"
	printf '[blocked]\r\n192.0.2.0/24 -> mark=1 # a\r\n198.51.100.0/24\r' > "$RULES"
	nf_bpf apply edge
	expect_saved "192.0.2.0/24 -> mark=1" "198.51.100.0/24 -> verdict=0"
}

# A CR at another place would hide the rest of the line.
test_lines_with_cr_alone()
{
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	nf_bpf apply edge
	printf '[blocked]\r198.51.100.0/24 -> mark=2\r' > "$RULES"
	expect_fails -s 1 "$RULES:1: a CR before the end of the line" nf_bpf apply edge
	printf '# comment\r[blocked]\r198.51.100.0/24 -> mark=2\r' > "$RULES"
	expect_fails -s 1 "$RULES:1: a CR before the end of the line" nf_bpf load edge
	expect_saved "192.0.2.0/24 -> mark=1"
	printf '[blocked]\r[quotas]\r' > "$RULES"
	expect_fails -s 1 "it has a section [quotas], which is not saved" nf_bpf save edge
}

add_test control_character check_wrong 3 "a control character, 0x1b: remove it" \
	$'198.51.100.0/24 # \e[31m'
add_test control_character_in_a_word check_wrong 4 "a control character, 0x7f: remove it" \
	"[words]" $'x\x7f -> 8'

# The rules of a version stay accepted when nf-bpf becomes stricter: a router must still boot.
test_stored_rules_stay_accepted()
{
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	nf_bpf apply edge
	printf '[blocked]\n192.0.2.0/24\r\r -> mark=1\n' > "$RULES"
	printf '%s\n' "203.0.113.1/24 -> mark=1" "[tuples]" "saddr=::ffff:192.0.2.1 -> 1" >> "$RULES"
	cp "$RULES" "$STATE/edge/versions/1/rules"
	reboot
	nf_bpf start edge > "$WORK/said" 2>&1
	expect_match "warning" "*warning: $RULES:2: a CR before the end of the line*" "$(< "$WORK/said")"
	expect_in_force 1
	expect_saved "192.0.2.0/24 -> verdict=0" "203.0.113.0/24 -> mark=1" \
		"saddr=::ffff:192.0.2.1 family=10 -> 1"
	expect_eq "warnings" 1 "$(grep -c warning "$WORK/said")"
	conf block "object = $SELFTESTS/policy/progs/rules.bpf.o" "rules = $RULES"
	expect_fails -s 1 "$RULES:2: a CR before the end of the line" nf_bpf apply edge
}

# No version is stored: a CR could hide rules, so the packets are dropped until somebody looks.
test_new_rules_with_a_cr_at_boot()
{
	begin_rules "[blocked]" $'192.0.2.0/24\r\r -> mark=1'
	expect_all pass
	expect_fails -s 4 "$RULES:2: a CR before the end of the line" nf_bpf start edge
	expect_all dropped
	printf '[blocked]\n192.0.2.0/24 -> mark=1\n' > "$RULES"
	nf_bpf start edge
	expect_in_force 1
	expect_saved "192.0.2.0/24 -> mark=1"
}

add_test two_values check_wrong 5 "a key of line 2 again, with another value" \
	"192.0.2.0/24 -> mark=1" "198.51.100.0/24 -> mark=1" "203.0.113.0/24 -> mark=2"
add_test two_values_in_ranges check_wrong 5 "a key of line 4 again, with another value" \
	"[tuples]" "dport=1-100 -> 1" "dport=100-200 -> 2"

test_same_rule_twice()
{
	begin_rules "[tuples]" "dport=1-2 -> 1" "dport=2-3 -> 1" "dport=tcpmux -> 1"
	nf_bpf apply edge
	expect_eq "rules" 3 "$(saved | wc -l)"
}

add_test no_key check_wrong 3 "no key: write it before '->'" " -> mark=1"

# A load whose entries do not fit into the maps changes nothing.
test_load_without_room()
{
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1" "[recent]" "1 -> 1"
	nf_bpf apply edge
	printf '%s\n' "[blocked]" "198.51.100.0/24" "[services]" \
		"$(printf 'port=%u-9999\n' {1..65})" > "$WORK/full"
	expect_fails -s 1 "map services: $WORK/full has 65 entries" nf_bpf load edge "$WORK/full"
	expect_saved "192.0.2.0/24 -> mark=1" "1 -> 1"
	# An LRU map would forget one of the entries. An array does not have all of the keys.
	printf '%s\n' "[blocked]" "198.51.100.0/24" "[recent]" "$(printf '%u -> 1\n' {1..65})" \
		> "$WORK/full"
	expect_fails -s 1 "map recent: $WORK/full has 65 entries" nf_bpf load edge "$WORK/full"
	printf '%s\n' "[blocked]" "198.51.100.0/24" "[settings]" "4 -> 1" > "$WORK/full"
	expect_fails -s 1 "$WORK/full:4: 4: the array ends at 3" nf_bpf load edge "$WORK/full"
	expect_saved "192.0.2.0/24 -> mark=1" "1 -> 1"
}

# The maps have no room for the old and the new entries together.
test_load_into_full_maps()
{
	local old new

	old=$(printf '%s\n' "[services]"; printf 'port=%u-65000 -> mark=1\n' {60001..60064}
		printf '%s\n' "[blocked]"; printf '192.0.2.%u/32 -> mark=1\n' {1..64})
	new=$(printf '%s\n' "[services]"; printf 'port=%u-65000 -> mark=2\n' {60033..60096}
		printf '%s\n' "[blocked]"; printf '192.0.2.%u/32 -> mark=2\n' {33..96})
	begin_rules "$old"
	nf_bpf apply edge
	echo "$new" | nf_bpf load edge -
	expect_eq "rules" "$(grep -v '^\[' <<< "$new" | sort)" "$(saved)"
	# Load the same keys with other values.
	echo "${new//mark=2/mark=3}" | nf_bpf load edge -
	expect_eq "rules" "$(grep -v '^\[' <<< "${new//mark=2/mark=3}" | sort)" "$(saved)"
}

# The rules of a kept map are checked, because at boot the map is filled from them.
test_rules_of_a_kept_map()
{
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	echo "keep = blocked" >> "$ETC/edge.conf"
	nf_bpf apply edge
	echo "198.51.100.0/24 -> mark=x" >> "$RULES"
	expect_fails -s 1 "$RULES:3: mark=x: not a value" nf_bpf apply edge
	expect_in_force 1
	printf '%s\n' "[blocked]" "198.51.100.0/24 -> mark=2" > "$RULES"
	nf_bpf apply edge > "$WORK/said" 2>&1
	expect_match "warning" "*warning: map blocked: it is kept, and does not have the entries of $RULES*" \
		"$(< "$WORK/said")"
	expect_saved "192.0.2.0/24 -> mark=1"
	nf_bpf load edge
	echo "# change" >> "$ETC/edge.conf"
	nf_bpf apply edge > "$WORK/said" 2>&1
	expect_in_force 3
	expect_match "no warning" "edge: version 3 is in force" "$(< "$WORK/said")"
}

# save leaves out maps with what a program has learned: LRU maps, arrays, and those of "keep".
test_save_has_rules_only()
{
	local learned=("[recent]" "1 -> 1" "[settings]" "2 -> 99" "[tuples]" "dport=ssh -> 3")

	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	echo "keep = tuples" >> "$ETC/edge.conf"
	nf_bpf apply edge
	printf '%s\n' "${learned[@]}" "[services]" "port=22-53 -> mark=2" > "$WORK/learned"
	nf_bpf load edge "$WORK/learned"
	expect_saved "192.0.2.0/24 -> mark=1" "port=ssh-domain -> mark=2"
	nf_bpf save edge
	! grep -e recent -e settings -e tuples "$RULES" || fail "what the program has learned is saved"
	# The program still has it.
	expect_eq "entries" 1 \
		"$(bpftool -j map dump pinned "$(current)/maps/recent" | jq length)"
	# A file that has their sections gets it. So does standard output, if it is the rules file.
	cp "$WORK/learned" "$WORK/rules.learned"
	nf_bpf save edge "$WORK/rules.learned"
	grep -qx "1 -> 1" "$WORK/rules.learned"
	grep -qx "2 -> 99" "$WORK/rules.learned"
	grep -qx "dport=ssh -> 3" "$WORK/rules.learned"
	echo "[recent]" >> "$RULES"
	expect_saved "192.0.2.0/24 -> mark=1" "port=ssh-domain -> mark=2" "1 -> 1"
	nf_bpf apply edge
	expect_saved "192.0.2.0/24 -> mark=1" "port=ssh-domain -> mark=2"
}

test_section_in_a_comment()
{
	begin_rules "# [settings] has a section in another file" "[blocked]" "192.0.2.0/24 -> mark=1"
	nf_bpf apply edge
	printf '[settings]\n2 -> 99\n' | nf_bpf load edge -
	expect_saved "192.0.2.0/24 -> mark=1"
}

# expect_unlocked WAITS COMMAND: while WAITS ("load" or "save") waits for a pipe that nobody reads
# or writes, COMMAND does not have to wait.
expect_unlocked()
{
	local waits=$1 pid status=0 fifo=$WORK/fifo command=("$NF_BPF" --etc "$ETC" --state "$STATE" \
		--pins "$PINS/nf-bpf")

	mkfifo "$fifo"
	exec {PIPE}<> "$fifo"
	"${command[@]}" "$2" edge - <&"$PIPE" >&"$PIPE" &
	pid=$!
	wait_for -t 60 "$waits" "$pid"
	timeout 60 "${command[@]}" status edge > /dev/null || status=$?
	kill "$pid" || fail "$2: does not wait"
	wait "$pid" || :
	exec {PIPE}>&-
	rm "$fifo"
	expect_eq "status beside $2" 0 "$status"
}

sleeps()
{
	grep -q '^State:.*S' "/proc/$1/status"
}

has_written()
{
	read -t 0 -u "$PIPE"
}

# The guard of a trial needs the lock, so load and save must not hold it while they wait.
test_no_lock_while_reading()
{
	begin_rules "[blocked]"
	nf_bpf apply edge
	expect_unlocked sleeps load
}

test_no_lock_while_writing()
{
	begin_rules "[tuples]" "sport=1-50 dport=1-80 -> 1"
	printf '%s\n' "[limits]" "tuples = 4000" >> "$ETC/edge.conf"
	nf_bpf apply edge
	expect_unlocked has_written save
}

# save keeps a symbolic link, and the owner and mode of the file.
test_save_into_a_link()
{
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	nf_bpf apply edge
	mv "$RULES" "$WORK/real.rules"
	ln -s real.rules "$RULES"
	chmod 0640 "$WORK/real.rules"
	chown 65534:65534 "$WORK/real.rules"
	printf '[blocked]\n198.51.100.0/24 -> mark=2\n' | nf_bpf load edge -
	nf_bpf save edge
	expect_eq "link" real.rules "$(readlink "$RULES")"
	expect_eq "mode and owner" "640 65534:65534" "$(stat -c '%a %u:%g' "$WORK/real.rules")"
	expect_match "rules" "*198.51.100.0/24 -> mark=2*" "$(< "$WORK/real.rules")"
}

# save_often NUMBER: save the rules again and again
save_often()
{
	local number

	for ((number = 0; number < $1; number++)); do
		nf_bpf save edge || return
	done
}

# Each of several commands writes a file of its own, until the file is complete. An editor's backup
# is not one of these files.
test_saves_at_once()
{
	local pids=() pid

	begin_rules "[tuples]" "sport=1-20 dport=1-10 -> 1"
	printf '%s\n' "[limits]" "tuples = 200" >> "$ETC/edge.conf"
	nf_bpf apply edge
	nf_bpf save edge "$WORK/at_once"
	mkdir "$WORK/dir"
	RULES=$WORK/dir/edge.rules
	echo mine > "$RULES~"
	cp "$WORK/at_once" "$RULES"
	sed -i "s|^rules = .*|rules = $RULES|" "$ETC/edge.conf"
	nf_bpf apply edge
	for pid in {1..4}; do
		save_often 4 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "a save has failed"
	done
	cmp "$WORK/at_once" "$RULES"
	expect_eq "backup" mine "$(< "$RULES~")"
	expect_eq "files" "edge.rules edge.rules~" "$(files dir)"
}

# files FOLDER: the names of its files
files()
{
	(cd "$WORK/$1" && echo *)
}

# save is killed before each call that changes something. It leaves nothing behind, with one
# exception: the complete file can still have the name of the new one. The next save takes this
# name. The file system of the test may have no files without a name, so mount one that has them.
test_killed_save()
{
	local number calls='' ERRNO=0

	begin_rules "[tuples]" "sport=1-20 -> 1"
	nf_bpf apply edge
	nf_bpf save edge "$WORK/whole"
	mkdir "$WORK/killed_save"
	mount -t tmpfs tmpfs "$WORK/killed_save"
	trap 'umount "$WORK/killed_save"' EXIT
	for ((number = 1; number < MAX_CALLS; number++)); do
		echo "# mine" > "$WORK/killed_save/edge.rules"
		killed "$number" save edge "$WORK/killed_save/edge.rules" || break
		calls+=" $(< "$WORK/killed")"
		expect_eq "file" "# mine" "$(< "$WORK/killed_save/edge.rules")"
		if [[ -e $WORK/killed_save/edge.rules.nf-bpf-new ]]; then
			cmp "$WORK/whole" "$WORK/killed_save/edge.rules.nf-bpf-new"
			expect_match "calls" "*linkat rename" "$calls"
			echo left > "$WORK/killed_save/edge.rules.nf-bpf-new"
			nf_bpf save edge "$WORK/killed_save/edge.rules"
			cmp "$WORK/whole" "$WORK/killed_save/edge.rules"
		fi
		expect_eq "files after $calls" edge.rules "$(files killed_save)"
	done
	expect_match "calls" "*openat linkat rename" "$calls"
	cmp "$WORK/whole" "$WORK/killed_save/edge.rules"
	expect_eq "files" edge.rules "$(files killed_save)"
}

# Some file systems have no files without a name.
test_save_without_nameless_files()
{
	local number ERRNO=95

	begin_rules "[tuples]" "sport=1-20 -> 1"
	nf_bpf apply edge
	nf_bpf save edge "$WORK/whole"
	mkdir "$WORK/nameless"
	for ((number = 1; number < MAX_CALLS; number++)); do
		echo "# mine" > "$WORK/nameless/edge.rules"
		killed "$number" save edge "$WORK/nameless/edge.rules" || fail "no openat in $number calls"
		[[ $(< "$WORK/killed") != openat ]] || break
	done
	cmp "$WORK/whole" "$WORK/nameless/edge.rules"
	expect_eq "files" edge.rules "$(files nameless)"
	expect_eq "mode" 644 "$(stat -c %a "$WORK/nameless/edge.rules")"
}

# The map in the map of maps
inner_id()
{
	bpftool -j map lookup pinned "$(current)/maps/lists" key 0 0 0 0
}

# A map of one map gets another one, with room for all entries, when all of the file is read.
test_map_of_a_map()
{
	local id

	begin_rules "[lists]" "192.0.2.0/24 -> 1" "198.51.100.0/24 -> 2" "[blocked]" "203.0.113.0/24"
	nf_bpf apply edge
	expect_saved "192.0.2.0/24 -> 1" "198.51.100.0/24 -> 2" "203.0.113.0/24 -> verdict=0"
	id=$(inner_id)
	printf '[lists]\n192.0.2.0/24 -> 3\n' | nf_bpf load edge -
	expect_saved "192.0.2.0/24 -> 3" "203.0.113.0/24 -> verdict=0"
	[[ $(inner_id) != "$id" ]] || fail "the map stayed: $id"
	id=$(inner_id)
	printf '%s\n' "[lists]" "198.51.100.0/24 -> 4" "[services]" \
		"$(printf 'port=%u-9999\n' {1..65})" > "$WORK/lists.full"
	expect_fails -s 1 "map services: $WORK/lists.full has 65 entries" nf_bpf load edge "$WORK/lists.full"
	expect_eq "map" "$id" "$(inner_id)"
	nf_bpf save edge "$WORK/lists"
	echo "[lists]" | nf_bpf load edge -
	expect_saved "203.0.113.0/24 -> verdict=0"
	nf_bpf load edge "$WORK/lists"
	expect_saved "192.0.2.0/24 -> 3" "203.0.113.0/24 -> verdict=0"
	echo "keep = lists" >> "$ETC/edge.conf"
	nf_bpf apply edge
	expect_in_force 2
	expect_saved "192.0.2.0/24 -> 3" "203.0.113.0/24 -> verdict=0"
}

add_test two_maps check_wrong 3 "[two_lists]: entries of this map have no text: its type is not" \
	"[two_lists]"

test_name_with_a_dash()
{
	begin_rules "[tuples]" "protocol=ipv6-icmp -> 1" "protocol=tcp-6 -> 2"
	nf_bpf apply edge
	expect_saved "protocol=58 -> 1" "protocol=tcp -> 2"
}

test_save_into_a_pipe()
{
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	nf_bpf apply edge
	mkfifo "$WORK/pipe"
	cat "$WORK/pipe" > "$WORK/read" &
	timeout 10 "$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" save edge \
		"$WORK/pipe"
	[[ -p $WORK/pipe ]] || fail "the pipe became a file"
	wait
	expect_match "rules" "*192.0.2.0/24 -> mark=1*" "$(< "$WORK/read")"
}

# save refuses a file with sections of another program, because they would be lost.
test_save_over_other_sections()
{
	begin_rules "[blocked]" "192.0.2.0/24 -> mark=1"
	nf_bpf apply edge
	printf '%s\n' "[blocked]" "[quotas]" "1 -> 2" > "$WORK/other"
	expect_fails -s 1 "$WORK/other: not written: it has a section [quotas], which is not saved" \
		nf_bpf save edge "$WORK/other"
	expect_match "file" "*[[]quotas]*" "$(< "$WORK/other")"
	printf '[blocked]\n\0\n[quotas]\n' > "$WORK/other"
	expect_fails -s 1 "$WORK/other: not written: it is not text" nf_bpf save edge "$WORK/other"
	nf_bpf save edge "$WORK/new"
	grep -q "192.0.2.0/24 -> mark=1" "$WORK/new"
}

test_signed_ranges()
{
	begin_rules "[levels]" "level=-9--3 -> 1" "level=-5-7 -> 2" "level=-2 -> 3"
	nf_bpf apply edge
	expect_saved "level=-9--3 -> 1" "level=-5-7 -> 2" "level=-2--2 -> 3"
}

add_test signed_backwards check_wrong 4 "level=7--5: not a value" "[levels]" "level=7--5"

# save does not print a service name that begins with a digit: load would read it as a number.
test_service_with_a_digit()
{
	begin_rules "[tuples]" "dport=564 -> 1"
	nf_bpf apply edge
	printf '%s\n' "9pfs 564/tcp" > "$WORK/services"
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare -m sh -c 'mount --bind "$0" /etc/services && "$@"' "$WORK/services" \
		"$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" save edge - \
		> "$WORK/said"
	expect_match "rules" "*dport=564 -> 1*" "$(< "$WORK/said")"
}

test_trie_of_bytes()
{
	begin_rules "[raws]" "raw=0x200000000102030400000000 -> 1"
	nf_bpf apply edge
	expect_saved "raw=0x200000000102030400000000 -> 1"
}

add_test not_hexadecimal check_wrong 4 "raw=0x2000000001020304+1+2+3+4: not a value" "[raws]" \
	"raw=0x2000000001020304+1+2+3+4 -> 1"
add_test bits_after_the_raw_length check_wrong 4 \
	"bits after the length of the key are set: write raw=0x200000000102030400000000" "[raws]" \
	"raw=0x200000000102030400000001 -> 1"

test_no_section()
{
	begin_rules "192.0.2.0/24"
	expect_fails -s 1 "$RULES:1: an entry before any section: write [MAP] above it" \
		nf_bpf apply edge
}

test_map_is_full()
{
	begin_rules "[services]" "$(printf 'port=%u-9999\n' {1..65})"
	expect_fails -s 1 "map services: $RULES has 65 entries, it has room for 64: write 'services = 65' into [limits]" nf_bpf apply edge
	printf '%s\n' "[limits]" "services = 65" >> "$ETC/edge.conf"
	nf_bpf apply edge
	expect_eq "rules" 65 "$(saved | wc -l)"
}

test_not_applied()
{
	begin_rules "[blocked]"
	expect_fails -s 3 "is not applied" nf_bpf save edge -
	expect_fails -s 3 "is not applied" nf_bpf load edge
}

run_tests
