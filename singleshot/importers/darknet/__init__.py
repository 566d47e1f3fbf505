"""Darknet: a cfg for the network, a weights file for its numbers, and no Darknet to read them."""
