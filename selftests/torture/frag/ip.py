# SPDX-License-Identifier: GPL-2.0
"""Reads packets as an end host does, and reassembles fragments strictly by the RFCs.

The oracle compares this with the kernel, which is more lenient.
"""

import struct
from dataclasses import dataclass, replace

from packets import checksum

HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, NO_NEXT, DESTINATION = 0, 43, 44, 51, 59, 60
MOBILITY, HIP, SHIM6 = 135, 139, 140
# Headers that may precede a fragment header. The program's parser knows them too.
EXTENSIONS = (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY, HIP, SHIM6)

NO_OPERATION, SOURCE_ROUTES = 1, (0x83, 0x89)   # options of IPv4


class Unreadable(Exception):
    """A header is incomplete, or contradicts itself."""


@dataclass(frozen=True)
class Piece:
    """A fragment, or a whole packet, whose ident is None.

    head    the part that all fragments share: the header without length, offset and (IPv4)
            checksum and identification, with IPv6's headers before the fragment header
    data    bytes of the datagram from offset on
    """

    family: int
    src: bytes
    dst: bytes
    head: bytes
    proto: int
    data: bytes
    ttl: int
    tos: int
    ident: int | None = None
    offset: int = 0
    more: bool = False
    flags: int = 0      # IPv4's reserved bit (4) and DF (2)

    @property
    def key(self):
        return (self.src, self.dst, self.ident, self.proto if self.family == 4 else None)

    @property
    def end(self):
        return self.offset + len(self.data)

    @property
    def route(self):
        """The headers that decide where a fragment goes: IPv6's headers before the fragment
        header, with the number of the first one, or IPv4's source route."""
        if self.family == 6:
            return self.head[4:5] + self.head[38:]
        return source_route(self.head[12:])


def source_route(options):
    """The option that routes an IPv4 packet by way of other hosts, or no bytes."""
    while options and options[0]:
        size = 1
        if options[0] != NO_OPERATION:
            if len(options) < 2 or not 2 <= options[1] <= len(options):
                break
            size = options[1]
            if options[0] in SOURCE_ROUTES:
                return options[:size]
        options = options[size:]
    return b""


def dissect(packet):
    """A Piece of the bytes of an IP packet. Raises Unreadable."""
    try:
        if packet[0] >> 4 == 4:
            return dissect_ipv4(packet)
        if packet[0] >> 4 == 6:
            return dissect_ipv6(packet)
    except (IndexError, struct.error):
        pass
    raise Unreadable(packet[:60].hex())


def dissect_ipv4(packet):
    size = (packet[0] & 15) * 4
    total, ident, frag = struct.unpack_from("!HHH", packet, 2)
    if size < 20 or not size <= total <= len(packet):
        raise Unreadable(packet[:60].hex())
    offset, more = (frag & 0x1FFF) * 8, bool(frag & 0x2000)
    return Piece(4, packet[12:16], packet[16:20], packet[:2] + packet[8:10] + packet[12:size],
                 packet[9], packet[size:total], packet[8], packet[1],
                 ident if offset or more else None, offset, more, frag >> 13 & 6)


def dissect_ipv6(packet):
    length, proto = struct.unpack_from("!HB", packet, 4)
    if 40 + length > len(packet):
        raise Unreadable(packet[:60].hex())
    packet = packet[:40 + length]
    at, place = 40, proto
    while place in EXTENSIONS and place != FRAGMENT:
        size = extension_size(place, packet[at + 1])
        place, at = packet[at], at + size
        if at > len(packet):
            raise Unreadable(packet[:60].hex())
    tos = struct.unpack_from("!H", packet)[0] >> 4 & 255
    common = dict(family=6, src=packet[8:24], dst=packet[24:40], ttl=packet[7], tos=tos)
    if place != FRAGMENT:
        return Piece(head=packet[:4] + packet[7:40], proto=proto, data=packet[40:], **common)
    nexthdr, _, frag, ident = struct.unpack_from("!BBHI", packet, at)
    return Piece(head=packet[:4] + packet[6:at], proto=nexthdr, data=packet[at + 8:],
                 ident=ident, offset=frag & 0xFFF8, more=bool(frag & 1), **common)


def extension_size(proto, units):
    """The length of an IPv6 header, in bytes, from its length field."""
    return (units + 2) * 4 if proto == AUTHENTICATION else (units + 1) * 8


def whole(piece, data):
    """The whole packet for pieces like this one, as dissect() would return it."""
    if piece.family == 4 or piece.ident is None:
        return replace(piece, data=data, ident=None, offset=0, more=False, flags=0)
    header = bytearray(piece.head[:4] + bytes(2) + piece.head[4:38])
    before = bytearray(piece.head[38:])
    if before:
        # The last header now names the protocol that the fragment header named.
        at, place = 0, header[6]
        while at + extension_size(place, before[at + 1]) < len(before):
            place, at = before[at], at + extension_size(place, before[at + 1])
        before[at] = piece.proto
    else:
        header[6] = piece.proto
    if len(before) + len(data) > 65535:
        raise Unreadable("more than 65535 bytes")
    header[4:6] = struct.pack("!H", len(before) + len(data))
    return dissect(bytes(header) + bytes(before) + data)


class Overlap(Exception):
    pass


class Reassembler:
    """Makes packets of fragments. Refuses all overlaps, also those with the same bytes."""

    def __init__(self):
        self.queues = {}

    def add(self, piece):
        """The whole packet as a Piece if this piece completes it, otherwise None."""
        if piece.ident is None:
            return piece
        queue = self.queues.setdefault(piece.key, [])
        for other in queue:
            if piece.offset < other.end and other.offset < piece.end:
                raise Overlap(f"{describe(piece)} over {describe(other)}")
        queue.append(piece)
        queue.sort(key=lambda p: p.offset)
        reach = 0
        for part in queue:
            if part.offset != reach:
                return None
            reach = part.end
        if queue[-1].more:
            return None
        del self.queues[piece.key]
        return whole(queue[0], b"".join(part.data for part in queue))


def describe(piece):
    """OFFSET+LENGTH, with " more" if it is not the last fragment."""
    if piece.ident is None:
        return f"whole {len(piece.data)}"
    return f"{piece.offset}+{len(piece.data)}{' more' if piece.more else ''}"


def forwarded(packet):
    """The bytes of a packet after a router has forwarded it, with its TTL reduced by 1."""
    if packet[0] >> 4 == 6:
        end = 40 + int.from_bytes(packet[4:6], "big")
        return packet[:7] + bytes([packet[7] - 1]) + packet[8:end]
    size, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
    return fix_checksum(packet[:8] + bytes([packet[8] - 1]) + packet[9:total], size)


def fix_checksum(packet, size):
    header = packet[:10] + b"\0\0" + packet[12:size]
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + packet[size:]
