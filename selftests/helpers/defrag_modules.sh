# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Loads and unloads the modules with reassembly, and asks how many references they have. A test
# sources this file after lib.sh.

declare -A MODULE=([4]=nf_defrag_ipv4 [6]=nf_defrag_ipv6)

needs_module()
{
	local module=${MODULE[$1]}

	[[ $(modinfo -F filename "$module" 2>/dev/null) == /* ]] ||
		lacks "$module as a module"
}

refcount()
{
	cat "/sys/module/${MODULE[$1]}/refcnt" 2>/dev/null || echo absent
}

has_refcount()
{
	[[ $(refcount "$1") == "$2" ]]
}

# Unload the module. Modules that use it are unloaded first: other tests may have
# loaded them.
unload_with_users()
{
	local user

	for user in "/sys/module/$1/holders/"*; do
		[[ ! -e $user ]] || unload_with_users "${user##*/}"
	done
	[[ ! -e /sys/module/$1/refcnt ]] || rmmod "$1" 2>/dev/null || :
}

unload()
{
	unload_with_users "${MODULE[$1]}"
	[[ ! -e /sys/module/${MODULE[$1]} ]]
}

needs_unloaded()
{
	needs_module "$1"
	wait_for unload "$1" || fail "${MODULE[$1]} does not unload: $(grep ^nf_ /proc/modules)"
}
