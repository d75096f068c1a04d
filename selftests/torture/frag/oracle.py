# SPDX-License-Identifier: GPL-2.0
"""The laws that a router with a strict link must keep for all packets.

never_a_fragment      the program judged whole packets only, by their ports
only_what_was_accepted    every byte that left is of a packet which it accepted
host_gets_what_was_judged     what left is what was judged, and what a host, and its
                      socket, make of it is that again
"""

import struct
from collections import Counter
from dataclasses import dataclass, field, replace

from ip import (DESTINATION, EXTENSIONS, FRAGMENT, HOP_BY_HOP, ROUTING, Overlap, Reassembler,
                Unreadable, describe, dissect, extension_size)
from packets import TCP, UDP, checksum

# IPv6 headers that every host ignores, from the second byte on: padding, and a routing
# header of unknown type with no segments left.
PADDING = bytes([0, 1, 4]) + bytes(4)
HARMLESS = {HOP_BY_HOP: PADDING, DESTINATION: PADDING, ROUTING: bytes([0, 253, 0]) + bytes(4)}

LAWS = {
    "never_a_fragment": ("fragment_judged", "unreadable_judged", "verdict_wrong"),
    "only_what_was_accepted": ("left_unjudged", "left_in_part", "left_overlapping",
                               "left_unreadable"),
    "host_gets_what_was_judged": ("not_left", "delivered_other", "not_delivered"),
}


@dataclass
class Observed:
    """One exchange. judged: judge.Judged; left: IP packets as bytes, in order; delivered: the
    payloads that the server's socket got; port: that of the socket; unsent: packets that the
    router counts as impossible to fragment; sent: IP packets as bytes, in order.

    Packets that are unsent are accepted and yet don't leave. IPv6 has them where the headers
    behind the fragment header are not all in the first fragment, against RFC 7112.
    """

    judged: list
    left: list
    delivered: list
    port: int
    unsent: int = 0
    sent: tuple = ()


@dataclass
class Opinion:
    violations: list = field(default_factory=list)  # (kind, text)
    accepted: int = 0
    refused: int = 0
    left: int = 0           # whole packets that left
    unsent: int = 0
    delivered: int = 0

    @property
    def kinds(self):
        return sorted({kind for kind, _ in self.violations})

    def add(self, kind, text):
        self.violations.append((kind, text))


def upper(piece):
    """(protocol, bytes) after IPv6's headers. The protocol is None if they are incomplete."""
    proto, data = piece.proto, piece.data
    while piece.family == 6 and proto in EXTENSIONS and proto != FRAGMENT:
        if len(data) < 8 or extension_size(proto, data[1]) > len(data):
            return None, b""
        size = extension_size(proto, data[1])
        proto, data = data[0], data[size:]
    return proto, data


def is_refused(piece):
    """The policy of judge.bpf.c."""
    proto, data = upper(piece)
    return proto in (UDP, TCP) and len(data) >= 8 and bool(data[3] & 1)


def udp_payload(piece, port):
    """The payload that a socket at port gets, or None; and whether each host accepts the
    packet's IPv6 headers."""
    sure, first = True, True
    while piece.family == 6 and piece.proto in HARMLESS:
        # Hop-by-hop options must be the first header.
        sure &= piece.data[1:8] == HARMLESS[piece.proto] and (piece.proto != HOP_BY_HOP or first)
        first = False
        if len(piece.data) < 8:
            return None, False
        size = extension_size(piece.proto, piece.data[1])
        piece = replace(piece, proto=piece.data[0], data=piece.data[size:])
    if piece.proto != UDP or len(piece.data) < 8:
        return None, False
    _, dport, length, value = struct.unpack_from("!HHHH", piece.data)
    if dport != port or not 8 <= length <= len(piece.data):
        return None, False
    if value or piece.family == 6:
        pseudo = piece.src + piece.dst + struct.pack("!IHBB", length, 0, 0, UDP)
        if not value or checksum(pseudo + piece.data[:length]):
            return None, False
    return piece.data[8:length], sure


def read_judged(judged, opinion):
    """The accepted packets as Pieces."""
    accepted = []
    for j in judged:
        try:
            piece = dissect(j.packet)
        except Unreadable as error:
            opinion.add("unreadable_judged", str(error))
            continue
        if j.fragment or piece.ident is not None:
            opinion.add("fragment_judged", f"{describe(piece)} of protocol {piece.proto}, "
                        f"{'refused' if not j.verdict else 'accepted'}: {j.packet[:72].hex()}")
            continue
        if bool(j.verdict) == is_refused(piece):
            opinion.add("verdict_wrong", f"{j.verdict}: {j.packet[:72].hex()}")
        opinion.accepted += j.verdict
        opinion.refused += not j.verdict
        if j.verdict:
            accepted.append(replace(piece, flags=0))
    return accepted


def read_left(left, opinion):
    """The packets that an end host reassembles from the packets that left."""
    reassembler, packets = Reassembler(), []
    for packet in left:
        try:
            piece = reassembler.add(dissect(packet))
        except Unreadable as error:
            opinion.add("left_unreadable", str(error))
            continue
        except Overlap as error:
            opinion.add("left_overlapping", str(error))
            continue
        if piece:
            packets.append(replace(piece, flags=0))
    for queue in reassembler.queues.values():
        opinion.add("left_in_part", ", ".join(map(describe, queue)))
    opinion.left = len(packets)
    return packets


def judge(observed):
    """The Opinion on an Observed exchange."""
    opinion = Opinion()
    accepted = Counter(read_judged(observed.judged, opinion))
    left = Counter(read_left(observed.left, opinion))
    for piece in (left - accepted).elements():
        opinion.add("left_unjudged", f"protocol {piece.proto}: {piece.data[:40].hex()}")
    missing = accepted - left
    if missing.total() <= observed.unsent:
        opinion.unsent = missing.total()
        accepted -= missing
        missing.clear()
    for piece in missing.elements():
        opinion.add("not_left", f"protocol {piece.proto}: {piece.data[:40].hex()}")
    payloads = [udp_payload(piece, observed.port) for piece in accepted.elements()]
    possible = Counter(data for data, _ in payloads if data is not None)
    due = Counter(data for data, sure in payloads if sure)
    delivered = Counter(observed.delivered)
    opinion.delivered = delivered.total()
    for data in (delivered - possible).elements():
        opinion.add("delivered_other", f"{len(data)} bytes: {data[:40].hex()}")
    for data in (due - delivered).elements():
        opinion.add("not_delivered", f"{len(data)} bytes: {data[:40].hex()}")
    return opinion
