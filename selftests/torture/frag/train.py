# SPDX-License-Identifier: GPL-2.0
"""Trains of fragments: built fast, and written as text for the corpus.

A file of the corpus:

    # what it is
    family 6
    expect strict judged=0 left=0 delivered=0 fragments=1
    expect defrag violations=fragment_judged,left_in_part
    offset=0 more proto=6 data=9c40270e+00*12
    offset=16 proto=6 data=00*24

Each line below "expect" is a packet, in the order of sending; what it does not say
is as in Fragment. Addresses and identifications are the run's: ident= only tells
which packets have the same one.
"""

import random
import struct
from dataclasses import dataclass, field, fields, replace

from ip import DESTINATION, FRAGMENT, HIP, HOP_BY_HOP, MOBILITY, ROUTING, fix_checksum
from packets import UDP, packed, udp

TCP, ICMP, ICMPV6, EXPERIMENT = 6, 1, 58, 253
SPORT, PORTS = 40000, (9998, 9999)      # PORTS: accepted, refused
IDENTS = 256    # the most identifications of a batch
MTU = 1500
MAX_DATA = {4: 1480, 6: 1440}
SOURCE_ROUTE = b"\x83\7\4" + bytes([192, 0, 2, 1]) + b"\0"     # a loose one, by one host


@dataclass(frozen=True)
class Fragment:
    """A packet. before: IPv6 headers before the fragment header, (number, body)."""

    offset: int = 0
    more: bool = False
    data: bytes = b""
    proto: int = UDP
    ident: int = 0
    ttl: int = 64
    tos: int = 0
    flags: int = 0              # IPv4's reserved bit (4) and DF (2)
    options: bytes = b""        # IPv4 options
    before: tuple = ()
    bare: bool = False          # IPv6: no fragment header
    lie: int = 0                # added to the length in the IP header
    padding: int = 0            # bytes of Ethernet
    wire: str = "left"

    def pack(self, family, src, dst, base):
        """The bytes of the packet, with the addresses and the first identification of a run."""
        return (self.pack_ipv4 if family == 4 else self.pack_ipv6)(src, dst, base + self.ident)

    def pack_ipv4(self, src, dst, ident):
        size = 20 + len(self.options)
        header = struct.pack("!BBHHHBBH", 0x40 | size // 4, self.tos,
                             (size + len(self.data) + self.lie) & 0xFFFF, ident & 0xFFFF,
                             self.flags << 13 | (0x2000 if self.more else 0)
                             | self.offset >> 3 & 0x1FFF, self.ttl, self.proto, 0)
        return fix_checksum(header + packed(src) + packed(dst) + self.options + self.data, size)

    def pack_ipv6(self, src, dst, ident):
        body, nexthdr = self.data, self.proto
        if not self.bare:
            body = struct.pack("!BBHI", nexthdr, 0, self.offset & 0xFFF8 | self.more,
                               0x20000000 + ident) + body
            nexthdr = FRAGMENT
        for number, rest in reversed(self.before):
            body, nexthdr = bytes([nexthdr]) + rest + body, number
        return struct.pack("!IHBB", 6 << 28 | self.tos << 20, (len(body) + self.lie) & 0xFFFF,
                           nexthdr, self.ttl) + packed(src) + packed(dst) + body

    def size(self, family):
        """The number of bytes after the Ethernet header."""
        return len(self.pack(family, *("0.0.0.0" if family == 4 else "::",) * 2, 0)) + self.padding

    def __str__(self):
        words = []
        for f in fields(self):
            value = getattr(self, f.name)
            if value == f.default and f.name != "offset":
                continue
            if value is True:
                words.append(f.name)
            elif f.name == "before":
                words.append("before=" + ",".join(f"{n}:{squeeze(b)}" for n, b in value))
            else:
                words.append(f"{f.name}={squeeze(value) if isinstance(value, bytes) else value}")
        return " ".join(words)


def squeeze(data):
    """The bytes in hexadecimal, with XX*N for N equal bytes."""
    parts, at = [], 0
    while at < len(data):
        end = at
        while end < len(data) and data[end] == data[at]:
            end += 1
        if end - at >= 4:
            parts.append(f"{data[at]:02x}*{end - at}")
        elif parts and "*" not in parts[-1]:
            parts[-1] += data[at:end].hex()
        else:
            parts.append(data[at:end].hex())
        at = end
    return "+".join(parts)


def expand(text):
    parts = [p.split("*") for p in text.split("+")] if text else []
    return b"".join(bytes.fromhex(p[0]) * (int(p[1]) if len(p) > 1 else 1) for p in parts)


def parse_fragment(line):
    values = {}
    kinds = {f.name: type(f.default) for f in fields(Fragment)}
    for word in line.split():
        name, _, value = word.partition("=")
        if name == "before":
            pairs = (p.partition(":") for p in value.split(","))
            values[name] = tuple((int(n), expand(b)) for n, _, b in pairs)
        elif kinds[name] is bool:
            values[name] = True
        else:
            values[name] = (expand if kinds[name] is bytes else kinds[name])(value)
    return Fragment(**values)


@dataclass
class Train:
    """Packets of one family, in the order of sending. expect: by mode, see above."""

    family: int
    fragments: list
    name: str = ""
    expect: dict = field(default_factory=dict)

    def __str__(self):
        return "\n".join([f"family {self.family}"] + [str(f) for f in self.fragments])


def parse_train(name, text):
    """Raises ValueError: FILE: LINE: what is wrong."""
    train = Train(0, [], name)
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "family":
                train.family = int(words[1])
            elif words[0] == "expect":
                train.expect[words[1]] = dict(w.split("=") for w in words[2:])
            else:
                train.fragments.append(parse_fragment(line))
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(f"{name}: line {number}: {error!r}") from error
    if train.family not in (4, 6) or not train.fragments or not train.expect:
        raise ValueError(f"{name}: wants a family, an expect and packets")
    return train


# --- random trains ------------------------------------------------------------------

def payload(rng, family, src, dst):
    """(protocol, bytes) of a random datagram."""
    size = rng.choices((rng.randrange(0, 200), rng.randrange(200, 4000),
                        rng.randrange(4000, 65000)), (50, 45, 2))[0]
    data = rng.randbytes(size)
    port = rng.choice(PORTS)
    kind = rng.random()
    if kind < 0.75:
        proto, data = UDP, udp(src, dst, SPORT, port, data)
    elif kind < 0.87:
        proto, data = TCP, struct.pack("!HHIIBBHHH", SPORT, port, 1, 0, 0x50, 2, 1000, 0, 0) + data
    elif kind < 0.92:
        proto = ICMP if family == 4 else ICMPV6
    else:
        proto = EXPERIMENT
    # Extension headers in the fragmented part, even another fragment header.
    while family == 6 and rng.random() < 0.15:
        number = rng.choice((DESTINATION, DESTINATION, ROUTING, FRAGMENT, MOBILITY))
        data = bytes([proto]) + inner_header(rng, number) + data
        proto = number
    return proto, data


def inner_header(rng, number):
    """A header of 8 bytes without its first byte."""
    if number == FRAGMENT:
        return struct.pack("!BHI", 0, rng.choice((0, 1, 8, 9)), rng.randrange(1 << 32))
    if number == ROUTING:
        return bytes([0, 253, 0]) + bytes(4)
    if number == MOBILITY:
        return bytes([0, 0, 0]) + bytes(4)
    return bytes([0, 1, 4]) + bytes(4)


def cut(rng, family, proto, data, ident):
    most = MAX_DATA[family] // 8 * 8
    style = rng.random()
    sizes = []
    while sum(sizes) < len(data):
        if style < 0.2 and len(data) < 400:
            size = 8
        elif style < 0.4:
            size = rng.choice((8, 16, 24, most))
        else:
            size = 8 * rng.randrange(1, most // 8 + 1)
        sizes.append(max(size, len(data) // 400 * 8))
    fragments, offset = [], 0
    for size in sizes:
        fragments.append(Fragment(offset, offset + size < len(data), data[offset:offset + size],
                                  proto, ident))
        offset += size
    return fragments


def overlapping(rng, f):
    shift = 8 * rng.randrange(-4, 5)
    extra = 8 * rng.randrange(0, 5)
    data = rng.randbytes(len(f.data) + extra)[:MAX_DATA[6]]
    return replace(f, offset=max(0, f.offset + shift), data=data)


def headers(rng):
    """Headers before a fragment header: those that may be there, and others."""
    numbers = rng.choices((HOP_BY_HOP, DESTINATION, ROUTING, MOBILITY, HIP), (5, 5, 3, 1, 1),
                          k=rng.choice((1, 1, 2)))
    return tuple((n, inner_header(rng, n) if n != HIP else bytes(7)) for n in numbers)


def mutate_one(rng, family, f):
    """Changes one or two fields of a fragment."""
    kind = rng.randrange(14)
    if kind == 0:
        return replace(f, data=f.data[:rng.randrange(len(f.data) + 1)])
    if kind == 1:
        return replace(f, more=not f.more)
    if kind == 2:
        return replace(f, tos=rng.choice((0, 1, 2, 3, 0xB8)))
    if kind == 3:
        return replace(f, ttl=rng.choice((0, 1, 2, 64, 255)))
    if kind == 4:
        return replace(f, flags=rng.choice((2, 4, 6)))
    if kind == 5 and family == 4:
        return replace(f, options=rng.choice((b"\1\1\1\1", b"\x88\4\0\1", b"\x94\4\0\0",
                                              b"\1\0\0\0", SOURCE_ROUTE)))
    if kind == 6:
        return replace(f, offset=rng.choice((0, 8, 65528, 65520, f.offset + 8)))
    if kind == 7:
        return replace(f, proto=rng.choice((UDP, TCP, 59, 44, 0, 60, 255)))
    if kind == 8:
        return replace(f, lie=rng.choice((-8, -1, 1, 8)))
    if kind == 9:
        return replace(f, padding=rng.choice((1, 8, 18)))
    if kind == 10:
        return replace(f, wire="left2")
    if kind == 11:
        return replace(f, bare=True)
    return replace(f, before=headers(rng)) if family == 6 else overlapping(rng, f)


def mutate(rng, family, fragments):
    """Changes one fragment of a train, or all of them."""
    fragments = list(fragments)
    at = rng.randrange(len(fragments))
    kind = rng.random()
    if kind < 0.1 and len(fragments) > 1:
        del fragments[at]
    elif kind < 0.2:
        fragments.insert(rng.randrange(len(fragments) + 1), fragments[at])
    elif kind < 0.35:
        fragments.insert(rng.randrange(len(fragments) + 1), overlapping(rng, fragments[at]))
    elif kind < 0.45:
        fragments.insert(at, replace(fragments[at], data=b"", more=rng.random() < 0.5))
    elif kind < 0.6:
        state = rng.getstate()
        for i, f in enumerate(fragments):
            rng.setstate(state)
            fragments[i] = mutate_one(rng, family, f)
    else:
        fragments[at] = mutate_one(rng, family, fragments[at])
    return fragments


def random_train(rng, hosts, ident):
    """hosts: {family: (src, dst)}."""
    family = rng.choice((4, 6))
    proto, data = payload(rng, family, *hosts[family])
    fragments = cut(rng, family, proto, data or b"\0", ident)
    order = rng.random()
    if order < 0.3:
        rng.shuffle(fragments)
    elif order < 0.45:
        fragments.reverse()
    for _ in range(rng.choices((0, 1, 2, 4), (35, 35, 20, 10))[0]):
        fragments = mutate(rng, family, fragments)
    return Train(family, fragments)


def random_batch(seed, number, hosts, size):
    """Trains whose packets are to be mixed by mixed()."""
    rng = random.Random(f"{seed}/{number}")
    trains = []
    for ident in range(size):
        # Some trains share an identification with the train before.
        shared = ident and rng.random() < 0.05
        trains.append(random_train(rng, hosts, ident - 1 if shared else ident))
    return trains


def mixed(seed, number, trains):
    """(family, fragment) of all trains, mixed. Each train keeps its own order."""
    rng = random.Random(f"{seed}/{number}/mixed")
    queues = [[(t.family, f) for f in reversed(t.fragments)] for t in trains]
    packets = []
    while queues:
        queue = rng.choice(queues)
        for _ in range(min(len(queue), rng.choice((1, 2, 100)))):
            packets.append(queue.pop())
        if not queue:
            queues.remove(queue)
    return [(family, f) for family, f in packets if f.size(family) <= MTU]
