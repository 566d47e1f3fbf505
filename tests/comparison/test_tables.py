from comparison_scene import make_result

from singleshot.comparison.published import read_published_figures, read_published_trade_offs
from singleshot.comparison.tables import format_comparison


def test_the_most_accurate_comes_first_and_the_better_one_of_each_pair():
    text = format_comparison(make_result().to_json())
    accuracy, speed, pairs = text.split("\n\n")[1:]
    assert accuracy.splitlines()[1].split()[-8:-5] == ["0.610", "0.550", "0.700"]
    assert speed.splitlines()[1].split()[-1] == "yes"
    assert speed.splitlines()[3].split()[0] == "beaten"
    assert "fast - beaten" in pairs
    assert "+0.220  +0.100  +0.300        0.006           better" in pairs
    assert "+0.090  -0.020  +0.200        0.080  not significant" in pairs


def test_published_figures_are_named_as_not_measured():
    figures = tuple(read_published_figures())
    trade_offs = tuple(read_published_trade_offs())
    result = make_result(published=figures, published_trade_offs=trade_offs)
    single, by_extractor = format_comparison(result.to_json()).split("\n\n")[-2:]
    assert single.startswith("published, not measured here")
    assert by_extractor.startswith("published, not measured here")
    assert "ResNet-101 300 proposals     30.3    -" in by_extractor
