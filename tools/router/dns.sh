# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A library to source after topology.sh. It runs nsd in the server namespace, with a
# TXT set of about 3.5 KB at large.example, which fits a large UDP answer.

DNS_NAME=large.example

dns_config()
{
	local dir=$1

	cat <<-EOF
	server:
	$(dns_addresses | sed 's/^/  ip-address: /')
	  ipv4-edns-size: 4096
	  ipv6-edns-size: 4096
	  server-count: 1
	  username: ""
	  chroot: ""
	  zonesdir: "$dir"
	  database: ""
	  pidfile: "$dir/pid"
	  logfile: "$dir/log"
	  zonelistfile: "$dir/zone.list"
	  xfrdfile: "$dir/xfrd.state"
	  xfrdir: "$dir"
	remote-control:
	  control-enable: no
	zone:
	  name: example
	  zonefile: example.zone
	EOF
}

dns_zone()
{
	local i text

	cat <<-EOF
	\$ORIGIN example.
	\$TTL 60
	@ SOA ns hostmaster 1 3600 600 86400 60
	@ NS ns
	ns A $SERVER_IP4
	ns AAAA $SERVER_IP6
	EOF
	for ((i = 0; i < 16; i++)); do
		printf -v text '%-200s' "record $i of a set that needs fragments "
		echo "large TXT \"${text// /.}\""
	done
}

dns_addresses()
{
	local family address

	for family in $ROUTER_FAMILIES; do
		address=SERVER_IP$family
		echo "${!address}"
	done
}

# dns_up DIR: start nsd with its files in DIR, and return when it answers.
dns_up()
{
	local dir=$1

	dns_config "$dir" >"$dir/nsd.conf"
	dns_zone >"$dir/example.zone"
	# Do not use in_ns here: $! would be a shell, and killing it leaves nsd.
	nsenter --net="/run/netns/$NS_SERVER" -- \
		/usr/sbin/nsd -d -c "$dir/nsd.conf" >"$dir/out" 2>&1 &
	DNS_PID=$!
	if ! wait_for -t 30 dns_answers; then
		echo "dns_up: nsd: does not answer:" >&2
		cat "$dir/out" "$dir/log" >&2
		return 1
	fi
}

dns_answers()
{
	local address

	for address in $(dns_addresses); do
		in_ns "$NS_SERVER" dig "@$address" "$DNS_NAME" SOA +tries=1 +time=1 || return 1
	done
}

# dns_down: stop nsd. It may be called at any time, and keeps the exit status.
dns_down()
{
	local status=$?

	if [[ ${DNS_PID-} ]]; then
		kill "$DNS_PID" 2>/dev/null || :
		wait "$DNS_PID" 2>/dev/null || :
		DNS_PID=
	fi
	return "$status"
}
