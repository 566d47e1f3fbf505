"""`singleshot serve`: a detector as an HTTP service."""

from singleshot.cli.checks import check_models, check_serving
from singleshot.cli.options import Debug, Model, examples, with_options
from singleshot.cli.output import note
from singleshot.serving.options import ServingOptions

EXAMPLES = examples(
    "singleshot serve runs/cells",
    "singleshot serve runs/cells --host 0.0.0.0 --port 8080 --api-key-file keys.txt --rate 10",
)


@with_options(ServingOptions)
def serve(model: Model, *, options: ServingOptions, _debug: Debug = False) -> None:
    """Answer requests for detections over HTTP.

    POST an image to /v1/detect; /v1/model describes the detector, /openapi.json all requests. TLS
    is left to a proxy in front. Ends with SIGTERM or Ctrl-C, once all requests are answered.
    """
    check_models(model)
    check_serving(options)
    from singleshot.serving.serve import run_server

    run_server(model, options.with_callbacks(on_message=note))
