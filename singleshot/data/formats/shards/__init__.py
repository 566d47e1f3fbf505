"""Shards: WebDataset's tar files, with an index of all annotations.

Read `names`, `index` (annotations in arrays), `samples` (foreign shards), `writer` and `writing`,
`remote` (shards behind a URL) and `shards` (the format).
"""

from singleshot.data.formats.shards.shards import FORMAT

__all__ = ["FORMAT"]
