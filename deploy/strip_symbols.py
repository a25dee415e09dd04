"""Cut the symbols for debuggers off shared libraries, in place: `python3 strip_symbols.py FOLDER`.

Wheels carry 33 MB of them. The Dockerfile runs this instead of binutils' strip, which it would have to install in a
version that the base image's Debian has at that moment.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

_ELF_64_BIT_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_PROGRAM_HEADERS = struct.Struct("<32x Q 14x H H")  # e_phoff, e_phentsize, e_phnum
_SEGMENT = struct.Struct("<8x Q 16x Q")  # p_offset, p_filesz


def stripped(library: bytes) -> bytes:
    """Return *library* up to the end of its last segment, without its table of sections.

    The loader maps segments and reads nothing else. Symbols and the table of sections follow them. Returns anything but
    an ELF file of amd64 or arm64 as it is.
    """
    if not library.startswith(_ELF_64_BIT_LITTLE_ENDIAN):
        return library
    start, size, count = _PROGRAM_HEADERS.unpack_from(library)
    headers = [_SEGMENT.unpack_from(library, start + number * size) for number in range(count)]
    end = max(start + size * count, *(offset + length for offset, length in headers))
    without_sections = library[:40] + bytes(8) + library[48:60] + bytes(4)  # e_shoff, e_shnum, e_shstrndx
    return without_sections + library[64:end]


def main(folder: Path) -> None:
    """Replace every library of *folder*."""
    for path in folder.rglob("*.so"):
        path.write_bytes(stripped(path.read_bytes()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
