# SPDX-License-Identifier: GPL-2.0
#
# The commands that people type. scripts/ and the makefiles of the folders do the work.

BASE	?= 6.1
# The base that the programs of tests and samples are compiled for. They run on any.
COMPILED_FOR	?= $(BASE)
ARCH	?= x86
PREFIX	?= /opt/nf-bpf
JOBS	?= $(shell nproc)

TOP	:= $(CURDIR)
BUILD	:= $(TOP)/build
VMLINUX_H = $(BUILD)/$(COMPILED_FOR)/vmlinux.h
SUBMAKE	= $(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD) BASE=$(COMPILED_FOR)
# Not $(MAKE) in a recipe, or "make -n" would run all of it.
AGAIN	= $(MAKE) --no-print-directory

# With ARCH= of another processor, everything is built in a folder of its own: by a compiler
# for this processor, with the libraries of its guest's Debian, and with a bpftool that runs
# on this machine.
ifneq ($(ARCH),x86)
HERE	:= $(BUILD)
BUILD	:= $(HERE)/$(ARCH)
CROSS_COMPILE := aarch64-linux-gnu-
SYSROOT	:= $(BUILD)/root
CROSS_TOOLS := CROSS_COMPILE=$(CROSS_COMPILE) SYSROOT=$(SYSROOT)
CROSS	:= CC='$(CROSS_COMPILE)gcc --sysroot=$(SYSROOT)' BPFTOOL=$(HERE)/tools/bin/bpftool
$(if $(filter bench% lint check-host check-patches,$(MAKECMDGOALS)),\
	$(error $(filter bench% lint check-host check-patches,$(MAKECMDGOALS)): without ARCH=$(ARCH): \
	costs are counted on x86, the running kernel is this machine's, and the patches are \
	checked for both))
endif

# KERNEL= boots a distribution's own kernel. Then there is no kernel of ours to build, to
# measure or to debug.
ifneq ($(KERNEL),)
$(if $(filter bench% kernel torture check-%,$(MAKECMDGOALS)),\
	$(error $(filter bench% kernel torture check-%,$(MAKECMDGOALS)): without KERNEL=$(KERNEL): \
	it is for check, demo, run and shell))
endif

KERNEL_IF_NEEDED = scripts/$(if $(KERNEL),stock.sh $(STOCK_OPTIONS) > /dev/null,kernel.sh if-needed)

# Where `make run' attaches the program PROG= on the router.
HOOK	?= forward
PF	?= inet
PRIORITY ?= filter
DEFRAG	?= 1

export ARCH BASE COMPILED_FOR KERNEL KSRC KCONFIG FLAVOUR V ACCEL PACKAGES JOBS SMOKE SEED ALL CHECK_PATCHES

ifeq ($(V),)
MAKEFLAGS += -s
endif

.NOTPARALLEL:
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	printf '%s\n' '' \
	  'Variables: BASE=$(BASE) (a folder of patches/)   KSRC=DIR|TARBALL (another kernel source)' \
	  '           COMPILED_FOR=$(COMPILED_FOR) (the base that samples and tests are compiled for)' \
	  '           ARCH=x86|arm64 (the processor that the guest has)' \
	  '           V=1 (every command)   ACCEL=kvm|tcg (no probe)   PACKAGES=no (no check for packages)' \
	  '           FLAVOUR=lockdebug|memdebug|rt|kcov|noipv6|noconntrack|modules (another kernel: kconfig/)' \
	  '           KERNEL=stock|DEB|DIR (a distribution'\''s own kernel for check, demo, run, shell)' \
	  'Everything is built below build/, and what this machine lacks is installed through apt.'

# The programs of the demo call no function of the modules.
.PHONY: demo
demo: STOCK_OPTIONS := --modules-optional
demo: kernel-and-tools samples ## a router under four policies, with real fragments (builds what is missing)
	tools/guest/boot -- tools/router/demo.sh

.PHONY: lint
lint: packages ## what needs no kernel: shellcheck, checkpatch, agreement of lists; TEST=pattern runs some
	scripts/lint.sh '$(TEST)'

.PHONY: check
check: kernel-and-tools samples selftests ## every test in the guest, then bench-guard and check-patches; TEST=pattern runs some
	scripts/check.sh '$(TEST)'

.PHONY: torture
torture: kernel-and-tools samples selftests ## attacks, fuzzers, load and races, in the guest; SMOKE=1 the short form, TEST=pattern, SEED=n
	scripts/torture.sh $(TEST)

.PHONY: bench-build
bench-build: export FLAVOUR := bench
bench-build: kernel-and-tools headers
	bench/measure.sh --mainline
	$(SUBMAKE) -C bench BASE=$(BASE) VMLINUX_H=$(VMLINUX_H)

# The programs with which bench/guard.sh measures in the guest's kernel.
.PHONY: bench-guard-build
bench-guard-build: headers
	$(SUBMAKE) -C bench guard BASE=$(BASE) VMLINUX_H=$(VMLINUX_H)

.PHONY: bench
bench: bench-build ## instructions per forwarded packet, for each way to apply a policy; CASE=pattern runs some
	bench/measure.sh $(CASE)

.PHONY: bench-doc
bench-doc: bench-build ## the same, all of it, into Documentation/bench/
	bench/measure.sh --doc

.PHONY: shell
shell: kernel-and-tools samples ## a terminal on the router, its client and its server
	tools/guest/boot --interactive --timeout 0 -- tools/router/shell.sh

.PHONY: run
run: kernel-and-tools samples ## your program on the router: PROG=my.bpf.o [HOOK= PF= PRIORITY= DEFRAG= PCAP=]
	$(if $(PROG),,$(error run: which program? make run PROG=my.bpf.o [HOOK=forward PF=inet PRIORITY=filter DEFRAG=1] [PCAP=traffic.pcap]))
	tools/guest/boot --env PROG="$(abspath $(PROG))" --env HOOK="$(HOOK)" \
		--env PF="$(PF)" --env PRIORITY="$(PRIORITY)" --env DEFRAG="$(DEFRAG)" \
		--env PCAP="$(abspath $(PCAP))" --env V="$(V)" -- tools/router/run-prog.sh

.PHONY: kernel
kernel: packages ## the patched kernel of BASE= and its modules
	scripts/kernel.sh

.PHONY: kernel-if-needed
kernel-if-needed: packages
	$(KERNEL_IF_NEEDED)

# Build the tools beside the kernel: they use the processors that are idle while it is linked.
.PHONY: kernel-and-tools
kernel-and-tools: packages
	mkdir -p $(BUILD)
	nice $(AGAIN) tools PACKAGES=no > $(BUILD)/tools.output 2>&1 & \
	tools=$$!; $(KERNEL_IF_NEEDED); rc=$$?; \
	wait $$tools || { cat $(BUILD)/tools.output >&2; exit 1; }; exit $$rc

.PHONY: tools
tools: packages ## libbpf and bpftool that know the type
	scripts/tree.sh prepare tools
ifdef HERE
	$(SUBMAKE) -C tools BUILD=$(HERE)
	scripts/guest-root.sh
endif
	$(SUBMAKE) -C tools $(CROSS_TOOLS)

.PHONY: headers
headers: kernel-if-needed tools
	scripts/vmlinux-h.sh

.PHONY: samples
samples: headers ## the example programs
	$(SUBMAKE) -C samples $(CROSS) VMLINUX_H=$$(scripts/vmlinux-h.sh path)

.PHONY: selftests
selftests: headers ## the test programs (make check runs them)
	$(SUBMAKE) -C selftests $(CROSS) VMLINUX_H=$$(scripts/vmlinux-h.sh path)

.PHONY: check-host
check-host: tools ## the user-space tests on the running kernel (root; Linux 6.4 or later)
	scripts/vmlinux-h.sh host
	$(SUBMAKE) -C samples VMLINUX_H=$$(scripts/vmlinux-h.sh path)
	$(SUBMAKE) -C selftests VMLINUX_H=$$(scripts/vmlinux-h.sh path)
	selftests/run.sh $(TEST)

.PHONY: check-patches
check-patches: packages ## the series applies, reverts and builds patch by patch; matrix, W=1, sparse; ALL=1 repeats what was done
	scripts/check-patches.sh

.PHONY: install-tools
install-tools: tools ## bpftool, libbpf, headers, man pages and completion into PREFIX=/opt/nf-bpf
	$(SUBMAKE) -C tools install $(CROSS_TOOLS) PREFIX=$(PREFIX)
	$(if $(DESTDIR),,echo 'Installed in $(PREFIX). To use it: export PATH=$(PREFIX)/bin:$$PATH PKG_CONFIG_PATH=$(PREFIX)/lib/pkgconfig')

.PHONY: deb
deb: deb-kernel deb-tools ## Debian packages of kernel and tools in build/deb; KCONFIG=debian|cloud|running|FILE

.PHONY: check-packages
check-packages: deb-packages ## the packages without the kernel: lintian, and install to purge in a Debian below build/; TEST=pattern
	scripts/check-packages.sh '$(TEST)'

.PHONY: check-install
check-install: deb-packages samples ## the packages in a Debian 12 with systemd and GRUB, from the stock kernel to a policy and back
	scripts/check-install.sh

.PHONY: deb-packages
deb-packages:
	scripts/packages.sh deb

.PHONY: deb-kernel
deb-kernel: deb-packages ## the kernel's packages alone; an estimate of time and space comes first
	scripts/deb-kernel.sh

.PHONY: deb-tools
deb-tools: deb-packages ## the packages without the kernel alone: nf-bpf, nf-bpf-tools, nf-bpf-dkms (a minute)
	scripts/deb-tools.sh

.PHONY: series
series: packages ## all that is added to the kernel of BASE= as numbered patches in OUT=DIR, for git am or patch -p1
	$(if $(OUT),,$(error series: which folder? make series BASE=$(BASE) OUT=DIR))
	scripts/export-series.sh '$(OUT)'

.PHONY: where
where: ## KEY=path of what is built, for other runners and scripts
	scripts/where.sh

.PHONY: packages
packages:
	scripts/packages.sh

.PHONY: clean
clean: ## remove build/
	rm -rf build
