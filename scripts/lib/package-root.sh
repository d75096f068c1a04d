# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# scripts/check-packages.sh runs this file in a Debian that it throws away afterwards. Each
# function root_NAME is a check. /new has the packages, /old has the same packages with a lower
# version, and /debs has Debian's own bpftool with its dependencies.

BPFTOOL=/usr/lib/nf-bpf/bin/bpftool

wrong()
{
	printf '%s\n' "$*" >&2
	exit 1
}

# same WHAT EXPECTED GOT: fail if the two values differ
same()
{
	[[ $2 = "$3" ]] || wrong "$1: expected '$2', got '$3'"
}

apt()
{
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
		--allow-downgrades "$@" || wrong "apt-get $*: failed"
}

# List the files that a package could leave behind. Leave out the sizes of folders and all times,
# which always differ.
snapshot()
{
	find / -xdev \( -path /new -o -path /old -o -path /debs -o -path /tmp -o -path /run \
		-o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg \
		-o -path /var/lib/apt -o -path /proc -o -path /sys -o -path /dev \) -prune -o \
		\( -type f -printf '%p %m %U:%G %s\n' -o -printf '%p %y %m %U:%G %l\n' \) | sort
}

# nothing_left PACKAGE...: purge the packages, and compare the files with those before the
# installation
nothing_left()
{
	# Use dpkg: apt cannot purge a removed package that has no configuration files.
	dpkg --purge "$@"
	snapshot > /tmp/after
	diff /tmp/before /tmp/after || wrong "purge of $*: leaves or removes these files"
	! dpkg -l "$@" 2> /dev/null | grep '^[a-z]' || wrong "$*: dpkg still knows them"
}

# /usr/bin/bpftool leads to the tool of the package, and so do man page and completion.
expect_ours()
{
	same /usr/bin/bpftool "$BPFTOOL" "$(readlink -f /usr/bin/bpftool)"
	[[ $'\n'$(/usr/bin/bpftool version) = *$'\n'"netfilter attach"* ]] ||
		wrong "bpftool version: no netfilter"
	same "the man page" /usr/lib/nf-bpf/share/man/man8/bpftool-net.8.gz \
		"$(readlink -f /usr/share/man/man8/bpftool-net.8.gz)"
	same "the completion" /usr/lib/nf-bpf/share/bash-completion/completions/bpftool \
		"$(readlink -f /usr/share/bash-completion/completions/bpftool)"
}

root_tools()
{
	apt install /new/nf-bpf-tools_*.deb
	expect_ours
	same "prefix in libbpf.pc" prefix=/usr/lib/nf-bpf \
		"$(grep ^prefix= /usr/lib/nf-bpf/lib/pkgconfig/libbpf.pc)"
	nothing_left nf-bpf-tools
}

# An upgrade keeps the alternative that the administrator has chosen.
root_tools_upgrade()
{
	apt install /old/nf-bpf-tools_*.deb
	printf '#!/bin/sh\n' > /usr/local/bin/another
	chmod +x /usr/local/bin/another
	update-alternatives --install /usr/bin/bpftool bpftool /usr/local/bin/another 10
	update-alternatives --set bpftool /usr/local/bin/another
	apt install /new/nf-bpf-tools_*.deb
	same "after the upgrade" /usr/local/bin/another "$(readlink -f /usr/bin/bpftool)"
	update-alternatives --auto bpftool
	expect_ours
	update-alternatives --remove bpftool /usr/local/bin/another
	rm /usr/local/bin/another
	nothing_left nf-bpf-tools
}

# distribution_intact: the files of Debian's bpftool are unchanged, and none is a symbolic link
distribution_intact()
{
	local file

	same "dpkg -V bpftool" "" "$(dpkg -V bpftool)"
	while read -r file; do
		[[ ! -L $file ]] || wrong "$file: is a link to $(readlink -f "$file")"
	done < <(dpkg -L bpftool | grep -E 'bin/bpftool$|man8/|completions/bpftool')
	same "what root calls" /usr/sbin/bpftool \
		"$(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin type -P bpftool)"
}

# Debian's bpftool is installed first, then the one of this project.
root_tools_second()
{
	apt install /debs/*.deb
	snapshot > /tmp/before
	apt install /new/nf-bpf-tools_*.deb
	distribution_intact
	same /usr/bin/bpftool "$BPFTOOL" "$(readlink -f /usr/bin/bpftool)"
	nothing_left nf-bpf-tools
	distribution_intact
}

# The bpftool of this project is installed first, then Debian's.
root_tools_first()
{
	apt install /new/nf-bpf-tools_*.deb
	apt install /debs/*.deb
	distribution_intact
	same /usr/bin/bpftool "$BPFTOOL" "$(readlink -f /usr/bin/bpftool)"
	apt install --reinstall /new/nf-bpf-tools_*.deb
	distribution_intact
	apt purge nf-bpf-tools
	distribution_intact
	[[ ! -e /usr/bin/bpftool && ! -L /usr/bin/bpftool ]] || wrong "/usr/bin/bpftool: is left"
}

# This root has no kernel headers, so dkms builds nothing.
root_dkms()
{
	local version

	apt install /old/nf-bpf-dkms_*.deb
	apt install /new/nf-bpf-dkms_*.deb
	version=(/usr/src/nf-bpf-*)
	same "dkms status" "nf-bpf/${version[0]#/usr/src/nf-bpf-}: added" "$(dkms status)"
	apt remove nf-bpf-dkms
	same "dkms status" "" "$(dkms status)"
	nothing_left nf-bpf-dkms
}

# record_systemctl: pretend that systemd runs, and record the calls of systemctl
record_systemctl()
{
	mkdir -p /run/systemd/system
	mv /usr/bin/systemctl /usr/bin/systemctl.real 2> /dev/null ||
		mv /bin/systemctl /bin/systemctl.real
	printf '#!/bin/sh\necho "$*" >> /tmp/systemctl.calls\n' > /usr/bin/systemctl
	chmod +x /usr/bin/systemctl
	: > /tmp/systemctl.calls
}

forget_systemctl()
{
	mv /usr/bin/systemctl.real /usr/bin/systemctl
	rmdir /run/systemd/system
}

# write_policy: write /etc/nf-bpf/mine.conf, a policy that accepts all packets, and lost.conf
write_policy()
{
	mount -t bpf bpf /sys/fs/bpf
	cat > /etc/nf-bpf/mine.conf <<-CONF
	[policy]
	object = /new/accept.bpf.o
	hook = forward
	family = ip
	fragments = reassemble
	CONF
	mkdir -p /etc/systemd/system/sysinit.target.wants
	ln -s /lib/systemd/system/nf-bpf@.service \
		/etc/systemd/system/sysinit.target.wants/nf-bpf@mine.service
	# Kernels before 6.4 have no netfilter programs.
	! printf '6.4\n%s\n' "$(uname -r)" | sort -C -V || {
		nf-bpf apply mine
		sed 's/^family = .*/family = ip6/' /etc/nf-bpf/mine.conf > /etc/nf-bpf/lost.conf
		nf-bpf apply lost
		ATTACHED=1
	}
}

# links: print the ids of the pinned links. The kernel lists the links of all network namespaces,
# so look at the pins only.
links()
{
	find /sys/fs/bpf -type f -exec /new/bpftool -j link show pinned {} \; 2> /dev/null |
		grep -o '"id":[0-9]*' | cut -d : -f 2 || :
}

# damage_states: pretend that a disk has lost the state of one policy, and a part of the other's
damage_states()
{
	[[ -n $ATTACHED ]] || return 0
	: > /var/lib/nf-bpf/mine/state
	rm -r /var/lib/nf-bpf/lost
}

# The policies stay in force during an upgrade. A removal detaches them.
root_policy()
{
	local before link ATTACHED=

	apt install /old/nf-bpf_*.deb
	[[ -e /lib/systemd/system/nf-bpf@.service ]] || wrong "nf-bpf@.service: is not there"
	write_policy
	before=$(links)
	[[ -z $ATTACHED || -n $before ]] || wrong "nf-bpf apply: no link is there"
	record_systemctl
	apt install /new/nf-bpf_*.deb
	same "systemctl calls of the upgrade" "--system daemon-reload" \
		"$(sort -u /tmp/systemctl.calls)"
	same "links after the upgrade" "$before" "$(links)"
	damage_states
	apt remove nf-bpf
	grep -q 'stop nf-bpf@' /tmp/systemctl.calls || wrong "a removal does not stop the service"
	for link in $before; do
		! /new/bpftool link show id "$link" || wrong "link $link: is there after the removal"
	done
	[[ ! -e /sys/fs/bpf/nf-bpf ]] || wrong "/sys/fs/bpf/nf-bpf: is there after the removal"
	[[ -e /etc/nf-bpf/mine.conf ]] || wrong "mine.conf: lost in the removal"
	forget_systemctl
	umount /sys/fs/bpf
	rmdir /etc/systemd/system/sysinit.target.wants 2> /dev/null || :
	nothing_left nf-bpf
}

# Install all packages in one transaction, as install.rst says.
root_together()
{
	apt install /new/*.deb
	expect_ours
	mapfile -t names < <(dpkg-query -W -f '${Package}\n' 'nf-bpf*')
	nothing_left "${names[@]}"
}
