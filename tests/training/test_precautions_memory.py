"""Memory is kept between steps, and only there."""

import platform
import resource
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from singleshot.training.precautions import keeping_memory

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc has an option to keep memory"
)

MEGABYTE = 2**20


def fill(megabytes: int) -> None:
    torch.ones(megabytes * MEGABYTE // 4)


def page_faults_of_filling(megabytes: int) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    fill(megabytes)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / MEGABYTE


def page_faults_of_filling_again() -> int:
    with keeping_memory():
        # glibc allocates a little more, to align it.
        fill(65)
        return page_faults_of_filling(64)


def test_memory_that_was_freed_is_used_again_without_a_page_fault():
    # In a new process: after other tests the heap may have a free block of that size elsewhere.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        page_faults = process.submit(page_faults_of_filling_again).result()
    assert page_faults < 100  # of 16,384


def test_memory_stays_while_it_may_be_needed_and_goes_back_afterwards():
    before = resident_megabytes()
    with keeping_memory():
        fill(256)
        assert resident_megabytes() - before > 200
    assert resident_megabytes() - before < 56


def fill_and_fail(megabytes: int) -> None:
    with keeping_memory():
        fill(megabytes)
        raise KeyError


def test_memory_goes_back_after_an_error_too():
    before = resident_megabytes()
    with pytest.raises(KeyError):
        fill_and_fail(256)
    assert resident_megabytes() - before < 56
