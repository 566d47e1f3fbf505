"""A detector as an HTTP service. Reading order:

options      what `singleshot serve` takes
app          the routes, from a request to its answer
request_body reading a body within its limits; multipart for forms
images       decoding, within a limit of pixels
batching     concurrent requests share batches of one detector, in a thread of its own
page         the page at `/`, whose files are in `singleshot.browser`
admission    limits of the rate and of the images at once
answers      JSON of detections and of the model; `description` makes the latter
problems     errors as problem details (RFC 9457)
monitoring   access log and Prometheus metrics
protocol     connections: time limits, and how they end
server       signals, and an end without lost requests
serve        the process: `address`, the model, the log
"""
