"""The photographs of the tutorial, with what is in them.

`dogs.jpg` is from dlib's examples (public domain), made smaller. `blood.jpg` is BloodImage_00057 of
BCCD (MIT licence, https://github.com/Shenggan/BCCD_Dataset), one of its test images.
"""

from __future__ import annotations

from PIL import Image
from tutorial.drawing import IMAGES

__all__ = ["BLOOD", "BLOOD_CLASSES", "DOGS", "open_photograph"]

# Boxes in pixels. Four photographs of dogs in one image, 640 pixels wide and 651 high.
DOGS = [(17, 0, 327, 319), (329, 54, 614, 319), (63, 354, 279, 651), (329, 330, 597, 642)]

BLOOD_CLASSES = ("Platelets", "RBC", "WBC")
BLOOD = [  # class, box; 640 x 480 pixels, as annotated in BCCD
    (1, (487, 251, 596, 357)),
    (1, (392, 126, 487, 214)),
    (1, (459, 63, 565, 172)),
    (1, (4, 318, 110, 427)),
    (1, (220, 314, 322, 406)),
    (1, (266, 16, 364, 117)),
    (2, (164, 70, 317, 215)),
    (0, (548, 404, 585, 444)),
    (0, (512, 400, 549, 440)),
    (1, (321, 290, 415, 391)),
    (1, (409, 289, 503, 390)),
]


def open_photograph(name: str) -> Image.Image:
    """Open one of the photographs, as RGB."""
    return Image.open(IMAGES / f"{name}.jpg").convert("RGB")
