# SPDX-License-Identifier: GPL-2.0
"""Groups the packets of both wires: fragments to datagrams, datagrams to flows."""

from packets import PROTO_NAMES


class Datagram:
    """One datagram on one wire, whole or in fragments."""

    def __init__(self):
        self.pieces = {}    # offset: length
        self.sizes = []     # in the order seen
        self.end = None

    def add(self, packet):
        length = len(packet.data)
        self.sizes.append(length)
        self.pieces[packet.offset] = max(length, self.pieces.get(packet.offset, 0))
        if not packet.more:
            self.end = packet.offset + length

    @property
    def covered(self):
        """Number of bytes of the datagram that were seen, each counted once."""
        total = reach = 0
        for offset, length in sorted(self.pieces.items()):
            total += max(0, offset + length - max(offset, reach))
            reach = max(reach, offset + length)
        return total

    @property
    def whole(self):
        return self.end is not None and self.covered == self.end

    @property
    def fragmented(self):
        return len(self.sizes) > 1 or not self.whole


class Side:
    """The packets of a flow on one side of the router: its input or its output."""

    def __init__(self):
        self.packets = self.bytes = 0
        self.datagrams = {}

    def add(self, packet):
        self.packets += 1
        self.bytes += len(packet.data)
        key = self.packets if packet.ident is None else packet.datagram
        self.datagrams.setdefault(key, Datagram()).add(packet)

    @property
    def covered(self):
        return sum(d.covered for d in self.datagrams.values())

    @property
    def sizes(self):
        return [d.sizes for d in self.datagrams.values()]


class Flow:
    """The packets of one 5-tuple, in one direction."""

    def __init__(self, endpoints):
        self.proto, self.src, self.sport, self.dst, self.dport = endpoints
        self.into, self.out = Side(), Side()

    @property
    def verdict(self):
        if not self.into.packets:
            return "from router"
        if not self.out.packets:
            return "dropped"
        # Compare covered bytes: the router may fragment in another way, and may
        # leave out a duplicate.
        return "accepted" if self.out.covered >= self.into.covered else "partial"

    @property
    def label(self):
        """The name, with a note if there are only later fragments."""
        datagrams = list((self.into if self.into.packets else self.out).datagrams.values())
        headless = all(0 not in d.pieces for d in datagrams)
        return self.name + (" (no first fragment)" if headless else "")

    @property
    def name(self):
        proto = PROTO_NAMES.get(self.proto, f"proto {self.proto}")
        if self.sport is not None:
            return f"{proto} {end(self.src, self.sport)} > {end(self.dst, self.dport)}"
        return f"{proto} {self.src} > {self.dst}"


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def fold(seen):
    """Flows by 5-tuple. Fragments without a first fragment are a separate flow."""
    firsts = {}
    for s in seen:
        if s.packet.ident is not None and not s.packet.offset:
            firsts[s.to_router, s.packet.datagram] = s.packet.endpoints
    flows = {}
    for s in seen:
        endpoints = s.packet.endpoints
        if s.packet.offset:
            # If the router dropped the first fragment, use that of the input.
            endpoints = firsts.get((s.to_router, s.packet.datagram),
                                   firsts.get((True, s.packet.datagram), endpoints))
        flow = flows.setdefault(endpoints, Flow(endpoints))
        (flow.into if s.to_router else flow.out).add(s.packet)
    return flows
