"""Augmentation of training images as in the paper (§2.2 "Data augmentation" and §3.6).

Read `view` (what a variation changes), `colours` and `geometry` (the paper's variations), `render`
(pixels and boxes of a view), `mosaic` (several images in one), `pipeline` (their order). Variations
only choose; `Render` draws once, from the original pixels, so that nothing is enlarged and then
cut away.
"""
