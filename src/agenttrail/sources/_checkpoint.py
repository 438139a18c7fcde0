"""A file's committed positions on disk, written so that `kill -9` leaves the old or the new ones.

It holds paths, numbers and hashes, never content.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from agenttrail.errors import CheckpointError

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file incarnation: delivered up to `offset` (decompressed bytes).

    `head` is a hash of its first `head_bytes` bytes: it tells a file that was replaced or emptied and
    refilled from one that grew.
    """

    path: str
    key: str
    device: int
    inode: int
    offset: int
    head: str
    head_bytes: int
    size: int
    mtime_ns: int


class Checkpoint:
    """Entries by incarnation name."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
        except FileNotFoundError:
            return
        except OSError as error:
            raise CheckpointError(f"checkpoint {path}: cannot be read: {error.strerror}") from None
        except ValueError:
            raise CheckpointError(
                f"checkpoint {path}: is not a checkpoint file",
                hint="move it away to start from the beginning; event ids stay the same, so nothing is stored twice",
            ) from None
        if not isinstance(content, dict) or content.get("version") != VERSION:
            raise CheckpointError(f"checkpoint {path}: has another version than {VERSION}")
        try:
            self.entries = {name: Entry(**entry) for name, entry in content["files"].items()}
        except (KeyError, TypeError, AttributeError):
            raise CheckpointError(f"checkpoint {path}: is damaged") from None

    def save(self) -> None:
        """Writes all entries; on return they survive a power cut.

        Raises:
            CheckpointError: they could not be written (a full disk, say).
        """
        content = {
            "version": VERSION,
            "files": {name: asdict(entry) for name, entry in self.entries.items()},
        }
        folder = os.path.dirname(os.path.abspath(self.path))
        partial = f"{self.path}.part"
        try:
            os.makedirs(folder, exist_ok=True)
            with open(partial, "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.path)
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise CheckpointError(
                f"checkpoint {self.path}: cannot be written: {error.strerror}",
                hint="free disk space or choose another place; nothing is lost, the run resumes from the last commit",
            ) from None
