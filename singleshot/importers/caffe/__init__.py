"""Caffe: a prototxt for the network and a caffemodel for its weights, read without Caffe.

Read `text` and `backbones.caffe_weights` (the two files), `network` (layers), `heads` (priors and
results), `detector`.
"""
