"""From annotations to a data set: the rules that are the same for every format.

Read `locating` (the file of each image, and its header), `sizes` (the annotated one against the
real one), `boxes` (in pixels, in order, clipped) and `assemble`. Whatever is changed or left out is
a finding.
"""

from singleshot.data.assembly.assemble import Assembled, assemble, group_similar
from singleshot.data.assembly.locating import ImageUse

__all__ = ["Assembled", "ImageUse", "assemble", "group_similar"]
