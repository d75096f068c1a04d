#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Pack an initramfs for a kernel that has its drivers as modules.

initramfs.py OUTPUT INIT MODULE...

OUTPUT is a cpio archive in the format "newc". INIT becomes /init, see initramfs.c. The modules
are unpacked, and /modules/list names them in the order of the arguments.
"""

import gzip
import lzma
import pathlib
import stat
import subprocess
import sys

DIRECTORIES = ("dev", "modules", "root")


def unpack(path):
    """Return the contents of a module and its name without the compressor's ending."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data), path.stem
    if path.suffix == ".gz":
        return gzip.decompress(data), path.stem
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dqc"], input=data, check=True,
                              stdout=subprocess.PIPE).stdout, path.stem
    return data, path.name


class Archive:
    """A cpio archive, written one member at a time."""

    def __init__(self, output):
        self.output = output
        self.inode = 0

    def write_padded(self, data):
        self.output.write(data + b"\0" * (-len(data) % 4))

    def add(self, name, mode, data=b""):
        self.inode += 1
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        header = "070701" + "".join(f"{field:08x}" for field in fields) + name + "\0"
        self.write_padded(header.encode())
        self.write_padded(data)


def main(output, init, *modules):
    names = []
    with open(output, "wb") as file:
        archive = Archive(file)
        for name in DIRECTORIES:
            archive.add(name, stat.S_IFDIR | 0o755)
        archive.add("init", stat.S_IFREG | 0o755, pathlib.Path(init).read_bytes())
        for module in modules:
            data, name = unpack(pathlib.Path(module))
            names.append(f"/modules/{name}\n")
            archive.add(f"modules/{name}", stat.S_IFREG | 0o644, data)
        archive.add("modules/list", stat.S_IFREG | 0o644, "".join(names).encode())
        archive.add("TRAILER!!!", 0)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, lzma.LZMAError, subprocess.CalledProcessError) as error:
        sys.exit(f"initramfs.py: {error}")
