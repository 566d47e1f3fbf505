import numpy as np
import pytest

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
from small_litert import LITERT_FOLDER  # noqa: E402

from singleshot.errors import ModelError  # noqa: E402
from singleshot.exporting.formats.litert.flatbuffer import (  # noqa: E402
    float_constant,
    operator_names,
    read_model,
    write_model,
)

FILE = LITERT_FOLDER / "model.tflite"


def places_of_weights(path):
    content = path.read_bytes()
    model = schema.Model.GetRootAsModel(content, 0)
    buffers = [model.Buffers(index) for index in range(model.BuffersLength())]
    return [one._tab.Vector(one._tab.Offset(4)) for one in buffers if one.DataLength()]


def test_weights_are_aligned_to_16_bytes(tmp_path):
    model = read_model(FILE)
    # Its length would move all that is written before it.
    model.description = b"twelve bytes"
    write_model(model, tmp_path / "model.tflite")
    places = places_of_weights(tmp_path / "model.tflite")
    assert len(places) > 20
    assert {place % 16 for place in places} == {0}


def test_a_model_that_is_written_again_is_the_same(tmp_path):
    write_model(read_model(FILE), tmp_path / "model.tflite")
    before, after = read_model(FILE), read_model(tmp_path / "model.tflite")
    for index, tensor in enumerate(before.subgraphs[0].tensors):
        assert after.subgraphs[0].tensors[index].name == tensor.name
        np.testing.assert_array_equal(float_constant(after, index), float_constant(before, index))
    assert operator_names(read_model(FILE))[:2] == ["CONV_2D", "CONV_2D"]


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"PK\x03\x04 no FlatBuffer")
    with pytest.raises(ModelError, match="not a LiteRT model"):
        read_model(path)
