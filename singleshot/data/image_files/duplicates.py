"""Duplicates: images with the same bytes, and images that look alike.

A near-duplicate is the same photograph after compression, resizing, another brightness, a crop of
a few per cent or a horizontal flip. Frames of a fixed camera are near-duplicates too: they share
their background.

Two steps find them. Hashes that differ in few bits give candidates; each candidate is then verified
by the correlation of small grey copies, because hashes of different images can agree by chance.
Measured on six data sets (1,273 images): both thresholds below find no two different photographs,
and the pairs that they do find (one each in kangaroo, BCCD and plates) are copies. Of copies made
of 240 images they find all that were compressed (JPEG quality 30), shrunk, squeezed, brightened or
flipped, and four of five that were cropped by 4 %; a crop of 10 % is another image.

Candidates are found by multi-index hashing (Norouzi, Punjani and Fleet 2012, "Fast search in
Hamming space with multi-index hashing"): of two hashes that differ in seven bits at most, one of
four parts differs in one bit at most. That finds all pairs of such hashes, and of those that differ
in eight or ten bits 96 % and 78 %. A library (imagehash) would bring SciPy and PyWavelets for the
hash alone and compare all pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64, UInt64

from singleshot.data.image_files.hashes import BITS, THUMBNAIL, ImageHashes, hash_image_files

__all__ = ["Duplicates", "SimilarPair", "find_duplicates", "group_duplicates"]

MOST_BITS = 10  # in which the hashes of near-duplicates differ
LEAST_CORRELATION = 0.95  # of their grey copies
LEAST_CONTRAST = 2.0  # grey levels; an image of one colour resembles no other
PARTS = 4  # of a hash
PART_BITS = BITS // PARTS
# Images with the same part of a hash that are compared, the next in order: else a video of 100,000
# frames would take all pairs. Of parts that differ in one bit, a quarter.
MOST_COMPARED = 256
FIRST_COMPARED = 4  # joins most of a video's frames, so that few are left to compare
CHUNK = 1 << 17  # pairs compared at once


class SimilarPair(NamedTuple):
    """Two images that look alike."""

    first: int
    second: int
    correlation: float  # of their grey copies, after a flip if there is one
    flipped: bool


@dataclass(frozen=True)
class Duplicates:
    """Groups of images, as indices in ascending order; groups in the order of their first."""

    exact: list[list[int]]  # files with the same bytes
    near: list[list[int]]  # images that look alike, not all of the same bytes
    pairs: list[SimilarPair]  # which connect the groups of `near`; not all that look alike
    hashes: ImageHashes

    @property
    def unreadable(self) -> dict[int, str]:
        """Indices of images that cannot be read, and the reasons; they are in no group."""
        return self.hashes.unreadable

    def groups(self) -> Int64[np.ndarray, " n"]:
        """Number the groups: images that are exact or near duplicates have the same number."""
        group = np.arange(len(self.hashes))
        for members in (*self.exact, *self.near):  # a group of `near` holds all copies
            group[members] = members[0]
        return np.unique(group, return_inverse=True)[1].astype(np.int64)


def find_duplicates(
    paths: Sequence[str | Path], *, progress: Callable[[int, int], None] | None = None
) -> Duplicates:
    """Find the images that are the same, byte by byte or by their look, among image files.

    Unreadable files are skipped and listed. `progress` is called with the images done and in all.
    """
    return group_duplicates(hash_image_files(paths, progress=progress))


def group_duplicates(hashes: ImageHashes) -> Duplicates:
    """Find the images that are the same among those that have been hashed."""
    exact = _exact_groups(hashes)
    groups = _Groups(len(hashes))
    links = [(members[0], other) for members in exact for other in members[1:]]
    groups.join(*np.array(links, dtype=np.int64).reshape(-1, 2).T)
    pairs = [*_join_similar(hashes, groups, flipped=False)]
    pairs += _join_similar(hashes, groups, flipped=True)
    in_pairs = {groups.root[pair.first] for pair in pairs}
    near = [members for root, members in groups.members().items() if root in in_pairs]
    return Duplicates(exact, near, sorted(pairs), hashes)


class _Groups:
    """Connected components that grow; `root` is the first image of each image's group."""

    def __init__(self, number: int) -> None:
        self.root: Int64[np.ndarray, " n"] = np.arange(number)

    def join(
        self, first: Int64[np.ndarray, " k"], second: Int64[np.ndarray, " k"]
    ) -> Int64[np.ndarray, " joined"]:
        """Join the groups of each two images; returns which of the pairs were needed for that."""
        needed = [np.zeros(0, dtype=np.int64)]
        while True:
            low, high = np.sort([self.root[first], self.root[second]], axis=0)
            # Of each root, the pair that leads to the smallest: they make no circle.
            order = np.lexsort((low, high))
            order = order[(low < high)[order]]
            order = order[np.diff(high[order], prepend=-1) > 0]
            if not len(order):
                return np.sort(np.concatenate(needed))
            needed.append(order)
            self.root[high[order]] = low[order]
            while not np.array_equal(above := self.root[self.root], self.root):
                self.root = above

    def members(self) -> dict[int, list[int]]:
        """List the groups of two images or more by their roots."""
        order = np.argsort(self.root, kind="stable")
        roots, starts = np.unique(self.root[order], return_index=True)
        parts = np.split(order, starts[1:]) if len(order) else []
        return {
            int(root): part.tolist()
            for root, part in zip(roots, parts, strict=True)
            if len(part) > 1
        }


def _exact_groups(hashes: ImageHashes) -> list[list[int]]:
    """Group the files with the same bytes."""
    _, first, number = np.unique(hashes.digests, return_index=True, return_inverse=True)
    groups = _Groups(len(hashes))
    groups.root = first[number].astype(np.int64)
    return [members for root, members in groups.members().items() if root not in hashes.unreadable]


def _join_similar(hashes: ImageHashes, groups: _Groups, *, flipped: bool) -> Iterator[SimilarPair]:
    """Join the groups of images that look alike, and yield the pairs that did so."""
    readable = np.array([index not in hashes.unreadable for index in range(len(hashes))], bool)
    kept = np.flatnonzero(readable)
    own = _standardise(hashes.thumbnails)
    other = _standardise(hashes.thumbnails[:, :, ::-1]) if flipped else own
    queries = (hashes.flipped if flipped else hashes.hashes)[kept]
    for first, second in _candidates(queries, hashes.hashes[kept]):
        pairs = kept[first], kept[second]
        # In one group already: most pairs of a video, which are then not compared.
        apart = groups.root[pairs[0]] != groups.root[pairs[1]]
        apart[apart] &= (
            _distances(queries[first[apart]], hashes.hashes[pairs[1][apart]]) <= MOST_BITS
        )
        left, right = pairs[0][apart], pairs[1][apart]
        correlation = np.einsum("ij,ij->i", other[left], own[right])
        same = correlation >= LEAST_CORRELATION
        left, right, correlation = left[same], right[same], correlation[same]
        for index in groups.join(left, right).tolist():
            value = min(float(correlation[index]), 1.0)
            yield SimilarPair(int(left[index]), int(right[index]), value, flipped)


def _candidates(
    queries: UInt64[np.ndarray, " n"], hashes: UInt64[np.ndarray, " n"]
) -> Iterator[tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]]:
    """Yield indices of a query and of a later hash of which a part agrees but for one bit.

    The most alike come first.
    """
    whole = np.unique([queries, hashes], return_inverse=True)[1].reshape(2, -1)
    yield from _Table(whole[1]).later(whole[0], MOST_COMPARED)
    keys, tables = _parts(queries), [_Table(part) for part in _parts(hashes)]
    one_bit = [1 << bit for bit in range(PART_BITS)]
    for masks, most in (
        ([0], FIRST_COMPARED),
        ([0], MOST_COMPARED),
        (one_bit, MOST_COMPARED // 4),
    ):
        for mask in masks:
            for table, key in zip(tables, keys, strict=True):
                yield from table.later(key ^ mask, most)


class _Table:
    """Images by one part of their hash."""

    def __init__(self, keys: Int64[np.ndarray, " n"]) -> None:
        self.number = max(len(keys), 1)
        # Sorted by key, then by index.
        self.entries = np.sort(keys * self.number + np.arange(len(keys)))

    def later(
        self, keys: Int64[np.ndarray, " n"], most: int
    ) -> Iterator[tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]]:
        """Yield each image with the next, so many at most, whose part of the hash is its key."""
        index = np.argsort(keys, kind="stable")  # neighbours in memory: three times as fast
        keys = keys[index]
        start = np.searchsorted(self.entries, keys * self.number + index, side="right")
        end = np.searchsorted(self.entries, (keys + 1) * self.number)
        counts = (end - start).clip(0, most)
        for chunk in _chunks(counts):
            first = np.repeat(index[chunk], counts[chunk])
            offset = np.arange(len(first)) - np.repeat(
                counts[chunk].cumsum() - counts[chunk], counts[chunk]
            )
            yield first, self.entries[np.repeat(start[chunk], counts[chunk]) + offset] % self.number


def _chunks(counts: Int64[np.ndarray, " n"]) -> Iterator[slice]:
    """Cut a list where its sum passes each multiple of the largest chunk."""
    total = counts.cumsum()
    if not len(total) or not total[-1]:
        return
    cuts = np.searchsorted(total, np.arange(CHUNK, int(total[-1]), CHUNK)).tolist()
    bounds = [0, *cuts, len(counts)]
    yield from (slice(start, end) for start, end in pairwise(bounds) if start < end)


def _parts(hashes: UInt64[np.ndarray, " n"]) -> list[Int64[np.ndarray, " n"]]:
    """Cut each hash into its parts."""
    mask = np.uint64((1 << PART_BITS) - 1)
    shifts = np.arange(PARTS, dtype=np.uint64) * np.uint64(PART_BITS)
    return [((hashes >> shift) & mask).astype(np.int64) for shift in shifts]


def _distances(
    hashes: UInt64[np.ndarray, " n"], others: UInt64[np.ndarray, " n"]
) -> Int64[np.ndarray, " n"]:
    """Count the bits in which hashes differ, pair by pair."""
    # NumPy 1.26 has no bitwise_count.
    words = (hashes ^ others).view(np.uint16).reshape(-1, 4)
    counts: Int64[np.ndarray, " n"] = _BIT_COUNTS[words].sum(axis=1)
    return counts


def _standardise(thumbnails: np.ndarray) -> Float32[np.ndarray, "n pixels"]:
    """Flatten grey copies to mean 0 and length 1, so that brightness and contrast do not matter."""
    flat = thumbnails.reshape(len(thumbnails), THUMBNAIL**2).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat /= np.maximum(length, LEAST_CONTRAST * THUMBNAIL)
    return flat


_BIT_COUNTS = np.array([value.bit_count() for value in range(1 << 16)], dtype=np.int64)
