"""Sources in object stores: listed, identified, and fetched to a file of this machine, since decoders seek in it."""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path, PurePosixPath

from rotoscope.base.errors import InputRefused, OutputFailed
from rotoscope.jobs.stores.store import Store, Version, is_address
from rotoscope.jobs.stores.temporary import temporary_folder
from rotoscope.runtime.media.sequence_files import READABLE, VIDEOS

MOST_BYTES = 256 << 30  # of a source that is fetched

listed_versions: dict[str, Version] = {}  # of this process: objects that were listed need not be asked for again


def list_objects(address: str, out: str) -> list[tuple[str, Path]]:
    """(address, its place below the results) of what an object, a prefix or a glob stands for; without hidden ones and results.

    Raises InputRefused if there is none.
    """
    bucket, path = _split(address)
    words = [word for word in path.split("/") if word]
    magic = next((place for place, word in enumerate(words) if has_magic(word)), None)
    if magic is None and (version := Store(bucket).version("/".join(words)) if words else None) is not None:
        listed_versions[f"{bucket}/{'/'.join(words)}"] = version
        return [(f"{bucket}/{'/'.join(words)}", Path(words[-1]))]
    folder = words[:magic]
    found = []
    for item in Store(bucket).list("/".join(folder)):
        name, place = f"{bucket}/{item.path}", item.path.split("/")[len(folder) :]
        if any(word.startswith(".") for word in place) or name.startswith(f"{out.rstrip('/')}/"):
            continue
        is_media = PurePosixPath(item.path).suffix.lower() in (*VIDEOS, *READABLE)
        if is_media if magic is None else _fits(place, words[magic:]):
            listed_versions[name] = item.version
            found.append((name, Path(*place)))
    if not found:
        raise InputRefused(
            f"{address}: {'no videos or pictures there' if magic is None else 'no object fits this pattern'}"
        )
    return found


def version_of(address: str) -> Version:
    """What stands at an address, as it was listed or is now; raises InputRefused if nothing does."""
    if address not in listed_versions:
        bucket, path = _split(address)
        found = Store(bucket).version(path)
        if found is None:
            raise InputRefused(f"{address}: no such object")
        listed_versions[address] = found
    return listed_versions[address]


def forget(address: str) -> None:
    """Ask again what stands at an address: it may have changed since it was listed."""
    listed_versions.pop(address, None)


def identity(version: Version) -> str:
    """64 hex digits for the content of an object: of its entity tag and size, since its bytes are not read for it."""
    return hashlib.sha256(f"{version.e_tag}\0{version.size}".encode()).hexdigest()


@contextmanager
def fetched(source: str) -> Iterator[str]:
    """A source as the block can read it: itself, or a temporary file with what stands at its address.

    Raises InputRefused for an object that is larger than MOST_BYTES or than the room for temporary files, OutputFailed if it
    is no longer the one that `version_of` told of.
    """
    if not is_address(source):
        yield source
        return
    bucket, path = _split(source)
    version = version_of(source)
    size = version.size
    with temporary_folder() as folder:
        room = shutil.disk_usage(folder).free
        if size > min(MOST_BYTES, room):
            raise InputRefused(
                f"{source}: {size:,} bytes; accepted: at most {MOST_BYTES:,}, and what {folder.parent} has room for, {room:,}"
            )
        file = folder / PurePosixPath(path).name
        done = Store(bucket).download(path, file, size)
        if done != size:
            raise OutputFailed(f"{source}: {done:,} of {size:,} bytes have arrived")
        if Store(bucket).version(path) != version:
            raise OutputFailed(f"{source}: it was replaced while it was fetched")
        yield str(file)


def _split(address: str) -> tuple[str, str]:
    """(address of the bucket, path in it)."""
    scheme, _, rest = address.partition("://")
    bucket, _, path = rest.partition("/")
    return f"{scheme}://{bucket}", path


def _fits(words: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether the words of a path fit the words of a glob, in which ** stands for any number of folders."""
    if not patterns:
        return not words
    if patterns[0] == "**":
        return any(_fits(words[skipped:], patterns[1:]) for skipped in range(len(words) + 1))
    return bool(words) and fnmatchcase(words[0], patterns[0]) and _fits(words[1:], patterns[1:])
