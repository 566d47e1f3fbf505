# A server for one exported model. Beside the folders exports/cells and dist, which has the wheel of
# singleshot (pip wheel --no-deps --wheel-dir dist CHECKOUT):
#   docker build --file serve.Dockerfile --build-arg MODEL=exports/cells --tag cells:1 .
#   docker run --rm --publish 127.0.0.1:8000:8000 --read-only --tmpfs /tmp cells:1
FROM python:3.11-slim

# PyTorch without CUDA is a tenth of the size. onnxruntime is for --to onnx; a model for OpenVINO
# needs openvino in its place, one for LiteRT ai-edge-litert.
COPY dist/singleshot-*.whl /tmp/
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu \
        "torch>=2.9" "torchvision>=0.24" \
    && pip install --no-cache-dir "$(ls /tmp/singleshot-*.whl)[serve]" "onnxruntime>=1.20" \
    && rm /tmp/singleshot-*.whl \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin detector

# The model alone: no annotations, no images, no checkpoints.
ARG MODEL=exports/cells
COPY --chmod=a+rX ${MODEL} /model

# As a number, so that Kubernetes sees that it is not root.
USER 10001
ENV PYTHONUNBUFFERED=1 HOME=/tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["singleshot", "serve", "/model", "--host", "0.0.0.0"]
