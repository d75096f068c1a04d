#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks the Debian packages, and prints KTAP. mmdebstrap makes a Debian below build/, in which
# the packages are installed. Nothing is installed on this machine.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/progress.sh"
. "$(dirname "$0")/lib/checks.sh"
. "$(dirname "$0")/lib/deb.sh"

CHECK=$DEB/check
IN_ROOT=$TOP/scripts/lib/package-root.sh
SUITE=${SUITE:-$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")}
ROOT=$DEB/root/$SUITE
STOCK_TREE=$SHARED/stock/kernel
# A version that is lower than all versions of this project.
OLD=0.0.1

usage()
{
	cat <<USAGE
Usage: scripts/check-packages.sh [PATTERN]

Builds the packages of scripts/deb-tools.sh and checks them. PATTERN, a regular expression,
selects checks by the names below.

  lintian DEB       lintian has no error
  contents DEB      the files of the package are where they belong, and complete
  root NAME         install, upgrade, remove and purge in a Debian made for it leave
                    nothing behind: a function of $(rel "$IN_ROOT")
  config KCONFIG    the configuration of Debian's kernel has our options, and no key that
                    only Debian has
  refused KCONFIG   a configuration that cannot be used is refused
  dkms TYPES        dkms builds the modules from the package, keeps their types, and signs
                    them. The types of the kernel are in its headers, or only the running
                    kernel has them. This is skipped without headers, which
                    KERNEL=stock scripts/stock.sh downloads

SUITE=   Debian's release to install in ($SUITE)
USAGE
}

# --- fixtures ---------------------------------------------------------------

# package NAME: print the name of the package's file
package()
{
	printf '%s' "$CHECK/new/$1"_*.deb
}

# The root has no network, so it must contain the packages that this project's packages need.
make_root()
{
	local include

	include=$(dependencies "$CHECK"/new/*.deb)
	# shellcheck disable=SC2016 # the shell of mmdebstrap expands it
	make_debian "$ROOT" 1000 "systemd${include:+,$include}" \
		--customize-hook='chroot "$1" sh -c "apt-get clean && apt-get -q -y install \
			--download-only --no-install-recommends bpftool && mkdir /debs && \
			mv /var/cache/apt/archives/*.deb /debs"'
}

# Make copies of the packages with a lower version, so that a check can upgrade from them.
make_old()
{
	local deb tree=$CHECK/tree

	mkdir -p "$CHECK/old"
	for deb in "$CHECK"/new/*.deb; do
		rm -rf "$tree"
		dpkg-deb -R "$deb" "$tree"
		sed -i "s/^Version: .*/Version: $OLD/" "$tree/DEBIAN/control"
		dpkg-deb --root-owner-group -Znone -b "$tree" "$CHECK/old" > "$CHECK/old.log"
	done
	rm -rf "$tree"
}

# Compile a program for the policy of the checks.
make_program()
{
	clang -O2 -g -target bpf -I"/usr/include/$(gcc -dumpmachine)" -c -x c - \
		-o "$CHECK/new/accept.bpf.o" <<-'EOF'
	__attribute__((section("netfilter"), used))
	int accept_all(void *ctx)
	{
		return 1;
	}
	char LICENSE[] __attribute__((section("license"), used)) = "GPL";
	EOF
	cp "$BUILD/tools/bin/bpftool" "$CHECK/new/"
}

# Take only the packages of the last build.
prepare()
{
	rm -rf "$CHECK"
	mkdir -p "$CHECK/new" "$CHECK/layer"
	"$TOP/scripts/deb-tools.sh" > "$CHECK/build.log" || exit
	grep "^build.*\.deb$" "$CHECK/build.log" | grep -v dbgsym | while read -r deb; do
		cp "$TOP/$deb" "$CHECK/new/"
	done
	make_root
	make_old
	make_program
}

# --- the checks -------------------------------------------------------------

# The check fails only for errors of lintian. The log has warnings, too.
check_lintian()
{
	lintian --profile debian --fail-on error --allow-root "$(package "$1")"
}

# files_of DEB: print the files of the package, without folders
files_of()
{
	dpkg-deb --fsys-tarfile "$(package "$1")" | tar -t | grep -v '/$' | sed 's/^\.//' | sort
}

# expect_below DEB FOLDER...: all files of the package are below these folders
expect_below()
{
	local name=$1 folder
	shift

	files_of "$name" > "$LOG.files"
	for folder in "$@" "/usr/share/doc/$name/" "/usr/share/lintian/overrides/$name"; do
		grep -v "^$folder" "$LOG.files" > "$LOG.rest" || :
		mv "$LOG.rest" "$LOG.files"
	done
	[[ ! -s $LOG.files ]] || { echo "$name: has these files:"; cat "$LOG.files"; return 1; }
}

# expect_files DEB: the package has all files that standard input lists
expect_files()
{
	local missing

	missing=$(sort | comm -23 - <(files_of "$1"))
	[[ -z $missing ]] || { printf '%s: lacks %s\n' "$1" "$missing"; return 1; }
}

# build/tools has the same folders as the prefix. nf-bpf is in a package of its own.
check_contents_tools()
{
	expect_below nf-bpf-tools /usr/lib/nf-bpf/ || return
	(cd "$BUILD/tools" && find bin/bpftool lib include share -type f) |
		sed 's:^:/usr/lib/nf-bpf/:; s:/man8/.*:&.gz:' | expect_files nf-bpf-tools
}

check_contents_dkms()
{
	local source

	expect_below nf-bpf-dkms '/usr/src/nf-bpf-[0-9.]*/' || return
	for source in "$BUILD"/dkms/nf-bpf-*; do
		(cd "$source" && find . -name '*.[ch]' -o -name Kbuild -o -name Makefile \
			-o -name dkms.conf -o -name check-kernel) |
			grep -v '\.mod\.c$' | sed "s:^\.:/usr/src/${source##*/}:"
	done | expect_files nf-bpf-dkms
}

check_contents_policy()
{
	expect_below nf-bpf /usr/sbin/nf-bpf /usr/bin/nf-bpf /etc/nf-bpf/ /usr/share/man/ \
		'\(/usr\)\?/lib/systemd/system/nf-bpf' /usr/share/nf-bpf/ \
		/usr/share/bash-completion/completions/nf-bpf
}

check_contents()
{
	"check_contents_$1"
}

# Run a function of package-root.sh in the root. All changes to the root stay in memory.
check_root()
{
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare -m -p -f -n --kill-child bash -ec '
		mount -t tmpfs tmpfs "$2"
		mkdir "$2/upper" "$2/work" "$2/root"
		mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" \
			overlay "$2/root"
		cp -r "$3/new" "$3/old" "$4" "$2/root"
		mount -t proc proc "$2/root/proc"
		mount -t sysfs sysfs "$2/root/sys"
		mkdir -p "$2/root/dev/pts"
		mount -t devpts -o newinstance,ptmxmode=0666 devpts "$2/root/dev/pts"
		export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
		exec chroot "$2/root" bash -euo pipefail -c "
			. /package-root.sh
			rm /package-root.sh
			snapshot > /tmp/before
			root_$5"' -- "$ROOT" "$CHECK/layer" "$CHECK" "$IN_ROOT" "$1"
}

# Configure the kernel, and do not build it. This builds only Kconfig.
check_config()
{
	local config=$BUILD/$BASE/deb-$1/.config line

	KCONFIG=$1 "$TOP/scripts/deb-kernel.sh" estimate || return
	for line in CONFIG_NETFILTER_BPF_LINK=y CONFIG_NETFILTER_BPF_KFUNC=m \
		    CONFIG_DEBUG_INFO_BTF=y CONFIG_DEBUG_INFO_BTF_MODULES=y \
		    'CONFIG_SYSTEM_TRUSTED_KEYS=""' CONFIG_MODULE_SIG_ALL=y \
		    'CONFIG_MODULE_SIG_KEY="certs/signing_key.pem"' CONFIG_NF_CONNTRACK=m; do
		grep -qxF "$line" "$config" || { echo "$line: is not set"; return 1; }
	done
	! grep 'debian/certs' "$config"
}

# check_refused WORD MESSAGE...: deb-kernel.sh refuses KCONFIG=WORD with this message
check_refused()
{
	local rc=0

	KCONFIG=$1 "$TOP/scripts/deb-kernel.sh" estimate > "$LOG.refused" 2>&1 || rc=$?
	grep -qF "KCONFIG=$1: ${*:2}" "$LOG.refused" && ((rc == 1)) && return
	cat "$LOG.refused"
	return 1
}

# headers_without_types FROM TO: make a copy of the headers that has no vmlinux
headers_without_types()
{
	mkdir "$2"
	find "$1" -mindepth 1 -maxdepth 1 ! -name vmlinux -exec ln -s -t "$2" {} +
}

# seem_to_run RELEASE: print a directory for PATH, in which uname says that this kernel runs
seem_to_run()
{
	mkdir "$LOG.bin"
	printf '#!/bin/sh\nif [ "$*" = -r ]; then echo %s; else exec %s "$@"; fi\n' \
		"$1" "$(type -P uname)" > "$LOG.bin/uname"
	chmod +x "$LOG.bin/uname"
	printf '%s' "$LOG.bin"
}

# kernel_types FILE TO: write the types of a kernel as /sys/kernel/btf/vmlinux has them
kernel_types()
{
	objcopy --dump-section ".BTF=$2" "$1" /dev/null
}

# with_keys COMMAND...: run DKMS with other settings, so that it makes its key below build/
with_keys()
{
	mkdir "$LOG.etc"
	cat > "$LOG.etc/framework.conf" <<-EOF
	sign_file=$HEADERS/scripts/sign-file
	mok_signing_key=$LOG.key
	mok_certificate=$LOG.pub
	EOF
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare -m bash -ec 'mount --bind "$1" /etc/dkms; shift; exec "$@"' -- "$LOG.etc" "$@"
}

# expect_ids MODULE: each function of the module's set has the number of a type
expect_ids()
{
	local offset name number=0

	objcopy --dump-section ".BTF_ids=$LOG.ids" "$1" /dev/null || return
	while read -r offset _ name; do
		number=$((number + 1))
		(($(od -A n -t u4 -j "0x$offset" -N 4 "$LOG.ids"))) ||
			{ echo "${1##*/}: $name: has no type"; return 1; }
	done < <(nm "$1" | grep ' __BTF_ID__func__')
	((number)) || { echo "${1##*/}: registers no function"; return 1; }
}

# expect_module NAME FUNCTION: DKMS has built the module for RELEASE, signed it, and kept its types
expect_module()
{
	local module=$LOG.$1.ko

	# DKMS compresses modules if those of an installed kernel are compressed.
	xz -dcf "$MODULES_BUILT/$1.ko"* > "$module" || return
	modinfo -F vermagic "$module" | grep "^$RELEASE " ||
		{ echo "$1: not built for $RELEASE"; return 1; }
	modinfo -F signer "$module" | grep -x 'DKMS module signing key' ||
		{ echo "$1: not signed"; return 1; }
	"$BPFTOOL" -B "$HEADERS/vmlinux" btf dump file "$module" > "$LOG.types" || return
	grep "FUNC '$2'" "$LOG.types" || { echo "$1: has no type of $2()"; return 1; }
	expect_ids "$module"
}

# check_dkms headers|running: build the modules on this machine, in folders of this check. This
# needs only kernel headers. The types of the kernel are in the headers, or are those of the kernel
# that runs.
check_dkms()
{
	local RELEASE HEADERS MODULES_BUILT version source sources=$LOG.root/usr/src
	local headers variables=()

	[[ -e $STOCK_TREE/usr/src ]] || skip "no headers: KERNEL=stock scripts/stock.sh downloads them"
	RELEASE=$(basename "$STOCK_TREE"/lib/modules/*)
	HEADERS=$(realpath "$STOCK_TREE/lib/modules/$RELEASE/build")
	headers=$HEADERS
	if [[ $1 = running ]]; then
		headers=$LOG.headers
		headers_without_types "$HEADERS" "$headers"
		kernel_types "$HEADERS/vmlinux" "$LOG.btf" || return
		variables=(RUNNING_BTF="$LOG.btf" PATH="$(seem_to_run "$RELEASE"):$PATH")
	fi
	mkdir "$LOG.tree" "$LOG.root"
	dpkg-deb -x "$(package nf-bpf-dkms)" "$LOG.root"
	source=$(echo "$sources"/nf-bpf-*)
	version=${source##*/nf-bpf-}
	with_keys env "${variables[@]}" dkms build --dkmstree "$LOG.tree" --sourcetree "$sources" \
		-m "nf-bpf/$version" -k "$RELEASE/x86_64" --kernelsourcedir "$headers" || {
		cat "$LOG.tree/nf-bpf/$version/build/make.log"
		return 1
	}
	MODULES_BUILT=$LOG.tree/nf-bpf/$version/$RELEASE/x86_64/module
	expect_module nf_bpf_packet bpf_nf_store_bytes &&
		expect_module nf_bpf_kfunc bpf_nf_reject &&
		expect_module nf_bpf_entry bpf_nf_ct_set_nat_info
}

list_checks()
{
	local deb check

	for deb in "$CHECK"/new/*.deb; do
		deb=${deb##*/}
		printf 'lintian %s\n' "${deb%%_*}"
	done
	printf 'contents %s\n' tools dkms policy
	while read -r check; do
		printf 'root %s\n' "$check"
	done < <(sed -n 's/^root_\([a-z_]*\)()$/\1/p' "$IN_ROOT")
	printf 'config cloud\n'
	printf 'refused %s\n' '/nonesuch /nonesuch: no such configuration: give debian' \
		'/dev/null CONFIG_'
	printf 'dkms %s\n' 'headers have the types of the kernel' \
		'running kernel has its types, the headers do not'
}

main()
{
	case ${1:-} in
	-h|--help)
		usage
		return ;;
	esac

	((EUID == 0)) || die "only root can install packages in a root of its own: use sudo"
	check_base
	mkdir -p "$DEB"
	take_lock check-packages
	prepare >&2
	run_checks 1 "${1:-}"
}

main "$@"
