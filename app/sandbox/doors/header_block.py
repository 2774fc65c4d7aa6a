"""HPACK (RFC 7541): reads header blocks with all the standard has, and writes them plainly.

The tables of the standard come from `hpack`; its own decoder takes 0.2 ms for the headers of one
push, most of it for strings it has just decoded.
"""

from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable

TABLE_BYTES: Final = 4096
_ENTRY_BYTES: Final = 32  # RFC 7541 §4.1: what an entry counts beside its text
_STATIC: Final = tuple((name.decode(), value.decode()) for name, value in HeaderTable.STATIC_TABLE)
_EOS: Final = 256

Pair = tuple[str, str]


class BadBlockError(ValueError):
    """A header block that cannot be read: the connection cannot go on."""


class Reader:
    """The headers of one connection's peer, in order."""

    def __init__(self) -> None:
        self._recent: deque[Pair] = deque()
        self._size = 0
        self._most = TABLE_BYTES

    def read(self, block: bytes) -> dict[str, str]:
        """Names and values of a block. Raises BadBlockError."""
        found: dict[str, str] = {}
        at = 0
        try:
            while at < len(block):
                byte = block[at]
                if byte & 0x80:
                    index, at = (byte & 0x7F, at + 1) if byte < 0xFF else _integer(block, at, 0x7F)
                    name, value = self._entry(index)
                elif byte & 0xE0 == 0x20:
                    most, at = _integer(block, at, 0x1F)
                    self._resize(most)
                    continue
                else:
                    index, at = _integer(block, at, 0x3F if byte & 0x40 else 0x0F)
                    name, at = (self._entry(index)[0], at) if index else _string(block, at)
                    value, at = _string(block, at)
                    if byte & 0x40:
                        self._remember(name, value)
                found[name] = value
        except IndexError as error:
            raise BadBlockError("a header block ends too early") from error
        return found

    def _entry(self, index: int) -> Pair:
        if index == 0:
            raise BadBlockError("there is no header 0")
        return _STATIC[index - 1] if index <= len(_STATIC) else self._recent[index - 62]

    def _remember(self, name: str, value: str) -> None:
        self._recent.appendleft((name, value))
        self._size += len(name) + len(value) + _ENTRY_BYTES
        self._shrink()

    def _resize(self, most: int) -> None:
        if most > TABLE_BYTES:
            raise BadBlockError("the table is larger than was offered")
        self._most = most
        self._shrink()

    def _shrink(self) -> None:
        while self._size > self._most:
            name, value = self._recent.pop()
            self._size -= len(name) + len(value) + _ENTRY_BYTES


def written(status: int, headers: Iterable[Pair]) -> bytes:
    """A block without compression: `:status` by its place in the table, the rest in full."""
    block = b"\x08\x03" + str(status).encode()
    return block + b"".join([_pair(name, value) for name, value in headers])


def _pair(name: str, value: str) -> bytes:
    first, second = name.lower().encode("latin-1"), value.encode("latin-1")
    return b"\0" + _length(len(first)) + first + _length(len(second)) + second


def _length(size: int) -> bytes:
    if size < 0x7F:
        return bytes((size,))
    left, more = size - 0x7F, [0x7F]
    while left >= 0x80:
        more.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes((*more, left))


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    shift = 0
    while True:
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 28:
            raise BadBlockError("a number is too large")


def _string(block: bytes, at: int) -> tuple[str, int]:
    first = block[at]
    size, at = (first & 0x7F, at + 1) if first & 0x7F < 0x7F else _integer(block, at, 0x7F)
    end = at + size
    if end > len(block):
        raise BadBlockError("a string ends too early")
    raw = block[at:end]
    return _unpacked(raw) if first & 0x80 else raw.decode("latin-1"), end


@lru_cache(512)
def _unpacked(raw: bytes) -> str:
    """A Huffman-coded string, byte by byte; credentials come again with every request."""
    state, parts = _START, []
    for byte in raw:
        text, state = state[byte]
        parts.append(text)
    if not state.may_end:
        raise BadBlockError("a string does not end in padding")
    return b"".join(parts).decode("latin-1")


class _State(dict[int, tuple[bytes, "_State"]]):
    """A place in the tree of codes: byte → symbols that are whole then, and the state after it.

    What follows a byte is found when it is first needed.
    """

    def __init__(self) -> None:
        self.branches: list[_State | int] = [0, 0]
        self.may_end = False

    def __missing__(self, byte: int) -> tuple[bytes, "_State"]:
        state: _State = self
        symbols = bytearray()
        for bit in range(7, -1, -1):
            following = state.branches[byte >> bit & 1]
            if isinstance(following, _State):
                state = following
                continue
            if following == _EOS:
                raise BadBlockError("a string has an end in its middle")
            symbols.append(following)
            state = _START
        found = self[byte] = bytes(symbols), state
        return found


def _tree() -> _State:
    root = _State()
    for symbol, (code, length) in enumerate(zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True)):
        state = root
        for bit in range(length - 1, 0, -1):
            branch = state.branches[code >> bit & 1]
            if not isinstance(branch, _State):
                branch = state.branches[code >> bit & 1] = _State()
            state = branch
        state.branches[code & 1] = symbol
    padding: _State | int = root
    for _ in range(8):  # up to seven ones, the beginning of the end-of-string code, fill a byte
        assert isinstance(padding, _State)  # noqa: S101 - that code has thirty
        padding.may_end = True
        padding = padding.branches[1]
    return root


_START: Final = _tree()
