"""A file in memory, which HDF5 writes as though it lay on a disk."""

from __future__ import annotations

from typing import Any


class Image:
    """A file in memory, for HDF5 to write; its buffer serves one shard after the other."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = self._end = 0
        self._written: list[tuple[int, int]] = []

    def clear(self) -> None:
        """Begin anew."""
        self._at = self._end = 0
        self._written.clear()

    def content(self) -> memoryview:
        """Return all bytes, zero where nothing was written; valid until the next `clear`."""
        reached = 0
        for start, stop in sorted(self._written):
            # What an earlier shard left between the pieces must not get into this one.
            if start > reached:
                self._buffer[reached:start] = bytes(start - reached)
            reached = max(reached, stop)
        if self._end > reached:
            self._buffer[reached : self._end] = bytes(self._end - reached)
        return memoryview(self._buffer)[: self._end]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, as files do."""
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def write(self, data: Any) -> int:
        """Write bytes here."""
        piece = memoryview(data)
        start, stop = self._at, self._at + piece.nbytes
        if stop > len(self._buffer):
            self._buffer.extend(bytes(max(stop - len(self._buffer), 2**22)))
        self._buffer[start:stop] = piece
        self._written.append((start, stop))
        self._at, self._end = stop, max(self._end, stop)
        return piece.nbytes

    def read(self, size: int = -1) -> bytes:
        """Return bytes from here on."""
        stop = self._end if size < 0 else min(self._end, self._at + size)
        found = bytes(memoryview(self._buffer)[self._at : stop])
        self._at = max(stop, self._at)
        return found

    def readinto(self, out: Any) -> int:
        """Read bytes from here on into `out`."""
        found = self.read(len(out))
        out[: len(found)] = found
        return len(found)

    def truncate(self, size: int | None = None) -> int:
        """End the file here, or at a place."""
        self._end = self._at if size is None else size
        if self._end > len(self._buffer):
            self._buffer.extend(bytes(self._end - len(self._buffer)))
        return self._end

    def flush(self) -> None:
        """Do nothing."""
