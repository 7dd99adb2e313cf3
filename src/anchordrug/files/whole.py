"""Whether a file that was written here is whole, as far as its size and its ends tell."""

from collections.abc import Callable, Iterator
from pathlib import Path

from anchordrug.files.checksums import checked
from anchordrug.files.json_text import parsed


def damage(path: Path) -> str | None:
    """Return the fault of a file in words, None if none is seen; little of it is read.

    Only files of the kinds that the project writes are looked into; an empty file is always damaged.
    """
    if not path.stat().st_size:
        return "is empty"
    is_cut = _CUT.get(path.suffix)
    if is_cut is not None and is_cut(path):
        return "is cut"
    return "is not the file of its .sha256" if checked(path) in ("differs", "unreadable") else None


def files_in(path: Path) -> Iterator[Path]:
    """Return a file itself, or the files in a folder."""
    if path.is_dir():
        yield from sorted(found for found in path.rglob("*") if found.is_file())
    elif path.is_file():
        yield path


def _lacks_end(end: bytes) -> Callable[[Path], bool]:
    def lacks(path: Path) -> bool:
        with path.open("rb") as file:
            file.seek(-min(len(end), path.stat().st_size), 2)
            return file.read() != end

    return lacks


def _lacks_numbers(path: Path) -> bool:
    """Return whether a .safetensors file has another size than its header says."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        # The format allows no larger header.
        if size > 100_000_000:
            return True
        try:
            arrays = parsed(file.read(size))
            ends = [array["data_offsets"][1] for name, array in arrays.items() if name != "__metadata__"]
        except (ValueError, TypeError, LookupError, AttributeError):
            return True
    return path.stat().st_size != 8 + size + max(ends, default=0)


_CUT: dict[str, Callable[[Path], bool]] = {
    ".parquet": _lacks_end(b"PAR1"),
    ".csv": _lacks_end(b"\n"),
    ".json": _lacks_end(b"}\n"),
    ".safetensors": _lacks_numbers,
}
