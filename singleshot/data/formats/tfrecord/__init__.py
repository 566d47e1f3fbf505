"""TFRecord of the Object Detection API: records in `files`, the format in `tfrecord`."""

from singleshot.data.formats.tfrecord.tfrecord import FORMAT

__all__ = ["FORMAT"]
