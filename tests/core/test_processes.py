"""Manners inside other people's processes: forked children, torch beside us."""

from __future__ import annotations

import os

import pytest

from support.processes import run_python

FORK = """
import os, sys, warnings
import numpy as np
from fastnotes.evidence import logsumexp

warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons: fork after threads
a = np.random.default_rng(0).standard_normal((200, 20_000))
before = logsumexp(a, axis=0, n_threads=2)
child = os.fork()
if child == 0:
    same = np.array_equal(logsumexp(a, axis=0, n_threads=2), before)
    os._exit(0 if same else 1)
_, status = os.waitpid(child, 0)
after = logsumexp(a, axis=0, n_threads=2)
sys.exit(status != 0 or not np.array_equal(before, after))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_neither_hangs_nor_differs():
    done = run_python(FORK)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("order", ["torch, fastnotes", "fastnotes, torch"])
def test_torch_in_the_same_process(order):
    pytest.importorskip("torch")
    code = f"""
import {order}
import numpy as np
from fastnotes.evidence import logsumexp
a = np.random.default_rng(0).standard_normal((300, 20_000))
ours = logsumexp(a, axis=0, n_threads=2)
theirs = torch.logsumexp(torch.from_numpy(a), 0).numpy()
assert np.allclose(ours, theirs, rtol=1e-12), abs(ours - theirs).max()
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_threads_of_the_caller_may_call_at_once():
    code = """
import threading
import numpy as np
from fastnotes.evidence import logsumexp
a = np.random.default_rng(0).standard_normal((200, 20_000))
expected = logsumexp(a, axis=0, n_threads=1)
results = [None] * 8
def call(i):
    results[i] = logsumexp(a, axis=0, n_threads=2)
threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert all(np.array_equal(result, expected) for result in results)
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
