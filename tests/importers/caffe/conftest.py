import pytest
from oracle.caffe_files import PROTOTXT, caffemodel, small_weights


@pytest.fixture
def files(tmp_path):
    """Writes the small network's two files, and gives the folder."""

    def write(prototxt=PROTOTXT, weights=None, **about):
        (tmp_path / "deploy.prototxt").write_text(prototxt)
        content = caffemodel(small_weights() if weights is None else weights, **about)
        (tmp_path / "small.caffemodel").write_bytes(content)
        return tmp_path

    return write
