"""YOLO, version 1 to 3, and YOLO9000."""
