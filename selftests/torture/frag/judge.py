# SPDX-License-Identifier: GPL-2.0
"""The fragment tests' access to the kernel: links, the program's log, counters."""

import ctypes
import fcntl
import mmap
import os
import platform
import socket
import struct

from wire import enter_netns

NR_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_MAP_LOOKUP_ELEM, BPF_OBJ_GET, BPF_OBJ_GET_INFO_BY_FD, BPF_LINK_CREATE = 1, 7, 15, 28
BPF_NETFILTER = 45
NFPROTO_INET = 1
HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
FLAGS = {"plain": 0, "defrag": 1, "strict": 1 | 1 << 16, "track": 1 << 17}
TRACKING = ("tracked_datagrams", "later_fragments", "reassembled_fragments", "table_full")
RINGBUF_BUSY, RINGBUF_DISCARD = 1 << 31, 1 << 30
SIOCSIFMTU = 0x8922

# from judge.h
RING_SIZE, JUDGED = 1 << 23, struct.Struct("=8I")
JUDGED_FRAGMENT, JUDGED_UNREAD = 1, 2

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr, what):
    """Calls bpf(). attr is a bytearray. what: the object that an OSError names."""
    buffer = (ctypes.c_char * len(attr)).from_buffer(attr)
    result = libc.syscall(NR_BPF, command, buffer, len(attr))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)
    return result


def obj_get(path):
    """A file descriptor of the object that is pinned at path."""
    name = ctypes.create_string_buffer(path.encode())
    attr = bytearray(struct.pack("=QII", ctypes.addressof(name), 0, 0))
    return bpf(BPF_OBJ_GET, attr, path)


class Link:
    """A program at a hook of a network namespace, for both families. close() detaches it."""

    def __init__(self, netns, program, hook, mode, priority=0):
        enter_netns(netns)
        attr = bytearray(struct.pack("=IIIIIIiI", program, 0, BPF_NETFILTER, 0,
                                     NFPROTO_INET, HOOKS[hook], priority, FLAGS[mode]))
        self.fd = bpf(BPF_LINK_CREATE, attr, f"attach {mode} at {hook}")

    def counters(self):
        """The counters of packets as a dict: accepted, dropped, dropped_fragments."""
        info = bytearray(64)
        buffer = (ctypes.c_char * len(info)).from_buffer(info)
        attr = bytearray(struct.pack("=IIQ", self.fd, len(info), ctypes.addressof(buffer)))
        bpf(BPF_OBJ_GET_INFO_BY_FD, attr, "link info")
        return dict(zip(("accepted", "dropped", "dropped_fragments"),
                        struct.unpack_from("=3Q", info, 40)))

    def tracking(self):
        """The counters of fragments as a dict. A link that does not track them has 0."""
        with open(f"/proc/self/fdinfo/{self.fd}", encoding="ascii") as file:
            words = dict(line.split(":", 1) for line in file)
        return {name: int(words.get(name, 0)) for name in TRACKING}

    def close(self):
        os.close(self.fd)


class Judged:
    """A packet as the program saw it. packet: its bytes from the IP header on."""

    def __init__(self, data):
        (self.length, self.verdict, flags, self.info, self.pieces, self.max_size,
         self.ifindex, self.hook) = JUDGED.unpack_from(data)
        self.fragment, self.unread = bool(flags & JUDGED_FRAGMENT), bool(flags & JUDGED_UNREAD)
        self.packet = data[JUDGED.size:JUDGED.size + self.length]


class Log:
    """The ring buffer of judge.bpf.c, with the packets in the order of judgement."""

    def __init__(self, pins):
        self.lost = obj_get(f"{pins}/lost")
        ring = obj_get(f"{pins}/judged")
        page = mmap.PAGESIZE
        self.consumer = mmap.mmap(ring, page)
        self.data = mmap.mmap(ring, page + 2 * RING_SIZE, prot=mmap.PROT_READ, offset=page)
        os.close(ring)

    def read(self):
        """The packets that were judged since the last call."""
        position, = struct.unpack_from("=Q", self.consumer)
        end, = struct.unpack_from("=Q", self.data)
        found = []
        while position < end:
            at = mmap.PAGESIZE + position % RING_SIZE
            head, = struct.unpack_from("=I", self.data, at)
            if head & RINGBUF_BUSY:
                break
            length = head & ~RINGBUF_DISCARD
            if not head & RINGBUF_DISCARD:
                found.append(Judged(self.data[at + 8:at + 8 + length]))
            position += (8 + length + 7) & ~7
        struct.pack_into("=Q", self.consumer, 0, position)
        if self.read_lost():
            raise RuntimeError("the program's log: it has lost packets: the ring is too small")
        return found

    def read_lost(self):
        key, value = ctypes.c_uint32(0), ctypes.c_uint64(0)
        attr = bytearray(struct.pack("=IIQQQ", self.lost, 0, ctypes.addressof(key),
                                     ctypes.addressof(value), 0))
        bpf(BPF_MAP_LOOKUP_ELEM, attr, "lost")
        return value.value


class KernelLog:
    """The kernel's messages from /dev/kmsg, which do not depend on the console's level."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)

    def read(self):
        """The messages since the last call."""
        said = []
        while True:
            try:
                record = os.read(self.fd, 8192).decode(errors="replace")
            except BlockingIOError:
                return said
            except BrokenPipeError:
                # Some records were overwritten before they were read.
                continue
            said.append(record.split("\n", 1)[0].split(";", 1)[1])


class Counters:
    """/proc/net/{snmp,netstat,snmp6,sockstat} of a network namespace."""

    def __init__(self, netns):
        enter_netns(netns)
        base = "/proc/thread-self/net/"
        self.pairs = [os.open(base + name, os.O_RDONLY) for name in ("snmp", "netstat")]
        self.snmp6 = os.open(base + "snmp6", os.O_RDONLY)
        self.sockstat = [os.open(base + name, os.O_RDONLY) for name in ("sockstat", "sockstat6")]

    def read(self):
        """The counters by name, with the prefix of the file: IpReasmOKs, Ip6ReasmOKs."""
        values = {}
        for fd in self.pairs:
            lines = os.pread(fd, 1 << 16, 0).decode().splitlines()
            for names, numbers in zip(lines[::2], lines[1::2]):
                prefix = names.split(":")[0]
                if prefix in ("Ip", "IpExt", "Icmp"):
                    values.update((prefix + name, int(number)) for name, number
                                  in zip(names.split()[1:], numbers.split()[1:]))
        for line in os.pread(self.snmp6, 1 << 16, 0).decode().splitlines():
            name, number = line.split()
            if name.startswith(("Ip6", "Icmp6")):
                values[name] = int(number)
        return values

    def fragment_memory(self):
        """Bytes held by incomplete IPv4 datagrams."""
        text = os.pread(self.sockstat[0], 4096, 0).decode()
        line = next(l for l in text.splitlines() if l.startswith("FRAG:"))
        return int(line.split()[4])


def read_sysctl(netns, name):
    """name: a path below /proc/sys/net."""
    enter_netns(netns)
    with open(f"/proc/sys/net/{name}", encoding="ascii") as file:
        return file.read().strip()


def write_sysctl(netns, name, value):
    """Returns the old value."""
    old = read_sysctl(netns, name)
    with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
        file.write(str(value))
    return old


def set_mtu(netns, device, mtu):
    enter_netns(netns)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFMTU, struct.pack("16si12x", device.encode(), mtu))
