import pytest

from singleshot.benchmarking.options import BenchmarkOptions, parse_counts, parse_size
from singleshot.errors import SingleshotError


def test_sizes_are_width_by_height():
    assert parse_size("640x480") == (480, 640)
    for text in ("640", "640x", "0x480", "axb", "640x480x3"):
        with pytest.raises(SingleshotError, match="width x height, such as 640x480"):
            parse_size(text)


def test_counts_are_given_as_text_or_as_a_list():
    assert parse_counts("1, 8") == parse_counts([1, 8, 8]) == (1, 8)
    for value in ("", "0", "1,", "-1", "1.5", [0]):
        with pytest.raises(SingleshotError, match="expected whole numbers from 1"):
            parse_counts(value)


def test_a_wrong_number_is_refused_by_the_name_of_its_option():
    with pytest.raises(SingleshotError, match="threads: '1,two': expected whole numbers"):
        BenchmarkOptions(threads="1,two")


def test_the_command_repeats_what_was_given_in_python():
    options = BenchmarkOptions("cells", batch=[8, 1], threads=[1, 2])
    assert options.batches == (1, 8)
    assert options.to_command("benchmark", "runs/cells") == (
        "singleshot benchmark runs/cells --data cells --batch 8,1 --threads 1,2"
    )
    assert BenchmarkOptions().thread_counts == (None,)
