# SPDX-License-Identifier: GPL-2.0
"""The table of fragment attacks. Each row is a function, which makes the packets, and has
the expected outcome. fragment_attacks.sh runs the rows.

A row has its number in the list of Documentation/fragments.rst. Its outcome is that of a
router that reassembles. Without reassembly, the program judges each packet, and each packet
leaves as it came, unless the row says otherwise (unforwarded). For a link that tracks
fragments, the rules of tracked.py say which packets of the row reassembly gets.
"""

import random
from contextlib import contextmanager
from dataclasses import dataclass, field

from scapy.layers.inet import IP, IPOption, TCP, overlap_frag
from scapy.layers.inet6 import (HBHOptUnknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)
from scapy.packet import Raw

import packets
from judge import set_mtu, write_sysctl
from tracked import JUDGED

UDP, TCP_PROTO, NO_NEXT = 17, 6, 59
IDENT4, IDENT6 = 0x7E00, 0x5EED7E00     # in built packets; each run sends others
SPORT, DPORT, DENIED_DPORT = 40000, 9998, 9999
MODES = ("plain", "defrag", "strict", "track")
REASSEMBLING = MODES[1:]
BOTH_WAYS = ("in_order", "reversed")
UNEVEN = [1400, 480, 8, 912]


@dataclass
class Sent:
    """A packet of a row."""

    packet: bytes
    label: int = 0          # its datagram
    wire: str = "left"      # the router's device that receives it
    padding: int = 0        # bytes of Ethernet padding behind it


@dataclass
class Row:
    number: int
    name: str
    build: object
    families: tuple = (4, 6)
    orders: tuple = ("in_order", "shuffled")
    tail: int = 0           # number of last packets that are not shuffled
    out: dict = field(default_factory=dict)         # label: "OFFSET+LENGTH ..."
    whole: tuple = ()       # labels of datagrams that become whole
    passed: tuple = ()      # indexes of packets that pass reassembly unchanged
    unforwarded: tuple = () # indexes of packets that no router forwards
    counts: dict = field(default_factory=dict)      # differences from expected_counts()
    icmp: tuple = ()        # (type, code) of the router's error with reassembly,
    plain_icmp: tuple = ()  # and without
    host_icmp: tuple = ()   # error of the server, if the passed packets reach it
    tos: int = 0            # of packets that leave
    around: object = None   # context manager of the run
    hook: str = "forward"
    modes: tuple = MODES
    gathered: bool = False  # another user of reassembly leaves no fragment to the link
    track_orders: tuple = ()    # with track, in place of orders
    track_out: dict = field(default_factory=dict)   # and of out
    device: str = ""        # input device that the program sees
    log: str = ""           # the kernel's message about the order of reassembly

    def orders_of(self, mode):
        return self.track_orders if mode == "track" and self.track_orders else self.orders

    @property
    def deniable(self):
        """Whether the row is also a test with a refused port."""
        return bool(self.whole) and self.hook == "forward" and not self.icmp


ROWS = []


def row(number, **kwargs):
    def add(build):
        for family in kwargs.pop("families", (4, 6)):
            own = dict(kwargs)
            for name in ("out", "counts"):
                value = own.pop(name, {})
                own[name] = value.get(family, {}) if set(value) <= {4, 6} else value
            ROWS.append(Row(number, build.__name__, build, (family,), **own))
        return build
    return add


class Builder:
    """Makes packets of one family to one destination port, with scapy."""

    def __init__(self, family, env, dport=DPORT):
        self.family, self.dport = family, dport
        self.src, self.dst = env[f"CLIENT_IP{family}"], env[f"SERVER_IP{family}"]
        self.sent, self.datagrams = [], {}

    def udp(self, length, label=0):
        """A datagram of this length, which includes its header."""
        data = random.Random(length * 7 + label).randbytes(length - 8)
        self.datagrams[label] = packets.udp(self.src, self.dst, SPORT + label, self.dport, data)
        return self.datagrams[label]

    def tcp(self, length, label=0):
        segment = bytes(TCP(sport=SPORT, dport=self.dport, flags="S", chksum=0x1234))
        self.datagrams[label] = segment + bytes(range(length - len(segment)))
        return self.datagrams[label]

    def fragment(self, data, offset, more, label=0, proto=UDP, wire="left", padding=0, **fields):
        """One packet. fields: fields of scapy's IP or IPv6; before=: IPv6 headers."""
        if self.family == 4:
            fields.setdefault("flags", 0)
            fields["flags"] |= 1 if more else 0
            packet = IP(src=self.src, dst=self.dst, id=IDENT4 + label, frag=offset // 8,
                        proto=proto, **fields)
        else:
            before = fields.pop("before", None)
            packet = IPv6(src=fields.pop("src", self.src), dst=fields.pop("dst", self.dst),
                          tc=fields.pop("tos", 0), **fields)
            packet = packet / before if before else packet
            packet = packet / IPv6ExtHdrFragment(nh=proto, id=IDENT6 + label,
                                                 offset=offset // 8, m=int(more))
        self.sent.append(Sent(bytes(packet / Raw(data)), label, wire, padding))

    def cut(self, data, sizes, label=0, **fields):
        """All data in fragments of these sizes. The last size is repeated."""
        offset, index = 0, 0
        while offset < len(data):
            size = sizes[min(index, len(sizes) - 1)]
            self.fragment(data[offset:offset + size], offset, offset + size < len(data),
                          label, **fields)
            offset, index = offset + size, index + 1

    def ranges(self, data, *ranges, label=0, **fields):
        """Fragments (offset, length) of data. Only one that reaches the end is a last fragment."""
        for offset, length in ranges:
            self.fragment(data[offset:offset + length], offset, offset + length < len(data),
                          label, **fields)


# --- datagrams that become whole ---------------------------------------------------

@row(1, whole=(0,), orders=("in_order",), families=(4,))
@row(37, whole=(0,), orders=("in_order",), families=(6,))
def two_fragments(b):
    b.cut(b.udp(1200), [800])


@row(2, whole=(0,), orders=("reversed", "shuffled"), families=(4,))
@row(37, whole=(0,), orders=("reversed", "shuffled"), families=(6,))
def any_order(b):
    b.cut(b.udp(1200), [800, 200])


@row(1, whole=(0,), families=(4,))
@row(37, whole=(0,), families=(6,))
def uneven_sizes(b):
    b.cut(b.udp(2800), UNEVEN)


@row(3, whole=(0,), tail=1, families=(4,))
@row(39, whole=(0,), tail=1, families=(6,))
def exact_duplicate(b):
    b.ranges(b.udp(600), (0, 200), (200, 200), (200, 200), (400, 200))


@row(3, whole=(0,), orders=("in_order",), families=(4,))
@row(39, whole=(0,), orders=("in_order",), families=(6,))
def duplicate_with_other_data(b):
    data = b.udp(600)
    b.ranges(data, (0, 200), (200, 200))
    b.ranges(bytes(600), (200, 200))
    b.ranges(data, (400, 200))


@row(3, whole=(0,), orders=("in_order",), families=(4,))
@row(39, whole=(0,), orders=("in_order",), families=(6,))
def contained_in_what_is_there(b):
    data = b.udp(600)
    b.ranges(data, (0, 200))
    b.ranges(bytes(600), (64, 64))
    b.ranges(data, (200, 200), (400, 200))


# The TCP header came in two pieces. Between PRE_ROUTING and FORWARD, the kernel joins them,
# and later cuts the datagram again. A link at FORWARD that tracks fragments reassembles there.
@row(7, whole=(0,), families=(4,), out={0: "0+32 32+8"}, track_out={0: "0+8 8+32"})
def tiny_first_of_tcp(b):
    b.cut(b.tcp(40), [8, 32], proto=TCP_PROTO)


@row(17, whole=(0,), tos=3)
def ect0_and_ce(b):
    data = b.udp(1200)
    b.fragment(data[:800], 0, True, tos=2)
    b.fragment(data[800:], 800, False, tos=3)


@row(18, whole=(0,), families=(4,))
def df_on_all(b):
    b.cut(b.udp(1200), [800], flags=2)


@row(20, whole=(0,), families=(4,))
def reserved_bit(b):
    b.cut(b.udp(1200), [800], flags=4)


@row(23, whole=(0, 1))
def interleaved(b):
    first, second = b.udp(1200), b.udp(1000, 1)
    b.ranges(first, (0, 800))
    b.ranges(second, (0, 600), (600, 400), label=1)
    b.ranges(first, (800, 400))


@row(26, whole=(0,))
def padded_frames(b):
    b.cut(b.udp(1608), [800], padding=18)


@row(28, whole=(0,))
def hundred_fragments(b):
    b.cut(b.udp(800), [8])


@row(33, whole=(0,), device="left2", orders=("in_order",), families=(4,))
@row(56, whole=(0,), device="left2", orders=("in_order",), families=(6,))
def two_interfaces(b):
    data = b.udp(1200)
    b.ranges(data, (0, 800))
    b.ranges(data, (800, 400), wire="left2")


@row(33, whole=(0,), device="left", orders=("in_order",), families=(4,))
@row(56, whole=(0,), device="left", orders=("in_order",), families=(6,))
def two_interfaces_reversed(b):
    data = b.udp(1200)
    b.ranges(data, (800, 400), wire="left2")
    b.ranges(data, (0, 800))


@row(1, whole=(0,), families=(4,))
def ip_options(b):
    b.cut(b.udp(1200), [800, 200], options=[IPOption(b"\x88\x04\x00\x01")])


@row(40, whole=(0,), families=(6,), out={0: "whole"}, orders=("in_order",))
def atomic_fragment(b):
    b.fragment(b.udp(600), 0, False)


@row(48, whole=(0,), families=(6,))
def hop_by_hop_first(b):
    b.cut(b.udp(1200), [800], before=IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]))


# The datagram leaves with the headers of its first fragment.
@row(58, whole=(0,), families=(6,), orders=BOTH_WAYS)
def headers_of_a_later_fragment(b):
    data = b.udp(1200)
    b.ranges(data, (0, 800))
    b.ranges(data, (800, 400), before=IPv6ExtHdrRouting(type=253, segleft=1))


# As a routing header, the bytes of these options have type 4 and a segment that is left.
@row(58, whole=(0,), families=(6,), orders=BOTH_WAYS)
def options_that_become_a_routing_header(b):
    data = b.udp(1200)
    options = [HBHOptUnknown(otype=4, optdata=b"\0"), PadN(optdata=b"\0")]
    b.ranges(data, (0, 800), before=IPv6ExtHdrDestOpt(options=options))
    b.ranges(data, (800, 400), before=IPv6ExtHdrRouting(type=4, segleft=1, reserved=0x10100))


@row(55, whole=(0,), families=(6,), out={0: "whole"})
def short_tail(b):
    b.cut(b.udp(1240), [1232])


# --- datagrams that do not become whole --------------------------------------------

def overlap(**kwargs):
    def add(build):
        row(4, families=(4,), **{"counts": {4: {"IpReasmFails": 1, "IpExtReasmOverlaps": 1}},
                                 **kwargs})(build)
        return row(38, families=(6,), **{**kwargs, "counts": {}})(build)
    return add


@overlap(orders=BOTH_WAYS)
def overlap_front(b):
    b.ranges(b.udp(80), (0, 48), (40, 40))


@overlap(orders=BOTH_WAYS)
def overlap_in_the_middle(b):
    b.ranges(b.udp(160), (0, 64), (96, 64), (56, 48))


@overlap(orders=("in_order",))
def overlap_behind(b):
    b.ranges(b.udp(160), (96, 64), (0, 64), (64, 40))


@overlap(orders=("in_order",), counts={4: {"IpReasmFails": 1}})
def teardrop(b):
    b.fragment(b.udp(40), 0, True)
    b.fragment(bytes(4), 24, False)


@overlap(orders=("in_order",))
def paxson_and_shankar(b):
    for units, length, fill in ((0, 3, b"2"), (4, 2, b"3"), (6, 3, b"4"),
                                (1, 4, b"5"), (6, 3, b"6"), (9, 3, b"7")):
        b.fragment(fill * 8 * length, units * 8, units != 9)


@overlap(orders=("in_order",))
def fragroute_old_over_new(b):
    data = b.udp(96)
    b.ranges(data, (32, 32))
    b.ranges(bytes(96), (24, 16))
    b.ranges(data, (0, 32), (64, 32))


@overlap(orders=("in_order",))
def openbsd_cutnew(b):
    b.ranges(b.udp(96), (0, 64), (32, 64))


@overlap(orders=("in_order",))
def openbsd_cutold(b):
    b.ranges(b.udp(96), (32, 64), (0, 64))


@row(4, families=(4,), orders=("in_order",),
     counts={4: {"IpReasmFails": 1, "IpExtReasmOverlaps": 1}})
def scapy_overlap_frag(b):
    original = IP(src=b.src, dst=b.dst, id=IDENT4, proto=UDP) / Raw(b.udp(64))
    # Where the attack overlaps, the original's bytes are there twice: in pieces of 8 and of 16.
    for piece in overlap_frag(original, b"\0" * 24, fragsize=16, overlap_fragsize=24):
        b.sent.append(Sent(bytes(piece)))


@row(6, families=(4,), orders=("in_order",),
     counts={4: {"IpReasmFails": 1, "IpExtReasmOverlaps": 1}})
@row(38, families=(6,), orders=("in_order",))
def superset(b):
    b.ranges(b.udp(48), (8, 16), (0, 40), (40, 8))


@row(8, families=(4,), orders=BOTH_WAYS,
     counts={4: {"IpReasmFails": 1, "IpExtReasmOverlaps": 1}})
@row(38, families=(6,), orders=("in_order",))
def rewrite_tcp_flags(b):
    segment = b.tcp(56)
    b.fragment(segment[:24], 0, True, proto=TCP_PROTO)
    b.fragment(segment[8:12] + b"\x50\x10" + segment[14:], 8, False, proto=TCP_PROTO)


@row(9)
def lone_first(b):
    b.ranges(b.udp(1200), (0, 800))


@row(9)
def lone_last(b):
    b.ranges(b.udp(1200), (800, 400))


@row(9)
def without_the_first(b):
    b.ranges(b.udp(2800), (1400, 480), (1880, 8), (1888, 912))


# IPv4 drops the datagram, IPv6 only the fragment that contradicts the others.
@row(11, orders=("in_order",), counts={4: {"IpReasmFails": 1}}, families=(4,))
@row(11, orders=("in_order",), whole=(0,), families=(6,))
def zero_length(b):
    data = b.udp(80)
    b.ranges(data, (0, 40))
    b.fragment(b"", 40, True)
    b.ranges(data, (40, 40))


@row(11, orders=("in_order",), whole=(0,), counts={4: {"IpReasmFails": 1}})
def zero_length_first(b):
    data = b.udp(80)
    b.fragment(b"", 40, True)
    b.ranges(data, (0, 40), (40, 40))


@row(13, tail=1, counts={4: {"IpReasmFails": 1}}, families=(4,))
@row(51, whole=(0,), orders=("in_order",), families=(6,), out={0: "0+40 40+40 80+24"})
def two_ends(b):
    data = b.udp(104)
    b.ranges(data, (0, 40), (80, 24))
    b.fragment(data[80:88], 80, False)
    b.ranges(data, (40, 40))


@row(51, whole=(0,), orders=("in_order",), families=(6,), out={0: "0+40 40+40 80+8"})
def two_ends_the_nearer_first(b):
    data = b.udp(104)
    b.datagrams[0] = data[:88]
    b.ranges(data, (0, 40))
    b.fragment(data[80:88], 80, False)
    b.ranges(data, (80, 24), (40, 40))


@row(14, tail=1, counts={4: {"IpReasmFails": 1}}, families=(4,))
@row(14, whole=(0,), orders=("in_order",), families=(6,), out={0: "0+40 40+40 80+8"})
def beyond_the_end(b):
    data = b.udp(104)
    b.datagrams[0] = data[:88]
    b.ranges(data, (0, 40))
    b.fragment(data[80:88], 80, False)
    b.fragment(data[96:104], 96, True)
    b.ranges(data, (40, 40))


@row(14, orders=("in_order",), families=(6,))
def end_behind_what_is_beyond(b):
    data = b.udp(104)
    b.ranges(data, (0, 40))
    b.fragment(data[96:104], 96, True)
    b.fragment(data[80:88], 80, False)
    b.ranges(data, (40, 40))


@row(15, counts={4: {"IpReasmFails": 1}}, families=(4,),
     log="IPv4: Oversized IP packet from {}")
@row(47, families=(6,))
def ping_of_death(b):
    step = 1480 if b.family == 4 else 1448
    offset = 0
    while offset < 65528:
        size = min(step, 65528 - offset)
        b.fragment(bytes(size), offset, True, proto=1 if b.family == 4 else 58)
        offset += size
    b.fragment(bytes(200), 65528, False, proto=1 if b.family == 4 else 58)


@row(17, counts={4: {"IpReasmFails": 1}}, families=(4,))
@row(53, families=(6,))
def not_ect_and_ce(b):
    data = b.udp(1200)
    b.fragment(data[:800], 0, True, tos=0)
    b.fragment(data[800:], 800, False, tos=3)


@row(22, families=(4,))
def same_id_other_protocol(b):
    data = b.udp(80)
    b.ranges(data, (0, 40))
    b.ranges(data, (40, 40), proto=TCP_PROTO)


# IPv6's identification does not depend on the protocol: that of the first fragment counts.
@row(22, families=(6,), whole=(0,))
def same_id_other_next_header(b):
    data = b.udp(80)
    b.ranges(data, (0, 40))
    b.ranges(data, (40, 40), proto=TCP_PROTO)


@row(25, families=(4,), unforwarded=(1,),
     counts={4: {"IpInHdrErrors": 1, "IpReasmReqds": 1}})
def bad_header_checksum(b):
    data = b.udp(1200)
    b.ranges(data, (0, 800))
    b.ranges(data, (800, 400), chksum=0x1234)


# The datagram leaves with the TTL of its first fragment. IPv4 sends no ICMP error for later
# fragments.
@row(25, unforwarded=(1,), whole=(0,), families=(4,))
@row(25, unforwarded=(1,), whole=(0,), plain_icmp=((3, 0),), families=(6,))
def ttl_that_ends_here(b):
    data = b.udp(1200)
    b.ranges(data, (0, 800))
    b.ranges(data, (800, 400), **({"ttl": 1} if b.family == 4 else {"hlim": 1}))


@row(29, whole=(0,), orders=("in_order",))
def late_duplicate(b):
    b.ranges(b.udp(1200), (0, 800), (800, 400), (800, 400))


# --- packets that pass reassembly unchanged ------------------------------------------

@row(42, families=(6,), passed=(0,), host_icmp=((4, 3),))
def first_without_its_tcp_header(b):
    b.ranges(b.tcp(40), (0, 16), (16, 24), proto=TCP_PROTO)


@row(42, families=(6,), passed=(0,), host_icmp=((4, 3),))
def first_without_its_udp_header(b):
    b.fragment(b"", 0, True, proto=UDP)
    b.ranges(b.udp(40), (8, 32))


@row(42, families=(6,), passed=(0,), host_icmp=((4, 3),))
def first_that_ends_in_options(b):
    b.fragment(bytes([UDP, 1]) + bytes(6), 0, True, proto=60)
    b.ranges(b.udp(40), (8, 32), proto=60)


@row(44, families=(6,), passed=(0,), host_icmp=((4, 0),), orders=("in_order",))
def odd_length_and_more(b):
    data = b.udp(40)
    b.fragment(data[:13], 0, True)
    b.ranges(data, (16, 24))


@row(44, families=(6,), passed=(1,), host_icmp=((4, 0),), orders=("in_order",))
def odd_length_and_more_in_the_middle(b):
    data = b.udp(80)
    b.ranges(data, (0, 40))
    b.fragment(data[40:53], 40, True)
    b.ranges(data, (56, 24))


# --- context managers around a run ----------------------------------------------------

@contextmanager
def short_timeout(run):
    """The queues or entries of this run expire before it ends."""
    name = ("netfilter/nf_conntrack_frag6_timeout" if run.family == 6 else "ipv4/ipfrag_time")
    if run.mode == "plain":
        yield
        return
    tracked = run.mode == "track" and run.happened(JUDGED)
    if tracked:
        name = "netfilter/nf_bpf_track_timeout"
        run.entries = run.count_entries()
    old = write_sysctl(run.env["NS_ROUTER"], name, 1)
    try:
        yield
        if tracked:
            run.wait_for_end_of_entries()
        else:
            run.wait_for_expiry()
    finally:
        write_sysctl(run.env["NS_ROUTER"], name, old)


@row(10, around=short_timeout, orders=("in_order",), families=(4,),
     counts={4: {"IpReasmTimeout": 1, "IpReasmFails": 1}})
@row(54, around=short_timeout, orders=("in_order",), families=(6,), icmp=((3, 1),),
     counts={6: {"Ip6ReasmTimeout": 1, "Ip6ReasmFails": 1}})
def first_times_out(b):
    b.ranges(b.udp(1200), (0, 800))


@row(10, around=short_timeout, orders=("in_order",), families=(4,),
     counts={4: {"IpReasmTimeout": 1, "IpReasmFails": 1}})
@row(54, around=short_timeout, orders=("in_order",), families=(6,),
     counts={6: {"Ip6ReasmTimeout": 1, "Ip6ReasmFails": 1}})
def last_times_out(b):
    b.ranges(b.udp(1200), (800, 400))


@contextmanager
def full_cache(run):
    """One datagram is in reassembly. Then the limit leaves no room, until it is restored."""
    prefix = "netfilter/nf_conntrack_frag6_" if run.family == 6 else "ipv4/ipfrag_"
    if run.mode == "plain":
        yield
        return
    builder = Builder(run.family, run.env)
    builder.ranges(builder.udp(1200), (0, 800), label=9)
    run.send(builder.sent)
    low = write_sysctl(run.env["NS_ROUTER"], prefix + "low_thresh", 0)
    high = write_sysctl(run.env["NS_ROUTER"], prefix + "high_thresh", 1)
    try:
        yield
    finally:
        write_sysctl(run.env["NS_ROUTER"], prefix + "high_thresh", high)
        write_sysctl(run.env["NS_ROUTER"], prefix + "low_thresh", low)


# With track, the datagrams need no memory in this order.
@row(30, around=full_cache, counts={4: {"IpReasmFails": 3}}, track_orders=("in_order",))
def cache_is_full(b):
    b.cut(b.udp(1200), [800])
    b.ranges(b.udp(1200, 9), (800, 400), label=9)


@contextmanager
def small_egress(run):
    set_mtu(run.env["NS_ROUTER"], run.env["ROUTER_RIGHT_DEV"], 1300)
    try:
        yield
    finally:
        set_mtu(run.env["NS_ROUTER"], run.env["ROUTER_RIGHT_DEV"], 1500)


@row(18, families=(4,), around=small_egress, icmp=((3, 4),), plain_icmp=((3, 4),),
     unforwarded=(0,), orders=("in_order",), counts={4: {"IpReasmOKs": 1, "IpFragFails": 1}})
def df_larger_than_the_next_mtu(b):
    b.cut(b.udp(1600), [1400], flags=2)


@contextmanager
def untracked(run):
    run.nft("table inet t { chain c { type filter hook prerouting priority -450; notrack; }; }")
    try:
        yield
    finally:
        run.nft("flush ruleset")


# selftests/defrag/strict.sh has fragments with an entry: tracked_fragments_*.
@row(34, around=untracked, passed=(0, 1), orders=("in_order",), counts={4: {"IpReasmReqds": 0}})
def untracked_pair(b):
    b.cut(b.udp(1200), [800])


@contextmanager
def zones(run):
    run.nft("table inet t { chain c { type filter hook prerouting priority -450; "
            'iifname "left" ct zone set 1; iifname "left2" ct zone set 2; }; }')
    try:
        yield
    finally:
        run.nft("flush ruleset")


# Zones need conntrack, which reassembles. So these attacks have no plain mode.
# Bridges also have queues of their own, but a link cannot be attached to a bridge.
@row(36, around=zones, orders=("in_order",), modes=REASSEMBLING, gathered=True)
def two_zones(b):
    data = b.udp(1200)
    b.ranges(data, (0, 800))
    b.ranges(data, (800, 400), wire="left2")


@row(36, around=zones, whole=(0,), orders=("in_order",), modes=REASSEMBLING, gathered=True)
def one_zone(b):
    b.cut(b.udp(1200), [800])


@contextmanager
def bounded(run):
    yield
    if run.mode != "plain" and run.family == 4:
        run.expect_bounded_memory()


@row(32, around=bounded, orders=("shuffled",))
def fragmentsmack(b):
    for offset in random.Random(32).sample(range(8, 60000, 16), 400):
        b.fragment(bytes(8), offset, True)


@contextmanager
def source_routes(run):
    """By default, a router drops packets with a source route."""
    name = "ipv4/conf/all/accept_source_route"
    old = write_sysctl(run.env["NS_ROUTER"], name, 1)
    try:
        yield
    finally:
        write_sysctl(run.env["NS_ROUTER"], name, old)


@row(59, whole=(0,), families=(4,), around=source_routes, orders=BOTH_WAYS)
def source_route_of_a_later_fragment(b):
    data = b.udp(1200)
    b.ranges(data, (0, 800))
    b.ranges(data, (800, 400), options=[IPOption(b"\x83\7\4" + bytes([192, 0, 2, 1]) + b"\0")])


@row(59, whole=(0,), families=(4,), around=source_routes)
def source_route_of_all(b):
    b.cut(b.udp(1200), [800, 200],
          options=[IPOption(b"\x83\7\4" + bytes([192, 0, 2, 1]) + b"\0")])


# --- other hooks --------------------------------------------------------------------

# The fragments are for the router itself, which also reassembles them after the hook.
@row(57, families=(6,), hook="prerouting", orders=("in_order",))
def link_local_two_interfaces(b):
    data = b.udp(1200)
    for wire, part in (("left", (0, 800)), ("left2", (800, 400))):
        b.ranges(data, part, wire=wire, src="fe80::2", dst="fe80::1")


@row(57, families=(6,), hook="prerouting", whole=(0,), orders=("in_order",))
def link_local_one_interface(b):
    b.cut(b.udp(1200), [800], src="fe80::2", dst="fe80::1")


@row(35, families=(4,), hook="output", passed=(0, 1), orders=("in_order",),
     counts={4: {"IpReasmReqds": 0}})
def nodefrag_socket(b):
    b.src = "198.51.100.1"
    b.cut(b.udp(1200), [800])
