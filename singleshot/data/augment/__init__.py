"""How training images are varied, as in the paper (§2.2 "Data augmentation" and §3.6).

Each variation is a function of a `View` and a generator of random numbers. Variations only choose;
`Render` draws, once, from the original pixels: nothing is enlarged to be cut away again.
"""
