"""Order of images in shards that are larger together than a machine's memory.

A shuffle of all images would read from another shard for each: from a disk or a server, as slow as
it can be. Here the shards are shuffled, and each image is moved behind by a random part of a few
shards: at any time images come from these few, and one new shard follows after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int32, Int64

from singleshot.data.augment.view import draw_index
from singleshot.data.image_files.paths import ImagePaths

__all__ = ["ShardWindow"]

# Of images that are shuffled among each other. A number and no share of the memory: the order of a
# training must be the same on every machine. Data sets up to this size are shuffled as a whole.
WINDOW_BYTES = 4_000_000_000
FEWEST_SHARDS = 2


@dataclass(frozen=True, eq=False)
class ShardWindow:
    """Shards of a data set, and how many of them are read from at a time."""

    shard_of: Int32[np.ndarray, " images"]
    is_file: np.ndarray  # bool: images that are in no shard
    num_shards: int
    num_active: int

    @classmethod
    def of(cls, paths: ImagePaths) -> ShardWindow | None:
        """Describe the shards of a data set; None where all images are shuffled together."""
        offsets, lengths = paths.offsets.numpy(), paths.lengths.numpy()
        shard_of, is_file = paths.folder_of.numpy(), offsets < 0
        in_shards = np.bincount(shard_of[~is_file], lengths[~is_file], len(paths.folders))
        num_shards = int((in_shards > 0).sum())
        if in_shards.sum() <= WINDOW_BYTES:
            return None
        num_active = max(FEWEST_SHARDS, int(WINDOW_BYTES // (in_shards.sum() / num_shards)))
        return (
            None
            if num_shards <= num_active
            else cls(shard_of, is_file, len(paths.folders), num_active)
        )

    def permutation(
        self, seed: int, epoch: int, images: Int64[np.ndarray, " draws"] | None = None
    ) -> Int64[np.ndarray, " draws"]:
        """Order all images of an epoch, or these, some of which may be there more than once."""
        shards, is_file = self.shard_of, self.is_file
        if images is not None:
            shards, is_file = shards[images], is_file[images]
        random = np.random.default_rng([seed, epoch])
        rank = random.permutation(self.num_shards)[shards]
        shift = random.random(len(rank))
        # Images in no shard are spread over the whole epoch.
        place = np.where(
            is_file,
            shift * (self.num_shards + self.num_active),
            rank + shift * self.num_active,
        )
        return np.argsort(place, kind="stable")

    def draw_near(self, index: int, random: torch.Generator) -> int:
        """Draw another image of the same shard, to be combined with an image."""
        by_shard, ends = self._by_shard
        shard = int(self.shard_of[index])
        start = int(ends[shard - 1]) if shard else 0
        return int(by_shard[start + draw_index(int(ends[shard]) - start, random)])

    @cached_property
    def _by_shard(self) -> tuple[np.ndarray, np.ndarray]:
        """The images shard by shard, and where each shard ends."""
        counts = np.bincount(self.shard_of, minlength=self.num_shards)
        return np.argsort(self.shard_of, kind="stable"), counts.cumsum()
