"""Images and their annotations.

In reading order:

dataset         annotated images in a few arrays; `input_objects`: as a network sees them
image_files     image files: found, read, compared
findings        errors that stop a run, and what a reader changes or leaves out
formats         annotation files: the contract, and a file or folder for each format
layouts         splits in folders
assembly        from what annotations state to a data set
opening         detect the format, read all images or a split, with the options in `reading`, such
                as `renaming` of classes
remote          data sets at a URL
splits          what to train and to evaluate on; `stratification` sets images aside
augment         random variants of a sample
batching        training batches; `shuffling` of large shards, `repeats` of rare classes
cache           decoded images in memory or in a file; `machine`: how much there is
converting      write a data set in another format
object_checks   boxes and classes that spoil a training
"""
