# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Steps of scripts/check-install.sh, which run in the Debian that it boots: each function
# step_NAME is one. /check/debs has the packages, /check/firewall.bpf.o a program.

export DEBIAN_FRONTEND=noninteractive LC_ALL=C
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

OURS=nf-bpf	# in the release of the patched kernel, and in no other
STATE=/run/check
OBJECT=/usr/local/lib/nf-bpf/firewall.bpf.o
CONF=/etc/nf-bpf/edge.conf
RULES=/etc/nf-bpf/edge.rules
KINDS=(A4 A6)	# the datagrams that the policy allows, of both families

wrong()
{
	printf '%s\n' "$*" >&2
	exit 1
}

# same WHAT EXPECTED GOT
same()
{
	[[ $2 = "$3" ]] || wrong "$1: expected '$2', got '$3'"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds
wait_for()
{
	local seconds=$1 end=$((SECONDS + $1)) what=$2
	shift 2

	until "$@"; do
		((SECONDS < end)) || wrong "$what: not within $seconds seconds ($*)"
		sleep 0.2
	done
}

expect_failure()
{
	! "$@" || wrong "$*: succeeded"
}

# --- the traffic ------------------------------------------------------------

received()
{
	grep -c "^$1 " "$STATE/received" || :
}

has_received()
{
	(($(received "$1") >= $2))
}

# Prints how many frames of forbidden datagrams came through.
leaked()
{
	wc -l < "$STATE/leaked"
}

# Prints the allowed datagrams that were sent and not received, since the first one came through.
lost()
{
	awk 'NR == FNR { got[$0] = 1; next }
	/^A/ && $0 in got { through[$1] = 1; next }
	/^A/ && through[$1] { print }' "$STATE/received" "$STATE/sent"
}

nothing_lost()
{
	[[ -z $(lost) ]]
}

# After this, all that was sent has come through, or was dropped.
end_traffic()
{
	systemctl stop check-client
	for _ in {1..100}; do
		! nothing_lost || break
		sleep 0.2
	done
	same "allowed datagrams that were lost" 0 "$(lost | wc -l)"
	for kind in "${KINDS[@]}"; do
		has_received "$kind" 1 || wrong "$kind: not one datagram came through"
	done
}

restart_traffic()
{
	systemctl restart check-server check-client
	for kind in "${KINDS[@]}"; do
		wait_for 30 "traffic" has_received "$kind" 5
	done
}

no_leak()
{
	same "forbidden frames that came through" 0 "$(leaked)"
}

# --- the policy -------------------------------------------------------------

status()
{
	nf-bpf status edge
}

version()
{
	status | sed -n 's/^edge: version \([0-9]*\): .*/\1/p'
}

# counter NAME: the sum over the links of the policy. Another line has IPv6's share.
counter()
{
	status | grep "^ *counters " | grep -o "$1 [0-9]*" | awk '{ sum += $2 } END { print sum + 0 }'
}

# snmp FILE COLUMN: a counter of the kernel. The file of IPv4 has a line of names, and one of
# values.
forwarded()
{
	awk '/^Ip: / && !names { for (i = 1; i <= NF; i++) if ($i == "ForwDatagrams") col = i; names = 1; next }
	/^Ip: / { sum += $col }
	$1 == "Ip6OutForwDatagrams" { sum += $2 }
	END { print sum }' /proc/net/snmp /proc/net/snmp6
}

# write_rules [LINE...]: what is allowed, and more rules
write_rules()
{
	printf '%s\n' '[rules]' 'daddr=198.51.100.2 dport=5300 protocol=udp' \
		'daddr=2001:db8:2::2 dport=5300 protocol=udp' "$@" > "$RULES"
}

# write_policy OBJECT
write_policy()
{
	printf '%s\n' '[policy]' "object = $1" 'hook = forward' 'fragments = strict' \
		"rules = $RULES" > "$CONF"
}

# Each datagram since the interfaces are up was judged: the kernel has forwarded as many as
# the link has accepted, and the server has received these, and no frame of another.
all_judged()
{
	local accepted

	end_traffic
	no_leak
	accepted=$(counter accepted)
	same "accepted by the link, received" "$accepted" \
		"$(($(received A4) + $(received A6)))"
	same "accepted by the link, forwarded by the kernel" "$accepted" "$(forwarded)"
	(($(counter dropped) > 0)) || wrong "the link has dropped nothing"
	echo "accepted $accepted, dropped $(counter dropped), forwarded $(forwarded)"
}

# service_is STATE
service_is()
{
	journalctl -b -u nf-bpf@edge -o cat --no-pager
	same "nf-bpf@edge" "$1" "$(systemctl is-active nf-bpf@edge || :)"
}

# --- files ------------------------------------------------------------------

# List the files that packages could leave. A running system also writes into the other folders.
snapshot()
{
	find / -xdev \( -path /check -o -path /tmp -o -path /run -o -path /var/log \
		-o -path /var/backups -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt \
		-o -path /var/lib/systemd -o -path /var/tmp -o -path /root -o -path /proc \
		-o -path /sys -o -path /dev -o -path /etc/ld.so.cache -o -path /lost+found \) \
		-prune -o \( -type f -printf '%p %m %U:%G %s\n' -o \
		-printf '%p %y %m %U:%G %l\n' \) | sort
}

# same_files [PATTERN]: as in the snapshot, without names that match
same_files()
{
	snapshot > /check/after
	diff <(grep -v -E -e "${1:-^$}" /check/before) <(grep -v -E -e "${1:-^$}" /check/after) ||
		wrong "these files are left or changed"
}

# --- GRUB -------------------------------------------------------------------

# entry RELEASE: prints the entry of GRUB's menu, as grub-reboot takes it. The command is that
# of Documentation/install.rst.
entry()
{
	awk -F "'" -v r="$1" '/^submenu / { s = $4 } /menuentry / && index($2, r) &&
		$2 !~ /recovery/ { print s ">" $4; exit }' /boot/grub/grub.cfg
}

# --- steps ------------------------------------------------------------------

# GRUB is installed here, because the machine that makes the image has no such disk.
step_stock()
{
	[[ $(uname -r) != *"$OURS"* ]] || wrong "$(uname -r): is not Debian's kernel"
	uname -r > /check/stock
	grub-install /dev/vda
	sed -i 's/^GRUB_DEFAULT=.*/GRUB_DEFAULT=saved/' /etc/default/grub
	update-grub
	grub-set-default "$(entry "$(uname -r)")"
	grub-editenv list
}

step_install()
{
	snapshot > /check/before
	time apt-get install -y /check/debs/*.deb
	install -D -m 0644 /check/firewall.bpf.o "$OBJECT"
	write_policy "$OBJECT"
	write_rules
}

step_choose_once()
{
	local ours

	ours=$(entry "$OURS")
	[[ -n $ours ]] || wrong "/boot/grub/grub.cfg: has no entry of ours"
	grub-reboot "$ours"
	grub-editenv list | grep "^next_entry=.*$OURS"
}

step_chosen_once()
{
	[[ $(uname -r) = *"$OURS"* ]] || wrong "$(uname -r): is not our kernel"
	[[ -z $(grub-editenv list | sed -n 's/^next_entry=//p') ]] ||
		wrong "GRUB would take our kernel again: $(grub-editenv list)"
	grub-editenv list | grep "^saved_entry=.*$(< /check/stock)"
}

step_choose()
{
	grub-set-default "$(entry "$OURS")"
}

step_choose_stock_once()
{
	grub-reboot "$(entry "$(< /check/stock)")"
}

step_choose_stock()
{
	grub-set-default "$(entry "$(< /check/stock)")"
}

step_unjudged()
{
	same "state of the service" disabled "$(systemctl is-enabled nf-bpf@edge || :)"
	for kind in "${KINDS[@]}"; do
		wait_for 30 "traffic" has_received "$kind" 20
	done
	(($(leaked) > 0)) || wrong "no forbidden frame came through: the test would see none"
	echo "$(leaked) forbidden frames came through"
	systemctl enable nf-bpf@edge
}

step_judged()
{
	service_is active
	for kind in "${KINDS[@]}"; do
		wait_for 30 "traffic" has_received "$kind" 100
	done
	all_judged
	systemd-analyze critical-chain nf-bpf@edge.service || :
}

step_update()
{
	local before i

	restart_traffic
	before=$(version)
	for i in {1..8}; do
		write_rules "daddr=203.0.113.$i dport=53 protocol=udp"
		nf-bpf apply edge
	done
	write_rules
	systemctl reload nf-bpf@edge
	end_traffic
	no_leak
	same "versions" $((before + 9)) "$(version)"
	echo "$(wc -l < "$STATE/sent") datagrams sent, none of the allowed lost"
}

trial_units()
{
	systemctl list-units --plain --no-legend 'nf-bpf-trial-edge*'
}

no_trial()
{
	[[ -z $(trial_units) ]]
}

# The caller is a service that ends at once. The guard must survive it.
step_try()
{
	local before now

	restart_traffic
	before=$(version)
	echo '[rules]' > "$RULES"
	systemd-run --quiet --wait --collect --pipe nf-bpf try 15 edge
	status | sed -n 1p | grep "on trial"
	[[ -n $(trial_units) ]] || wrong "no unit of systemd ends the trial"
	trial_units
	sleep 1
	now=$(received A4)
	sleep 2
	same "allowed datagrams during the trial" "$now" "$(received A4)"
	wait_for 60 "the end of the trial" no_trial
	same "version" "$before" "$(version)"
	status | sed -n 1p | grep "in force"
	wait_for 20 "traffic" has_received A4 $((now + 5))
	no_leak
}

step_confirm()
{
	local before

	before=$(version)
	write_rules "daddr=203.0.113.9 dport=53 protocol=udp"
	nf-bpf try 60 edge
	nf-bpf confirm edge
	wait_for 20 "the end of the trial's unit" no_trial
	same "version" $((before + 2)) "$(version)"
	nf-bpf rollback edge
	same "version" "$before" "$(version)"
	write_rules
}

step_bad()
{
	local before

	restart_traffic
	before=$(version)
	echo "no object" > /usr/local/lib/nf-bpf/bad.bpf.o
	write_policy /usr/local/lib/nf-bpf/bad.bpf.o
	expect_failure nf-bpf check edge
	expect_failure nf-bpf apply edge
	expect_failure systemctl reload nf-bpf@edge
	service_is active
	same "version" "$before" "$(version)"
	end_traffic
	no_leak
}

# Nothing can be attached, also not a program that drops all packets.
step_without_type()
{
	same "kernel" "$(< /check/stock)" "$(uname -r)"
	service_is failed
	for kind in "${KINDS[@]}"; do
		wait_for 30 "traffic" has_received "$kind" 5
	done
	(($(leaked) > 0)) || wrong "no forbidden frame came through without a policy"
}

step_bad_boot()
{
	service_is active
	wait_for 30 "traffic" has_received A6 100
	all_judged
}

# The policy's end is seen by the same traffic.
step_purge()
{
	restart_traffic
	no_leak
	apt-get purge -y nf-bpf nf-bpf-tools
	wait_for 20 "forbidden frames after the purge" test -s "$STATE/leaked"
	[[ ! -e /sys/fs/bpf/nf-bpf ]] || wrong "/sys/fs/bpf/nf-bpf: is there after the purge"
	rm -r /usr/local/lib/nf-bpf
	same_files '^(/boot|/etc/kernel/pre(inst|rm)\.d|(/usr)?/lib/modules|/etc/default/grub|/var/lib/initramfs-tools|/usr/share/doc/linux-image|/vmlinuz|/initrd)'
}

step_stock_again()
{
	same "kernel" "$(< /check/stock)" "$(uname -r)"
	apt-get purge -y "linux-image-*$OURS*"
	same "entry of our kernel" "" "$(entry "$OURS")"
	same_files
}

# QEMU ends when the machine starts again.
step_reboot()
{
	systemctl --no-block reboot
}
