import pytest

pytest.importorskip("ai_edge_litert")
from small_litert import LITERT_FOLDER
from small_ssd import small_ssd

from singleshot.exporting.formats.litert.flatbuffer import operator_names, read_model, write_model
from singleshot.exporting.formats.litert.postprocess import append_nms, detach_nms


def test_nms_that_is_appended_is_detached_again(tmp_path):
    """The outputs of the model are not those that NMS takes; only the graph is looked at."""
    before = read_model(LITERT_FOLDER / "model.tflite")
    model = read_model(LITERT_FOLDER / "model.tflite")
    append_nms(model, small_ssd().exportable())
    write_model(model, tmp_path / "nms.tflite")
    appended = read_model(tmp_path / "nms.tflite")
    assert operator_names(appended) == [*operator_names(before), "CUSTOM"]
    names = [appended.subgraphs[0].tensors[index].name for index in appended.subgraphs[0].outputs]
    assert names == [b"boxes", b"labels", b"scores", b"count"]
    detach_nms(appended)
    graph = appended.subgraphs[0]
    assert operator_names(appended) == operator_names(before)
    assert list(graph.outputs) == list(before.subgraphs[0].outputs)
    assert [one.name for one in graph.tensors] == [one.name for one in before.subgraphs[0].tensors]
    assert len(appended.buffers) == len(before.buffers)
