"""A classifier that is applied at every place, scale and aspect ratio."""
