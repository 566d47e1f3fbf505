"""Names that VOC and COCO give to the same class."""

__all__ = ["COCO_NAME", "coco_name"]

COCO_NAME = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}


def coco_name(name: str) -> str:
    """Translate VOC's name of a class to COCO's; any other name stays."""
    return COCO_NAME.get(name, name)
