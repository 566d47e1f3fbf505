"""Foreign formats, a file each; their quirks stay there."""
