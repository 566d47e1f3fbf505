import ctypes
import subprocess
import sys

import pytest

from singleshot.runtimes.standalone.signal_stack import keep_signal_stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")

CHILD = """
import ctypes
from singleshot.runtimes.standalone.signal_stack import _SignalStack, keep_signal_stack

libc = ctypes.CDLL(None)


def stack():
    found = _SignalStack()
    libc.sigaltstack(None, ctypes.byref(found))
    return found.address, found.flags, found.size


before = stack()
with keep_signal_stack():
    memory = ctypes.create_string_buffer(1 << 16)
    other = _SignalStack(ctypes.addressof(memory), 0, 1 << 16)
    assert libc.sigaltstack(ctypes.byref(other), None) == 0
    assert stack() != before
assert stack()[1:2] == before[1:2], (stack(), before)
"""


def test_the_stack_of_before_is_put_back():
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_it_is_put_back_after_an_error():
    with pytest.raises(ValueError, match="x"), keep_signal_stack():
        raise ValueError("x")
    assert ctypes.CDLL(None).sigaltstack(None, None) == 0
