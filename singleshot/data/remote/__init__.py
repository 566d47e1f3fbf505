"""Files that are fetched when they are needed, and the folder that keeps them."""
