"""The store: frames on their way to disk, the published file, and its reading side.

No HDF5 file is ever changed in place: a kill would lose the frames of an open one, and a full
disk crashes HDF5 (h5py issue 914). Frames are gathered into segments, each built as an HDF5 image
in memory and written by the rule of `diffusim.atomic`; in the end a child process streams the
segments into one file, which gets its name when it is whole. The modules here are the only ones
that import h5py.
"""

from diffusim.atomic import Occupied, StoreError, write_bytes, write_text
from diffusim.store.folder import Folder
from diffusim.store.journal import Journal
from diffusim.store.result import RESULT, Header
from diffusim.store.stored import (
    Frames,
    Stored,
    StoredRun,
    digest_of,
    folder_in_words,
    load,
    verify,
)

__all__ = [
    "RESULT",
    "Folder",
    "Frames",
    "Header",
    "Journal",
    "Occupied",
    "StoreError",
    "Stored",
    "StoredRun",
    "digest_of",
    "folder_in_words",
    "load",
    "verify",
    "write_bytes",
    "write_text",
]
