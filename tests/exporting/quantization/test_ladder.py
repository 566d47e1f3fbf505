import pytest

from singleshot.errors import RunFailed
from singleshot.exporting.formats.format import Int8Support
from singleshot.exporting.quantization.gate import Measurement
from singleshot.exporting.quantization.ladder import find_setting
from singleshot.exporting.quantization.record import QuantizationRecord, TriedSetting
from singleshot.exporting.quantization.sensitivity import LayerGroup
from singleshot.exporting.quantization.settings import QuantizationSetting, ladder_of

INT8 = Int8Support(lambda _: None, ladder_of("minmax"))


def rank():
    return [LayerGroup(name, (name,), 0.1, 0.1, 0.2) for name in "abcdefgh"]


def climb(max_error):
    """Find a setting where each layer in floating point helps a little."""
    record, messages = QuantizationRecord("train", 100, "test", 50, 0.3, 0.5, max_error), []

    def try_setting(setting):
        error = 0.2 + 0.1 * (not setting.correct_biases) - 0.03 * len(setting.float_layers)
        measured = Measurement(0.3, 0.0, None, None, error, 0.0)
        return TriedSetting(setting, measured, passes=error <= max_error)

    setting = find_setting(INT8, try_setting, rank, record, messages.append)
    return setting, record, messages


def test_the_first_setting_that_passes_is_the_last_one_tried():
    setting, record, _ = climb(0.2)
    assert setting == INT8.ladder[0]
    assert len(record.trials) == 1
    assert not record.ranking


def test_layers_that_hurt_most_stay_in_float_until_it_passes():
    setting, record, messages = climb(0.12)
    assert setting == QuantizationSetting("minmax", float_layers=frozenset("abcd"))
    assert [len(one.setting.float_layers) for one in record.trials] == [0, 0, 1, 2, 4]
    assert "keeping a, b, c and 1 more in floating point, 80% of the multiply-adds" in messages[-2]


def test_at_most_half_of_the_layers_stay_in_float():
    with pytest.raises(RunFailed, match="4 layers in floating point"):
        climb(0.05)


@pytest.mark.parametrize(
    ("images", "advice"), [(100, "do: train"), (1, "100 images or more, not 1;")]
)
def test_formats_without_mixed_precision_end_with_their_settings(images, advice):
    refused = Int8Support(INT8.quantize, INT8.ladder, mixed_precision=False)
    record = QuantizationRecord("train", images, "test", 50, 0.3, 0.5, 0.12)
    measured = Measurement(0.3, 0.0, None, None, 1.0, 0.0)
    with pytest.raises(RunFailed, match=rf"{advice}[\s\S]*RECIPE --init MODEL --quantize"):
        find_setting(
            refused,
            lambda setting: TriedSetting(setting, measured, passes=False),
            lambda: pytest.fail("ranked"),
            record,
            lambda _: None,
        )
