#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the packages in a Debian 12 with systemd and GRUB that runs in QEMU, and goes with
# it from the stock kernel to a policy and back: KTAP on stdout.

# shellcheck disable=SC2054	# QEMU's options have commas

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/progress.sh"
. "$(dirname "$0")/lib/checks.sh"
. "$(dirname "$0")/lib/deb.sh"

CHECK=$DEB/install
INSIDE=$TOP/tools/guest/install
SUITE=bookworm
ROOT=$DEB/root/$SUITE-install
DISK=$CHECK/disk
DISK_MB=3000
FIRST_SECTOR=2048
DEBS=${DEBS:-}
# More than a step or a boot of an emulated machine on a busy host takes.
STEP_SECONDS=900
# The tests' kernel is the small one. It has no ext4, so its root is a folder, over 9p.
SMALL=
SPLAT='BUG:|WARNING:|Oops|Call Trace|Kernel panic|general protection fault|INFO: task .* blocked'

usage()
{
	cat <<USAGE
Usage: scripts/check-install.sh [small]

Boots Debian 12 in QEMU, with systemd and GRUB, on a disk of its own: first with Debian's
kernel, then with the one of scripts/deb-kernel.sh. Each step is one result. Steps need the
steps before them: after a failure the others fail, too.

  small    the tests' kernel (make kernel) in place of the packages of a kernel, without GRUB
           and without Debian's kernel. It is chosen if $(rel "$DEB") has no kernel

DEBS=DIR   packages to install, in place of those that scripts/deb-tools.sh builds now
ACCEL=kvm  do not emulate the processor

The consoles of the machine are $(rel "$CHECK")/console.*.
USAGE
}

# --- the Debian -------------------------------------------------------------

# The machine has no network, so the root must contain the packages that this project's packages
# need. A kernel of bindeb-pkg needs none.
make_root()
{
	local include=systemd-sysv,udev,dbus,iproute2,procps,kmod,python3-minimal

	include+=,linux-image-cloud-amd64,initramfs-tools,grub-pc,zstd
	include+=,$(dependencies "$CHECK"/debs/nf-bpf*.deb)
	make_debian "$ROOT" 5000 "${include%,}"
}

# An initramfs of all drivers takes an emulated machine minutes: the one of our kernel has
# those of this machine.
configure_root()
{
	local root=$1 unit

	mkdir -p "$root/check/debs"
	cp "$INSIDE"/* "$SAMPLES/firewall.bpf.o" "$root/check"
	cp "$CHECK"/debs/*.deb "$root/check/debs"
	for unit in "$root"/check/*.service; do
		mv "$unit" "$root/etc/systemd/system/"
		chroot "$root" systemctl -q enable "${unit##*/}"
	done
	echo router > "$root/etc/hostname"
	echo MODULES=dep > "$root/etc/initramfs-tools/conf.d/driver-policy"
	sed -i -e 's/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=1/' \
		-e 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT=""/' \
		-e "s/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX=\"$(kernel_arguments)\"/" \
		"$root/etc/default/grub"
	rm -f "$root/etc/resolv.conf"
}

# An emulated timer can be late, and an emulated TSC cannot be calibrated on a busy machine.
kernel_arguments()
{
	printf 'console=ttyS0 loglevel=6 panic=-1 reboot=t random.trust_cpu=on'
	[[ ${ACCEL:-tcg} != tcg ]] || printf ' no_timer_check tsc=unstable'
}

# mke2fs writes the files into the partition without mounting it.
make_disk()
{
	local root=$CHECK/root

	rm -rf "$root"
	cp -a "$ROOT" "$root"
	configure_root "$root"
	[[ -z $SMALL ]] || { install_small "$root"; return; }
	echo '/dev/vda1 / ext4 defaults 0 1' > "$root/etc/fstab"
	cp -L "$root/vmlinuz" "$CHECK/vmlinuz"
	cp -L "$root/initrd.img" "$CHECK/initrd"
	truncate -s "${DISK_MB}M" "$DISK"
	echo "$FIRST_SECTOR,,L,*" | sfdisk -q "$DISK"
	mke2fs -q -t ext4 -d "$root" -E "offset=$((FIRST_SECTOR * 512)),lazy_itable_init=1" \
		"$DISK" "$((DISK_MB - FIRST_SECTOR / 2048 - 1))M"
	rm -rf "$root"
}

install_small()
{
	: > "$1/etc/fstab"
	cp -r "$MODULES"/lib/modules/* "$1/lib/modules/"
}

# newest_image: print the last kernel that scripts/deb-kernel.sh has built for the base
newest_image()
{
	find "$DEB" -maxdepth 1 -name "linux-image-$BASE.*-nf-bpf*_*.deb" -printf '%T@ %p\n' |
		sort -n | tail -n 1 | cut -d ' ' -f 2
}

collect_debs()
{
	local image

	mkdir -p "$CHECK/debs"
	if [[ -z $DEBS ]]; then
		"$TOP/scripts/deb-tools.sh" > "$CHECK/build.log" || exit
		DEBS=$DEB
	fi
	cp "$DEBS"/nf-bpf_*.deb "$DEBS"/nf-bpf-tools_*.deb "$CHECK/debs"
	if [[ -z $SMALL ]]; then
		image=$(newest_image)
		[[ -n $image ]] || SMALL=1
		[[ -z $image ]] || cp "$image" "$CHECK/debs"
	fi
	[[ -z $SMALL || -r $IMAGE ]] ||
		die "no kernel to boot: make deb-kernel KCONFIG=cloud, or make kernel"
}

# --- the machine ------------------------------------------------------------

# start_machine [QEMU's OPTION...]: boot, and wait for run-steps. Without a display adapter,
# GRUB does not get beyond its greeting.
start_machine()
{
	local number qemu

	number=$(find "$CHECK" -name 'console.*' | wc -l)
	qemu=(-accel "${ACCEL:-tcg}" -cpu "$([[ ${ACCEL:-tcg} = tcg ]] && echo max || echo host)"
	      -M pc -vga std -m 1024 -smp 1 -nodefaults -no-user-config -display none -no-reboot -nic none
	      -serial "file:$CHECK/console.$number"
	      -device virtio-rng-pci -device virtio-serial-pci
	      -chardev "pipe,id=check,path=$CHECK/port"
	      -device virtserialport,chardev=check,name=check)
	if [[ -n $SMALL ]]; then
		qemu+=(-fsdev "local,id=root,path=$CHECK/root,security_model=none,multidevs=remap"
		       -device virtio-9p-pci,fsdev=root,mount_tag=/dev/root -kernel "$IMAGE"
		       -append "root=/dev/root rootfstype=9p rw $(kernel_arguments) rootflags=trans=virtio,version=9p2000.L,msize=512000,cache=loose")
	else
		qemu+=(-drive "file=$DISK,format=raw,if=virtio,cache=unsafe")
	fi
	"$QEMU_BINARY" "${qemu[@]}" "$@" > "$CHECK/qemu" 2>&1 < /dev/null &
	echo $! > "$CHECK/pid"
	answer "the boot"
}

machine_runs()
{
	[[ -s $CHECK/pid ]] && kill -0 "$(< "$CHECK/pid")" 2> /dev/null
}

# answer WHAT: print what run-steps writes, up to its line with the status
answer()
{
	local what=$1 end=$((SECONDS + STEP_SECONDS)) line='' part

	while :; do
		if ! read -r -t 2 -u "$PORT_OUT" part; then
			line+=$part
			machine_runs || { echo "$what: QEMU ended"; head "$CHECK/qemu"; return 1; }
			((SECONDS < end)) || { echo "$what: no answer in $STEP_SECONDS seconds"; return 1; }
			continue
		fi
		line+=$part
		case $line in
		"status "*)
			return "${line#status }" ;;
		esac
		printf '%s\n' "$line"
		line=''
	done
}

step()
{
	echo "# $1"
	echo "$1" >&"$PORT_IN"
	answer "step $1"
}

# The kernel must not have complained.
stop_machine()
{
	local end=$((SECONDS + STEP_SECONDS)) console

	echo "# reboot"
	echo reboot >&"$PORT_IN"
	while machine_runs; do
		((SECONDS < end)) || { echo "the machine does not shut down"; return 1; }
		sleep 0.5
	done
	# The answer may have come, or run-steps was ended first.
	while read -r -t 0.2 -u "$PORT_OUT" _; do
		:
	done
	console=$(find "$CHECK" -name 'console.*' | sort -V | tail -n 1)
	! grep -E -A 20 "$SPLAT" "$console"
}

clean_up()
{
	! machine_runs || kill "$(< "$CHECK/pid")"
	rm -rf "$CHECK/root" "$DISK"
}

# --- the steps --------------------------------------------------------------

# Debian's kernel boots without GRUB, which is not there yet, and then installs it.
do_stock()
{
	start_machine -kernel "$CHECK/vmlinuz" -initrd "$CHECK/initrd" \
		-append "root=/dev/vda1 ro $(kernel_arguments)" && step stock
}

do_install()
{
	[[ -z $SMALL ]] || start_machine || return
	step install
}

do_once()
{
	step choose_once && stop_machine && start_machine && step chosen_once
}

do_control()
{
	step unjudged
}

do_first_packet()
{
	[[ -n $SMALL ]] || step choose || return
	stop_machine && start_machine && step judged
}

do_update()
{
	step update
}

do_try()
{
	step try
}

do_confirm()
{
	step confirm
}

do_bad_update()
{
	step bad
}

# Debian 12's own kernel has no netfilter programs.
do_back_once()
{
	step choose_stock_once && stop_machine && start_machine && step without_type
}

do_bad_boot()
{
	stop_machine && start_machine && step bad_boot
}

do_purge()
{
	step purge || return
	[[ -z $SMALL ]] || stop_machine
}

do_stock_again()
{
	step choose_stock && stop_machine && start_machine && step stock_again && stop_machine
}

# A step needs those before it.
check_step()
{
	local start=$SECONDS

	[[ ! -e $CHECK/failed ]] || { echo "not run: an earlier step failed"; return 1; }
	: > "$CHECK/failed"
	"do_$1" || return
	rm "$CHECK/failed"
	remark "$(clock $((SECONDS - start)))"
}

title()
{
	printf '%s' "${*:3}"
}

list_checks()
{
	[[ -n $SMALL ]] || echo "step stock Debian's kernel boots, and GRUB is installed"
	echo "step install apt installs the packages from a folder"
	[[ -n $SMALL ]] || echo "step once GRUB boots the patched kernel once"
	cat <<-STEPS
	step control without the service, forbidden fragments are forwarded
	step first_packet after a boot all fragments are judged, from the first one on
	step update new versions under load lose nothing, and let nothing through
	step try a trial goes back by itself when its caller has ended
	step confirm a confirmed trial stays, and rollback ends it
	step bad_update a bad update is refused, and the policy stays
	STEPS
	[[ -n $SMALL ]] ||
		echo "step back_once on Debian's kernel the service fails, and packets pass"
	cat <<-STEPS
	step bad_boot a reboot with the bad file brings the policy before
	step purge the purge ends the policy and leaves no file
	STEPS
	[[ -n $SMALL ]] ||
		echo "step stock_again Debian's kernel boots again, and ours is removed"
}

prepare()
{
	rm -rf "$CHECK"
	mkdir -p "$CHECK"
	[[ -r $SAMPLES/firewall.bpf.o ]] || die "$(rel "$SAMPLES"): no firewall.bpf.o: make samples"
	collect_debs
	make_root
	make_disk
	mkfifo "$CHECK/port.in" "$CHECK/port.out"
	exec {PORT_IN}<> "$CHECK/port.in" {PORT_OUT}<> "$CHECK/port.out"
}

main()
{
	one_word_of "small" "$@"
	SMALL=${1:+1}
	((EUID == 0)) || die "only root can make a root file system: use sudo"
	check_base
	mkdir -p "$DEB"
	take_lock check-install
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	prepare >&2
	run_checks 1
}

main "$@"
