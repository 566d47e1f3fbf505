"""YOLO's text files: `layouts` of folders and lists, and the format in `yolo`."""

from singleshot.data.formats.yolo.yolo import FORMAT

__all__ = ["FORMAT"]
