"""Puts records on a tape. One unbuffered write per batch, so that a killed process loses nothing.

    event, control → batch ── flush ──→ file ── every 2 s, and at seal ──→ disk

No failure to write ever raises once the tape is there: the tape is cut at its last whole record,
`failed` says why, and the session that is being recorded goes on.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from weakref import WeakSet

from rtproxy import __version__
from rtproxy.errors import TapeExistsError, TapeWriteError
from rtproxy.tape.codec import (
    encode_control,
    encode_event,
    encode_header,
    encode_seal,
    encode_trailer,
)
from rtproxy.tape.record import Record
from rtproxy.tape.summary import Summary

Durability = Literal["none", "normal", "always"]
"""When the file is forced to disk: never, every two seconds and at seal, at each flush."""

SYNC_SECONDS = 2.0
_CHUNK = 1 << 20


class TapeWriter:
    """Writes one tape, live until it is sealed or closed. Made by `create`."""

    def __init__(self, path: Path, fd: int, durability: Durability, id: str) -> None:
        self.path = path
        self.next_seq = 0
        self.size = 0
        """Bytes of the tape so far, those not flushed yet included."""
        self.failed: TapeWriteError | None = None
        self.summary = Summary()
        self._id = id
        self._fd = fd
        self._durability = durability
        self._batch: list[bytes] = []
        self._closed = False
        self._dirty = False
        self._lock = threading.Lock()  # between a close and the background sync

    @classmethod
    def create(
        cls,
        path: Path,
        fields: Mapping[str, Any],
        *,
        durability: Durability = "normal",
        header: bytes | None = None,
    ) -> "TapeWriter":
        """Create the file (its folders too), lock it and write the header.

        `fields` is the header's map; `id`, `connection` and `writer` are filled in when missing.
        `header` is the whole header record with these fields, to be copied as it is. Raises
        TapeExistsError when the file exists, and TapeWriteError when it cannot be written.
        """
        fields = {
            "id": secrets.token_hex(8),
            "connection": "websocket",
            "writer": {"name": "rtproxy", "version": __version__},
        } | dict(fields)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            fd = os.open(path, flags, 0o600)
        except FileExistsError:
            raise TapeExistsError(
                f"{path} exists already; a tape is never overwritten, so choose another name."
            ) from None
        except (OSError, ValueError) as error:
            raise TapeWriteError(f"Cannot create the tape {path}: {_reason(error)}.") from error
        writer = cls(path, fd, durability, str(fields["id"]))
        try:
            lock(fd)
            writer._append(header or encode_header(fields))
        except (OSError, ValueError) as error:
            writer.failed = TapeWriteError(f"Cannot create the tape {path}: {_reason(error)}.")
            writer.failed.__cause__ = error
        if not writer.flush():
            writer.close()
            path.unlink(missing_ok=True)
            raise writer.failed or TapeWriteError(f"Cannot create the tape {path}.")
        if durability == "normal":
            _syncing.add(writer)
        return writer

    def event(self, t_ns: int, flags: int, payload: str | bytes) -> None:
        """Put a message into the batch. One too large for a tape (256 MiB) becomes a gap."""
        if self._dropping:
            return
        try:
            record = encode_event(self.next_seq, t_ns, flags, payload)
        except ValueError:
            self.control(t_ns, flags, "gap", {"reason": "too large", "bytes": len(payload)})
            return
        self.summary.add_event(self.next_seq, t_ns, flags, payload, self.size)
        self._append(record)
        self.next_seq += 1

    def control(
        self, t_ns: int, flags: int, name: str, data: Mapping[str, Any] | None = None
    ) -> None:
        """Put something that is no message into the batch; values of `data` may be anything."""
        if self._dropping:
            return
        try:
            record = encode_control(self.next_seq, t_ns, flags, name, data)
        except ValueError:
            record = encode_control(
                self.next_seq, t_ns, flags, name[:100], {"dropped": "too large"}
            )
        self.summary.add_control(self.next_seq, t_ns, name, self.size)
        self._append(record)
        self.next_seq += 1

    def copy(self, data: bytes, record: Record) -> None:
        """Put a framed record of another tape into the batch, byte for byte, with its seq."""
        if self._dropping:
            return
        self.summary.add(record, self.size)
        self._append(data)
        seq = getattr(record, "seq", None)
        if seq is not None:
            self.next_seq = seq + 1

    def flush(self) -> bool:
        """Write the batch with one unbuffered write. False when the tape has failed; never raises.

        A short write is completed once; when that fails too, the file is cut at its last whole
        record and everything from then on is dropped.
        """
        if self._batch:
            data = self._batch[0] if len(self._batch) == 1 else b"".join(self._batch)
            written = 0
            try:
                written = os.write(self._fd, data)
                if written < len(data):
                    written += os.write(self._fd, memoryview(data)[written:])
                if written < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                self._fail(error, written, len(data))
            else:
                self._dirty = True
                self._batch.clear()
                if self._durability == "always":
                    self._sync()
        return self.failed is None and not self._closed

    def seal(self, t_ns: int, extra: Mapping[str, Any] | None = None) -> None:
        """Flush, write seal and trailer, force all to disk, unlock, close; never raises.

        Reads the whole file again for its SHA-256, so it may take a second: call it in a thread.
        `extra` is added to the seal's map. A tape that has failed is closed without a seal.
        """
        if self.flush():
            try:
                ours = {"id": self._id, "sha256": self._digest()}
                data = self.summary.to_map() | dict(extra or {}) | ours
                offset = self.size
                self._append(encode_seal(self.next_seq, t_ns, data))
                self._append(encode_trailer(offset))
            except (OSError, ValueError) as error:
                self._fail(error, 0, 0)
            if self.flush() and self._durability != "none":
                self._sync()
                sync_folder(self.path.parent)
        self.close()

    def close(self) -> None:
        """Flush, unlock and close, without a seal; once is enough and more does no harm."""
        if self._closed:
            return
        self.flush()
        _syncing.discard(self)
        with self._lock:
            self._closed = True
            with contextlib.suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            with contextlib.suppress(OSError):
                os.close(self._fd)

    @property
    def _dropping(self) -> bool:
        return self.failed is not None or self._closed

    def _append(self, record: bytes) -> None:
        self._batch.append(record)
        self.size += len(record)

    def _fail(self, error: Exception, written: int, batch_size: int) -> None:
        """Cut the file after the last whole record of a batch of which `written` bytes went out."""
        whole = 0
        for record in self._batch:
            if whole + len(record) > written:
                break
            whole += len(record)
        self._batch.clear()
        self.size += whole - batch_size
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self.size)
        self.failed = TapeWriteError(
            f"Writing to the tape {self.path} failed ({_reason(error)}); "
            f"it ends after {self.size} bytes, and what came later is not on it."
        )
        self.failed.__cause__ = error

    def _sync(self) -> None:
        self._dirty = False
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EROFS):  # a pipe or the like has no disk
                self._fail(error, 0, 0)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        at = 0
        while chunk := os.pread(self._fd, _CHUNK, at):
            digest.update(chunk)
            at += len(chunk)
        return digest.hexdigest()

    def sync_in_background(self) -> None:
        """Force what was written to disk, unless it is there or the tape is closed meanwhile."""
        if not self._dirty:
            return
        with self._lock:
            if self._closed:
                return
            fd = os.dup(self._fd)  # so that a close need not wait for the disk
        self._dirty = False
        try:
            os.fdatasync(fd)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EROFS):
                self.failed = TapeWriteError(
                    f"Writing the tape {self.path} to disk failed ({_reason(error)})."
                )
        finally:
            os.close(fd)


class _BackgroundSync:
    """One daemon thread that forces all live tapes to disk every two seconds."""

    def __init__(self) -> None:
        self._writers: WeakSet[TapeWriter] = WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, writer: TapeWriter) -> None:
        with self._lock:
            self._writers.add(writer)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="rtproxy-tape-sync", daemon=True
                )
                self._thread.start()

    def discard(self, writer: TapeWriter) -> None:
        with self._lock:
            self._writers.discard(writer)

    def _run(self) -> None:
        while True:
            with self._lock:
                writers = list(self._writers)
            # One after another over the whole time: hundreds at once would hold up the sessions.
            pause = SYNC_SECONDS / max(1, len(writers))
            for writer in writers:
                time.sleep(pause)
                writer.sync_in_background()
            if not writers:
                time.sleep(pause)
            del writers


_syncing = _BackgroundSync()


def lock(fd: int) -> None:
    """Take the advisory lock that says "live".

    A reader that asks whether a tape is live holds it for an instant, so a few tries are made. A
    file system without locks is fine: the tape then reads as crashed until it is sealed.
    """
    for _ in range(100):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:
            return
        else:
            return
    raise BlockingIOError(errno.EWOULDBLOCK, "another process holds its lock")


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk, so that a new name in it survives a power cut."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
