"""Caffe: a prototxt for the network, a caffemodel for its weights, and no Caffe to read them."""
