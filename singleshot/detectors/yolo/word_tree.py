"""Classes as a tree of words, each softmax over the children of one parent.

Redmon and Farhadi 2017, "YOLO9000", §4, "Hierarchical classification"; darknet's src/tree.c.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from singleshot.detectors.yolo.settings import ROOT, Node, nodes_of
from singleshot.errors import ModelError

__all__ = ["WordTree"]

NONE = -1


class WordTree(nn.Module):
    """Outputs of one column per node, in families: the children of one parent."""

    family: Int[Tensor, " nodes"]  # the number of a node's family
    below: Int[Tensor, " nodes"]  # the family below it, or NONE
    parents: Int[Tensor, " families"]  # the node above it, or NONE
    paths: Int[Tensor, "nodes depth"]  # a node and all above it, filled up with NONE
    of_class: Int[Tensor, " classes"]  # the node of each class
    to_class: Int[Tensor, " nodes"]  # the class that a node is, or the nearest above it, or NONE

    def __init__(self, lines: Sequence[str], class_names: Sequence[str]) -> None:
        """`lines` are those of the recipe; without lines all classes are side by side.

        Raises ModelError for a class that is no node.
        """
        super().__init__()
        nodes = nodes_of(lines) if lines else [Node(name, ROOT) for name in class_names]
        self.names = tuple(node.name for node in nodes)
        numbers = {name: number for number, name in enumerate(self.names)}
        if missing := [name for name in class_names if name not in numbers]:
            raise ModelError(
                f"class {missing[0]!r} is not in model.tree; expected a name that begins a line of "
                f"it, such as {self.names[0]!r}"
            )
        own = {numbers[name]: label for label, name in enumerate(class_names)}
        paths = [list(_path_of(nodes, number)) for number in range(len(nodes))]
        families = list(dict.fromkeys(node.parent for node in nodes))
        family = {parent: number for number, parent in enumerate(families)}
        for name, values in {
            "family": [family[node.parent] for node in nodes],
            "below": [family.get(number, NONE) for number in range(len(nodes))],
            "parents": families,
            "paths": _padded(paths),
            "of_class": [numbers[name] for name in class_names],
            "to_class": [next((own[n] for n in path if n in own), NONE) for path in paths],
        }.items():
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def __len__(self) -> int:
        return len(self.names)

    def log_probabilities(self, logits: Float[Tensor, "n nodes"]) -> Float[Tensor, "n nodes"]:
        """Compute log P(node | parent): a softmax over each family."""
        family = self.family.expand(len(logits), -1)
        shape = len(logits), len(self.parents)
        greatest = logits.detach().new_zeros(shape)
        greatest = greatest.scatter_reduce(
            1, family, logits.detach(), "amax", include_self=False
        ).gather(1, family)
        powers = (logits - greatest).exp()
        sums = logits.new_zeros(shape).scatter_add(1, family, powers).gather(1, family)
        return logits - greatest - sums.log()

    def probabilities(self, logits: Float[Tensor, "n nodes"]) -> Float[Tensor, "n nodes"]:
        """Compute P(node): the product of P(node | parent) from the root down to it."""
        logs = self.log_probabilities(logits)
        # Level by level, since all paths of all rows at once would take too much memory.
        total = torch.zeros_like(logs)
        for nodes in self.paths.T:
            total += logs[:, nodes.clamp(min=0)] * (nodes != NONE)
        return total.exp()

    def class_costs(
        self, logits: Float[Tensor, "n nodes"], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Compute -log P(class): the cross-entropies of all families from the class up (§4).

        Families beside the path have no loss.
        """
        paths = self.paths[self.of_class[labels]]
        logs = self.log_probabilities(logits).gather(1, paths.clamp(min=0))
        return -(logs * (paths != NONE)).sum(dim=1)

    def walk(self, logits: Float[Tensor, "n nodes"], threshold: float) -> Int[Tensor, " n"]:
        """Walk from the root to the most probable child each time, and return the last node.

        The walk has at least one step and continues while the probability is above the threshold:
        the product of P(node) of all nodes passed, each of which is a product itself, so that it
        ends higher than P(node) alone would (darknet's `hierarchy_top_prediction`).
        """
        best, probability = self._best_of_families(self.probabilities(logits))
        rows = torch.arange(len(logits), device=logits.device)
        family = torch.zeros_like(rows)
        reached, product = best[:, 0], torch.ones_like(probability[:, 0])
        going = torch.ones_like(rows, dtype=torch.bool)
        for _ in range(self.paths.shape[1]):
            further = product * probability[rows, family]
            going &= further > threshold
            reached = torch.where(going, best[rows, family], reached)
            product = torch.where(going, further, product)
            going &= self.below[reached] != NONE
            family = torch.where(going, self.below[reached], family)
        return reached

    def _best_of_families(
        self, values: Float[Tensor, "n nodes"]
    ) -> tuple[Int[Tensor, "n families"], Float[Tensor, "n families"]]:
        """Find the node of the greatest value in each family, the first of equal ones."""
        family = self.family.expand(len(values), -1)
        shape = len(values), len(self.parents)
        greatest = values.new_zeros(shape).scatter_reduce(
            1, family, values, "amax", include_self=False
        )
        nodes = torch.arange(len(self), device=values.device).expand(len(values), -1)
        candidates = torch.where(values == greatest.gather(1, family), nodes, len(self))
        first = torch.full_like(greatest, len(self), dtype=torch.int64)
        return first.scatter_reduce(1, family, candidates, "amin"), greatest


def _path_of(nodes: Sequence[Node], number: int) -> Iterator[int]:
    """List a node and all above it, by number."""
    while number != ROOT:
        yield number
        number = nodes[number].parent


def _padded(paths: Sequence[list[int]]) -> list[list[int]]:
    """Pad all paths with NONE to the longest."""
    depth = max(map(len, paths))
    return [path + [NONE] * (depth - len(path)) for path in paths]
