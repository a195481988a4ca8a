"""What a built program needs of the machine that it runs on, read from its ELF file.

https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

import re
import struct
from pathlib import Path

from tools import Refused

# e_machine of the architectures that Lambda has.
MACHINES = {62: "x86_64", 183: "arm64"}
NEEDED_VERSIONS = 0x6FFFFFFE


def architecture(path):
    """`x86_64` or `arm64`. Raises Refused for anything else."""
    _, machine = _header(path)
    if machine not in MACHINES:
        raise Refused(f"{path} is built for no architecture that Lambda has")
    return MACHINES[machine]


def glibc(path):
    """The newest version of glibc that a program needs, as (2, 34).

    Raises Refused if the file does not tell: what is not known is not fine.
    """
    data, _ = _header(path)
    versions = [re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", name) for name in _needed(data)]
    found = [(int(version[1]), int(version[2])) for version in versions if version]
    if not found:
        raise Refused(f"{path} does not tell which glibc it needs")
    return max(found)


def _header(path):
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
    # 64 bits, little endian.
    if len(data) < 64 or data[:6] != b"\x7fELF\x02\x01":
        raise Refused(f"{path} is no program for Linux on 64 bits")
    return data, struct.unpack_from("<H", data, 18)[0]


def _sections(data):
    """Each section's type, offset, number of entries and linked section."""
    offset = struct.unpack_from("<Q", data, 40)[0]
    size, count = struct.unpack_from("<HH", data, 58)
    for at in range(offset, offset + size * count, size):
        _, kind, _, _, place, _, link, entries = struct.unpack_from("<IIQQQQII", data, at)
        yield kind, place, entries, link


def _needed(data):
    """The names of all symbol versions that other libraries must have."""
    sections = list(_sections(data))
    for kind, library, libraries, link in sections:
        if kind != NEEDED_VERSIONS:
            continue
        names = sections[link][1]
        for _ in range(libraries):
            _, versions, _, first, following = struct.unpack_from("<HHIII", data, library)
            version = library + first
            for _ in range(versions):
                _, _, _, name, next_version = struct.unpack_from("<IHHII", data, version)
                begin = names + name
                yield data[begin : data.index(b"\0", begin)].decode("ascii", "replace")
                version += next_version
            library += following
