#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The example of Documentation/bpf/prog_netfilter_portable.rst, as it is printed there.

source "$(dirname "$0")/../lib.sh"
needs bpftool clang python3 rst2man

DOC=$SELFTESTS_SRC/../Documentation/bpf/prog_netfilter_portable.rst

setup()
{
	router_up
	load_policy
	example > "$WORK/no_new_ssh.bpf.c"
	clang -O2 -g -Wall -Werror -target bpf -I "$(vmlinux_dir)" \
		-I "$BUILD/tools/include" -c "$WORK/no_new_ssh.bpf.c" \
		-o "$WORK/no_new_ssh.bpf.o"
	mkdir "$PINS/doc"
	bpftool prog load "$WORK/no_new_ssh.bpf.o" "$PINS/doc/no_new_ssh"
}

vmlinux_dir()
{
	if [[ -e $BUILD/$BASE/vmlinux.h ]]; then
		echo "$BUILD/$BASE"
	else
		echo "$BUILD/host"
	fi
}

# The first block of code.
example()
{
	awk '/^.. code-block:: c/ { code = 1; next }
	     code && /^[^ ]/ { exit }
	     code { sub(/^   /, ""); print }' "$DOC"
}

# connect FAMILY PORT: what becomes of a TCP connection to a port without a server.
connect()
{
	local address=SERVER_IP$1

	in_ns "$NS_CLIENT" timeout 10 python3 - "$1" "${!address}" "$2" <<-'PYTHON'
	import socket, sys
	s = socket.socket(socket.AF_INET if sys.argv[1] == "4" else socket.AF_INET6)
	s.settimeout(2)
	try:
	    s.connect((sys.argv[2], int(sys.argv[3])))
	except ConnectionRefusedError:
	    print("refused")
	except TimeoutError:
	    print("timeout")
	PYTHON
}

check_example()
{
	local family=$1 pf

	expect_eq "port 22 without the program" "refused" "$(connect "$family" 22)"
	for pf in $( ((INET)) && echo inet || echo ip ip6); do
		attach doc/no_new_ssh "$pf" forward 0 defrag
	done
	expect_eq "port 23" "refused" "$(connect "$family" 23)"
	expect_eq "port 22" "timeout" "$(connect "$family" 22)"
	# Mainline's links have no counters.
	[[ $'\n'$(nf_prog info "$LINK")$'\n' != *$'\n'dropped=0$'\n'* ]] ||
		fail "lost, and not dropped by the program"
	expect_eq "port 23 again" "refused" "$(connect "$family" 23)"
}

test_text_is_valid()
{
	rst2man --exit-status=2 "$DOC" > "$WORK/man"
}

for family in 4 6; do
	add_test "example_ipv$family" check_example $family
done

run_tests
