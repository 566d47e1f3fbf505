"""Decoded images, kept: in `memory`, in a shared `file`, perhaps smaller (`shrinking`)."""
