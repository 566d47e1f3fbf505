"""Caffe: a prototxt for the network and a caffemodel for its weights, read without Caffe.

Read `text` and `weights` (the two files), `network` (layers), `heads` (priors and results),
`detector`.
"""
