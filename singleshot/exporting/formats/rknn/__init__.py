"""Rockchip's NPUs: `convert` first; `converter` is the script that rknn-toolkit2 runs."""

from singleshot.exporting.formats.rknn.convert import FORMAT

__all__ = ["FORMAT"]
