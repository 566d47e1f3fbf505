"""A tree of words: probabilities of each family, paths, and the walk down."""

import math

import pytest
import torch

from singleshot.detectors.yolo.word_tree import WordTree
from singleshot.errors import ModelError

LINES = ("thing -1", "animal 0", "vehicle 0", "cat 1", "dog 1", "car 2", "van 2")
NAMES = ("dog", "car", "animal")


@pytest.fixture
def tree():
    return WordTree(LINES, NAMES)


def logits_for(tree, **odds):
    """A node has so many times the odds of a sibling that is not named."""
    logits = torch.zeros(1, len(tree))
    for name, value in odds.items():
        logits[0, tree.names.index(name)] = math.log(value)
    return logits


def test_probabilities_of_a_family_add_up_to_its_parents(tree, random):
    logits = 5 * torch.randn(4, len(tree), generator=random)
    found = tree.probabilities(logits)
    torch.testing.assert_close(found[:, 0], torch.ones(4))
    torch.testing.assert_close(found[:, 1] + found[:, 2], found[:, 0])
    torch.testing.assert_close(found[:, 3] + found[:, 4], found[:, 1])
    torch.testing.assert_close(found[:, 5] + found[:, 6], found[:, 2])


def test_conditional_probabilities_are_softmaxes(tree):
    found = tree.log_probabilities(logits_for(tree, animal=3, dog=4)).exp()
    assert found[0].tolist() == pytest.approx([1, 3 / 4, 1 / 4, 1 / 5, 4 / 5, 1 / 2, 1 / 2])


def test_a_class_costs_the_surprise_of_its_path(tree):
    logits = logits_for(tree, animal=3, dog=4)
    labels = torch.tensor([0])
    assert float(tree.class_costs(logits, labels)) == pytest.approx(-math.log(3 / 4 * 4 / 5))
    # An inner node has no effect on those below it.
    labels = torch.tensor([2])
    assert float(tree.class_costs(logits, labels)) == pytest.approx(-math.log(3 / 4))


def test_large_logits_neither_overflow_nor_lose_their_gradient(tree):
    logits = torch.full((1, len(tree)), -500.0)
    logits[0, 4] = 500.0
    logits.requires_grad_()
    cost = tree.class_costs(logits, torch.tensor([0])).sum()
    (gradient,) = torch.autograd.grad(cost, logits)
    assert float(cost.detach()) == pytest.approx(math.log(2))
    assert gradient.isfinite().all()
    assert gradient[0, 1].item() == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("odds", "threshold", "reached"),
    [
        # P(animal) = 0.9, P(dog) = 0.81; what is compared is 0.9 and 0.9 · 0.81.
        ({"animal": 9, "dog": 9}, 0.5, "dog"),
        ({"animal": 9, "dog": 9}, 0.73, "animal"),
        ({"animal": 9, "dog": 9}, 0.95, "thing"),
        ({"animal": 9, "dog": 1}, 0.5, "animal"),
        ({"vehicle": 99, "van": 99}, 0.9, "van"),
        # Nothing is likely enough, and one step is taken all the same.
        ({}, 1.0, "thing"),
    ],
)
def test_the_walk_continues_while_the_probability_is_high(tree, odds, threshold, reached):
    (node,) = tree.walk(logits_for(tree, **odds), threshold).tolist()
    assert tree.names[node] == reached


def literal_walk(probabilities, lines, threshold):
    """`hierarchy_top_prediction` of darknet's tree.c, with absolute probabilities."""
    parents = [int(line.rpartition(" ")[2]) for line in lines]
    p, parent = 1.0, -1
    while True:
        group = [i for i, above in enumerate(parents) if above == parent]
        best = max(group, key=lambda i: (probabilities[i], -i))
        if p * probabilities[best] > threshold:
            p *= probabilities[best]
            parent = best
            if best not in parents:
                return best
        elif parent == -1:
            return best
        else:
            return parent


def test_it_walks_as_darknet_does(random):
    lines = ("a -1", "b -1", "c 0", "d 0", "e 0", "f 1", "g 1", "h 3", "i 3", "j 8")
    tree = WordTree(lines, ["c"])
    logits = 2 * torch.randn(200, len(tree), generator=random)
    absolute = tree.probabilities(logits).tolist()
    for threshold in (0.0, 0.05, 0.3, 0.6):
        expected = [literal_walk(row, lines, threshold) for row in absolute]
        assert tree.walk(logits, threshold).tolist() == expected
        assert len(set(expected)) > 2


def test_a_node_counts_as_the_nearest_class_at_or_above_it(tree):
    # Cats are no class, but animals are; vans are neither; the root is none.
    found = dict(zip(tree.names, tree.to_class.tolist(), strict=True))
    assert found == {
        "thing": -1,
        "animal": 2,
        "vehicle": -1,
        "cat": 2,
        "dog": 0,
        "car": 1,
        "van": -1,
    }


def test_without_a_tree_classes_stand_side_by_side(random):
    flat = WordTree((), NAMES)
    logits = torch.randn(5, 3, generator=random)
    torch.testing.assert_close(flat.probabilities(logits), logits.softmax(dim=1))
    assert flat.walk(logits, 0.5).tolist() == logits.argmax(dim=1).tolist()
    assert flat.to_class.tolist() == [0, 1, 2]


def test_a_class_that_is_no_node_is_named():
    with pytest.raises(ModelError, match=r"class 'fish' is not in model.tree"):
        WordTree(LINES, ["dog", "fish"])
