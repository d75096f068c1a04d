# SPDX-License-Identifier: GPL-2.0
"""Sends frames and records what is on the two wires of the router.

One process sends and records, so that the record begins before the first frame and
ends after the router has handled the last one: see Wires.settle().
"""

import ctypes
import mmap
import os
import select
import socket
import struct
import time

from packets import ICMPV6, arp_request, ethernet, is_arp_reply, parse

ETH_P_ALL = 3
SOL_PACKET, PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION = 263, 5, 6, 10
TPACKET_V2, TP_STATUS_KERNEL, TP_STATUS_USER = 1, 0, 1
TPACKET2_HDRLEN = 32    # TPACKET_ALIGN(sizeof(struct tpacket2_hdr)); a sockaddr_ll follows
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


class WireError(Exception):
    """The measurement failed. This is not the same as a dropped packet."""


def enter_netns(name):
    path = f"/run/netns/{name}"
    with open(path, "rb") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def bind_udp(netns, address, port):
    """A socket that receives datagrams, so that the host sends no ICMP error."""
    enter_netns(netns)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, port))
    return sock


class Tap:
    """Records a device in both directions, in a ring. The kernel copies each frame into
    the ring when it passes. Frames of recv() would share memory with the packet: when
    the router fragments it again, it writes new headers into this memory.
    """

    FRAME, FRAMES, BLOCK = 4096, 4096, 1 << 16

    def __init__(self, device):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
        size = self.FRAME * self.FRAMES
        self.sock.setsockopt(SOL_PACKET, PACKET_RX_RING, struct.pack(
            "IIII", self.BLOCK, size // self.BLOCK, self.FRAME, self.FRAMES))
        self.ring = mmap.mmap(self.sock.fileno(), size)
        self.next = 0
        self.sock.bind((device, ETH_P_ALL))

    def fileno(self):
        return self.sock.fileno()

    def read(self):
        """The next frame and whether the device sent it; None if there is no frame."""
        base = self.next * self.FRAME
        status, length, captured, start = struct.unpack_from("IIIH", self.ring, base)
        if not status & TP_STATUS_USER:
            return None
        if captured < length:
            raise WireError(f"a frame of {length} bytes does not fit the ring")
        frame = self.ring[base + start:base + start + length]
        pkttype = self.ring[base + TPACKET2_HDRLEN + 10]
        struct.pack_into("I", self.ring, base, TP_STATUS_KERNEL)
        self.next = (self.next + 1) % self.FRAMES
        return frame, pkttype == socket.PACKET_OUTGOING

    def lost(self):
        stats = self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        return struct.unpack("II", stats)[1]


class Seen:
    """A frame on a wire, to or from the router. packet is None if it is not IP."""

    def __init__(self, wire, to_router, frame):
        self.wire, self.to_router, self.frame = wire, to_router, frame
        self.packet = parse(frame)


class Wire:
    """The host's end of a wire, with the addresses of the host and of the router."""

    def __init__(self, name, netns, device, mac, ip4, router_mac, router_ip4):
        self.name, self.mac, self.router_mac = name, mac, router_mac
        self.arp = arp_request(mac, ip4, router_mac, router_ip4)
        enter_netns(netns)
        self.tap = Tap(device)
        # A packet socket does not receive its own frames, but the tap must.
        self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.out.bind((device, 0))

    def send(self, packet):
        self.out.send(ethernet(self.router_mac, self.mac, packet))

    def drain(self):
        seen = []
        while (read := self.tap.read()) is not None:
            frame, outgoing = read
            seen.append(Seen(self.name, outgoing, frame))
        lost = self.tap.lost()
        if lost:
            raise WireError(f"{self.name} wire: {lost} frames were not recorded")
        return seen


class Wires:
    """Both wires. Names and addresses come from the variables of topology.sh."""

    def __init__(self, env):
        # settle() needs one queue, so that all packets use the backlog of one CPU.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        self.client = Wire("client", env["NS_CLIENT"], env["CLIENT_DEV"],
                           env["CLIENT_MAC"], env["CLIENT_IP4"],
                           env["ROUTER_LEFT_MAC"], env["ROUTER_LEFT_IP4"])
        self.server = Wire("server", env["NS_SERVER"], env["SERVER_DEV"],
                           env["SERVER_MAC"], env["SERVER_IP4"],
                           env["ROUTER_RIGHT_MAC"], env["ROUTER_RIGHT_IP4"])
        self.seen = []

    def poll(self):
        new = self.client.drain() + self.server.drain()
        self.seen += new
        return new

    def wait(self, condition, seconds):
        """Records until condition() is true. Returns False on a timeout."""
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            if not self.poll():
                select.select([self.client.tap, self.server.tap], [], [], left)
        return True

    def settle(self):
        """Returns when the router has forwarded or dropped all earlier packets.

        An ARP request queues up behind them, and no IP policy drops ARP.
        """
        for wire in (self.client, self.server):
            before = len(self.arp_replies(wire))
            wire.out.send(wire.arp)
            if not self.wait(lambda w=wire, n=before: len(self.arp_replies(w)) > n, 20):
                raise WireError(f"{wire.name} wire: the router does not answer ARP")

    def arp_replies(self, wire):
        return [s for s in self.seen
                if s.wire == wire.name and not s.to_router and is_arp_reply(s.frame)]

    def send(self, wire, packets):
        for packet in packets:
            wire.send(packet)
            self.poll()

    def take(self):
        """The IP packets that were recorded since the last call."""
        self.poll()
        taken = [s for s in self.seen if s.packet and not is_mld_report(s.packet)]
        self.seen = []
        return taken


def is_mld_report(packet):
    """Hosts send this packet by themselves when a device comes up, and no other."""
    return packet.proto == ICMPV6 and packet.data[:1] == b"\x8f"
