"""Priors and numbers as C arrays."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest
from small_folder import small_manifest
from small_ssd import small_ssd

from singleshot.exporting.priors_header import fixed_point, priors_header
from singleshot.runtimes.manifest import Quantization, ThresholdsRecord


@pytest.fixture(scope="module")
def manifest():
    return small_manifest(small_ssd())


def table(header, name):
    body = re.search(rf"{name}\[\d+\]\[4\] = {{(.*?)}};", header, re.DOTALL)[1]
    return np.array(
        [
            [float(number.rstrip("f")) for number in row.split(",")]
            for row in re.findall(r"{([^{}]*)}", body)
        ]
    )


def test_priors_are_read_as_the_same_floats(manifest):
    found = table(priors_header(manifest), "singleshot_priors").astype(np.float32)
    np.testing.assert_array_equal(found, manifest.decoding.priors())


def test_fixed_point_is_off_by_half_a_unit_at_most(manifest):
    header = priors_header(manifest)
    bits = int(re.search(r"FRACTION_BITS (\d+)", header)[1])
    found = table(header, "singleshot_priors_q") / 2**bits
    error = np.abs(found - manifest.decoding.priors()).max()
    assert 0 < error <= 0.5 / 2**bits
    assert f"{error:.1e} of the input" in header


@pytest.mark.parametrize(("largest", "bits"), [(0.9, 15), (1.0, 14), (1.12, 14), (2.0, 13)])
def test_fixed_point_has_room_for_the_largest_prior(largest, bits):
    numbers, found = fixed_point(np.array([[0.5, 0.25, 0.125, largest]], np.float32))
    assert found == bits
    assert abs(numbers[0, 3] / 2**bits - largest) <= 0.5 / 2**bits


def test_quantised_outputs_are_bytes_with_their_scales(manifest):
    quantization = Quantization(scale=0.125, zero_point=-3)
    outputs = tuple(
        one.model_copy(update={"quantization": quantization}) for one in manifest.outputs
    )
    header = priors_header(manifest.model_copy(update={"outputs": outputs}))
    assert "typedef int8_t singleshot_number;" in header
    assert "singleshot_output_scales[4] = {0.125f, " in header
    assert "singleshot_output_zero_points[4] = {-3, " in header


def test_thresholds_of_the_operating_point_are_there(manifest):
    point = ThresholdsRecord(
        rule="best_f1",
        iou_threshold=0.5,
        data="val",
        score_thresholds={"cat": 0.4, "dog": 0.5, "bird": None},
    )
    header = priors_header(manifest.model_copy(update={"operating_point": point}))
    assert "singleshot_score_thresholds[3] = {0.4f, 0.5f, 0.3f};" in header


def test_it_is_c99_whatever_the_names(manifest, tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc, which is not installed")
    names = ('a "quoted" \\ name', "Größe", "line\nbreak")
    (tmp_path / "priors.h").write_text(
        priors_header(manifest.model_copy(update={"class_names": names}))
    )
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "priors.h"\n'
        "int main(void) { for (int i = 0; i < 3; ++i) puts(singleshot_class_names[i]); return 0; }"
    )
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    program = str(tmp_path / "main")
    subprocess.run(["gcc", *flags, str(tmp_path / "main.c"), "-o", program], check=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    assert printed == "".join(f"{name}\n" for name in names)
