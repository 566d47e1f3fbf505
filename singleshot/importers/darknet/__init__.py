"""Darknet: a cfg for the network and a weights file for its numbers, read without Darknet.

Read `cfg` (sections and options), `network` (layers), `heads` (predictions), `detector`.
"""
