import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from singleshot.models.listing import SIZES, compute_size
from singleshot.recipes.load import recipe_files

CODE = """
import sys
import singleshot
print(len(singleshot.list_recipes()), "torch" in sys.modules)
"""


@pytest.mark.parametrize("name", recipe_files())
def test_the_file_of_sizes_is_that_of_the_built_networks(name):
    written = json.loads(SIZES.read_text())
    computed = json.loads(json.dumps(asdict(compute_size(name))))
    assert written.get(name) == computed, "run python -m singleshot.models.listing"


def test_recipes_are_listed_without_pytorch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(recipe_files())), "False"]
