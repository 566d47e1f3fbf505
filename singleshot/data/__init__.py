"""Images and their annotations.

In reading order:

dataset         annotated images in a few arrays; `image_paths` are their paths
images          image files as tensors; `archives` (images inside other files), `image_suffixes`,
                `image_inputs` (what Python programs hold)
findings        errors that stop a run, and what a reader changes or leaves out
formats         annotation files: the contract, and a file for each format
layouts         splits in folders; `outside_links` that are not followed
assembly        from what annotations state to a data set: `finding_images`, `headers`
opening         detect the format, read all images or a split, with the options in `reading`
fetching        data sets at a URL; `shard_cache`
splits          what to train and to evaluate on; `stratification` sets images aside
augment         random variants of a sample
batching        training batches; `shuffling` of large shards
cache           decoded images in memory or in a `cache_file`; `shrinking`, `machine`
converting      write a data set in another format
object_checks   boxes and classes that spoil a training
duplicates      images that are the same or look alike, by `image_hashes`; `content_hash`
attributes      values of images, to slice an evaluation by
"""
