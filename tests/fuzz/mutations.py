"""Files that nobody wrote: small files of a format, damaged in few places, or with their parts exchanged."""

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

# What readers stumble over, whatever the format.
TOKENS = (
    *(b"", b"\t", b",", b";", b'"', b"'", b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b" "),
    *(b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"1.5", b"1,5", b"-666", b"NA", b"True"),
    *(b"9" * 40, b"0x10", b"1_000", "١٢".encode(), "é".encode(), b"\xe9", b"\x1b[31m", b"\x85", "‮".encode()),
    *(b"=1+1", b"#", b"!", b"$$$$", b"{", b"[", b"&a", b"*a", b"- ", b": ", b"a" * 300),
)

Change = Callable[[bytes], bytes]


def _at(share: float, size: int) -> int:
    return min(size, int(share * (size + 1)))


def _flipped(share: float, byte: int) -> Change:
    def change(data: bytes) -> bytes:
        place = _at(share, len(data))
        return data[:place] + bytes([byte]) + data[place + 1 :]

    return change


def _inserted(share: float, token: bytes) -> Change:
    return lambda data: data[: _at(share, len(data))] + token + data[_at(share, len(data)) :]


def _cut(start: float, end: float) -> Change:
    first, last = sorted((start, end))
    return lambda data: data[: _at(first, len(data))] + data[_at(last, len(data)) :]


def _doubled(start: float, end: float) -> Change:
    first, last = sorted((start, end))
    return lambda data: data[: _at(last, len(data))] + data[_at(first, len(data)) :]


def _truncated(share: float) -> Change:
    return lambda data: data[: _at(share, len(data))]


def _lines_exchanged(one: float, other: float) -> Change:
    return lambda data: b"\n".join(_exchanged(data.split(b"\n"), one, other))


def _cells_exchanged(line: float, one: float, other: float, separator: bytes) -> Change:
    def change(data: bytes) -> bytes:
        lines = data.split(b"\n")
        place = min(len(lines) - 1, int(line * len(lines)))
        lines[place] = separator.join(_exchanged(lines[place].split(separator), one, other))
        return b"\n".join(lines)

    return change


def _cell_replaced(line: float, cell: float, token: bytes, separator: bytes) -> Change:
    def change(data: bytes) -> bytes:
        lines = data.split(b"\n")
        place = min(len(lines) - 1, int(line * len(lines)))
        cells = lines[place].split(separator)
        cells[min(len(cells) - 1, int(cell * len(cells)))] = token
        lines[place] = separator.join(cells)
        return b"\n".join(lines)

    return change


def _exchanged(parts: list[bytes], one: float, other: float) -> list[bytes]:
    first, second = (min(len(parts) - 1, int(share * len(parts))) for share in (one, other))
    parts[first], parts[second] = parts[second], parts[first]
    return parts


_SHARE = st.floats(0, 1, exclude_max=True)
_TOKEN = st.sampled_from(TOKENS)
_SEPARATOR = st.sampled_from([b"\t", b",", b";", b" ", b":"])
CHANGE: st.SearchStrategy[Change] = st.one_of(
    st.builds(_flipped, _SHARE, st.integers(0, 255)),
    st.builds(_inserted, _SHARE, _TOKEN),
    st.builds(_cut, _SHARE, _SHARE),
    st.builds(_doubled, _SHARE, _SHARE),
    st.builds(_truncated, _SHARE),
    st.builds(_lines_exchanged, _SHARE, _SHARE),
    st.builds(_cells_exchanged, _SHARE, _SHARE, _SHARE, _SEPARATOR),
    st.builds(_cell_replaced, _SHARE, _SHARE, _TOKEN, _SEPARATOR),
)


@st.composite
def mutated(draw: st.DrawFn, corpus: Sequence[bytes]) -> bytes:
    """Draw one of `corpus` with up to five changes."""
    data = draw(st.sampled_from(corpus))
    for change in draw(st.lists(CHANGE, max_size=5)):
        data = change(data)
    return data
