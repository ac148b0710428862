#!/usr/bin/python3
"""Reads an image by docs/image-format.md alone: verifies it and prints what it holds, as JSON.

usage: read_image.py IMAGE KEYFILE [PROCESS ADDRESS LENGTH]
With PROCESS ADDRESS LENGTH, prints that memory of a process of the image, in hexadecimal, in place of the rest.
Reads uncompressed chunks only: Python's standard library has neither LZ4 nor Zstandard.
"""
import hashlib
import hmac
import json
import struct
import sys

PAGE = 4096


def unpack_lz4(block):
    """One block of the LZ4 block format."""
    out, at = bytearray(), 0

    def length(nibble):
        nonlocal at
        total, more = nibble, nibble == 15
        while more:
            total, more = total + block[at], block[at] == 255
            at += 1
        return total

    while True:
        token = block[at]
        at += 1
        literals = length(token >> 4)
        out += block[at:at + literals]
        at += literals
        if at >= len(block):
            return bytes(out)
        offset = int.from_bytes(block[at:at + 2], "little")
        at += 2
        count = 4 + length(token & 15)
        if not 0 < offset <= len(out):
            raise ValueError("a match begins before the block")
        start = len(out) - offset
        # a match may reach into what it produces itself
        pattern = bytes(out[start:start + count])
        out += (pattern * (count // len(pattern) + 1))[:count]


class Unpacker:
    """MessagePack, as far as the format needs it: no extension types."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        piece = self.data[self.at:self.at + count]
        if len(piece) != count:
            raise ValueError("MessagePack ends early")
        self.at += count
        return piece

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def array(self, count):
        return [self.value() for _ in range(count)]

    def map(self, count):
        return {self.value(): self.value() for _ in range(count)}

    def text(self, count):
        return self.take(count).decode()

    def value(self):
        first = self.number("B")
        if first < 0x80:
            return first
        if first < 0x90:
            return self.map(first & 15)
        if first < 0xa0:
            return self.array(first & 15)
        if first < 0xc0:
            return self.text(first & 31)
        if first >= 0xe0:
            return first - 256
        simple = {0xc0: None, 0xc2: False, 0xc3: True}
        if first in simple:
            return simple[first]
        numbers = {0xca: "f", 0xcb: "d", 0xcc: "B", 0xcd: "H", 0xce: "I", 0xcf: "Q", 0xd0: "b", 0xd1: "h", 0xd2: "i", 0xd3: "q"}
        if first in numbers:
            return self.number(numbers[first])
        sized = {
            0xc4: ("B", self.take), 0xc5: ("H", self.take), 0xc6: ("I", self.take),
            0xd9: ("B", self.text), 0xda: ("H", self.text), 0xdb: ("I", self.text),
            0xdc: ("H", self.array), 0xdd: ("I", self.array),
            0xde: ("H", self.map), 0xdf: ("I", self.map),
        }
        if first not in sized:
            raise ValueError(f"MessagePack type {first:#x} is not used in images")
        form, read = sized[first]
        return read(self.number(form))


def unpack(data):
    unpacker = Unpacker(data)
    value = unpacker.value()
    if unpacker.at != len(data):
        raise ValueError("bytes follow the MessagePack value")
    return value


class Image:
    def __init__(self, path, key):
        data = self.data = open(path, "rb").read()
        if data[:8] != b"AutoPod\n":
            raise ValueError("not an image")
        if len(data) < PAGE:
            raise ValueError("cut off within the header")
        fields = struct.unpack("<II8sQQQ", data[8:48])
        self.version, self.arch, self.key_id, manifest_at, manifest_len, self.stream_len = fields
        if self.version != 1:
            raise ValueError(f"format {self.version}")
        if len(data) != manifest_at + manifest_len + 32:
            raise ValueError("cut off, or too long")
        if hmac.digest(key, b"autopod key fingerprint", "sha256")[:8] != self.key_id:
            raise ValueError("sealed with another key")
        manifest = data[manifest_at:manifest_at + manifest_len]
        if not hmac.compare_digest(hmac.digest(key, data[:PAGE] + manifest, "sha256"), data[-32:]):
            raise ValueError("the seal does not fit")
        # nothing of the manifest is decoded before this point
        manifest = unpack(manifest)
        self.maker, self.created, self.chunks = manifest["maker"], manifest["created"], manifest["chunks"]
        self.sections = {name: unpack(section) for name, section in manifest["sections"].items()}
        self.stream = b"".join(self.chunk(index, chunk) for index, chunk in enumerate(self.chunks))
        if len(self.stream) != self.stream_len:
            raise ValueError("the chunks do not add up to the stream")

    def chunk(self, index, chunk):
        at, stored = chunk["at"], chunk["stored"]
        padded = self.data[at:at + -(-stored // PAGE) * PAGE]
        if hashlib.sha256(padded).digest() != chunk["digest"]:
            raise ValueError(f"chunk {index} does not fit its digest")
        if chunk["codec"] == "none":
            return padded[:stored]
        if chunk["codec"] != "lz4":
            raise ValueError(f"chunk {index} is compressed with {chunk['codec']}, which this reader cannot do")
        out = unpack_lz4(padded[:stored])
        if len(out) != chunk["len"]:
            raise ValueError(f"chunk {index} decompresses to {len(out)} bytes")
        return out

    def run(self, run):
        return self.stream[run["start"]:run["start"] + run["len"]]

    def memory(self, process, address, length):
        """Private memory that a process has written; what is not in the image counts as zeroes."""
        space = next(s for s in self.sections["memory"]["spaces"] if s["process"] == process)
        out = bytearray(length)
        for run in space["runs"]:
            start, data = run["start"], self.run(run["data"])
            low, high = max(start, address), min(start + len(data), address + length)
            if low < high:
                out[low - address:high - address] = data[low - start:high - start]
        return bytes(out)

    def field_names(self):
        """Every key of every map of every section."""
        found, waiting = set(), list(self.sections.values())
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                found.update(value)
                waiting.extend(value.values())
            elif isinstance(value, list):
                waiting.extend(value)
        return sorted(found)


def read_key(path):
    words = open(path).read().split()
    if len(words) != 2 or words[0] != "autopod-key-1":
        raise ValueError("not a key file")
    return bytes.fromhex(words[1])


def main():
    try:
        image = Image(sys.argv[1], read_key(sys.argv[2]))
    except ValueError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
    if len(sys.argv) > 3:
        process, address, length = (int(word, 0) for word in sys.argv[3:6])
        print(image.memory(process, address, length).hex())
        return
    counts = {}
    for record in image.sections["descriptors"]["descriptions"]:
        (kind,) = record["description"]
        counts[kind] = counts.get(kind, 0) + 1
    print(json.dumps({
        "format": image.version,
        "maker": image.maker,
        "created": image.created,
        "key": image.key_id.hex(),
        "chunks": len(image.chunks),
        "stream": image.stream_len,
        "pod": image.sections["pod"]["record"]["name"],
        "processes": {
            str(p["process"]): {"name": p["name"], "parent": p["parent"], "threads": p["tasks"]} for p in image.sections["processes"]
        },
        "descriptions": counts,
        "stored": {str(s["process"]): sum(r["data"]["len"] for r in s["runs"]) for s in image.sections["memory"]["spaces"]},
        "sections": sorted(image.sections),
        "fields": image.field_names(),
    }))


main()
