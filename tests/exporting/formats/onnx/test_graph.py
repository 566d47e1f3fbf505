import pytest

from singleshot.exporting.formats.onnx.graph import name_convolutions, quantizable_nodes

onnx = pytest.importorskip("onnx")
parser = pytest.importorskip("onnx.parser")

# Two convolutions with an L2 norm between them, a residual, and what decodes.
GRAPH = """
<ir_version: 8, opset_import: ["" : 18]>
network (float[1, 4, 8, 8] images) => (float[1, 4, 8, 8] scores)
{
    shifted = Sub(images, epsilon)
    stem = Conv(shifted, stem_weight)
    active = Relu(stem)
    square = Mul(active, active)
    length = Sqrt(square)
    positive = Add(length, epsilon)
    norm = Div(active, positive)
    residual = Add(norm, active)
    head = Conv(residual, head_weight)
    doubled = Add(head, head)
    scores = Sigmoid(doubled)
}
"""


@pytest.fixture
def model():
    made = parser.parse_model(GRAPH)
    for name, shape in (("stem", (4, 4, 1, 1)), ("head", (4, 4, 1, 1))):
        made.graph.initializer.append(
            onnx.helper.make_tensor(f"network.{name}.weight", 1, shape, [0.5] * 16)
        )
    made.graph.initializer.append(onnx.helper.make_tensor("epsilon", 1, (), [0.1]))
    for index, node in enumerate(made.graph.node):
        node.name = f"node_{index}"
        if node.op_type == "Conv":
            # The parser takes no points in names.
            node.input[1] = f"network.{node.output[0]}.weight"
    name_convolutions(made)
    return made


def test_norms_and_what_follows_the_last_convolutions_stay_in_float(model):
    outputs = [node.output[0] for node in quantizable_nodes(model, ())]
    assert outputs == ["stem", "active", "residual", "head"]


def test_convolutions_are_named_after_their_layers(model):
    outputs = [node.output[0] for node in quantizable_nodes(model, ["head"])]
    assert outputs == ["stem", "active", "residual"]
