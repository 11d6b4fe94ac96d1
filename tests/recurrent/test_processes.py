"""Training inside processes: Ctrl-C from outside, children forked after use."""

from __future__ import annotations

import os
import sys

import pytest

from support.processes import run_python

INTERRUPTED = """
import os, signal, threading, time
import numpy as np
from fastnotes.nn.training import History
from fastnotes.recurrent import SequenceClassifier

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job may ignore it
X = np.random.default_rng(0).normal(size=(100, 20, 4))
y = X[:, 0, 0] > 0
sent, plain = [], History.add

def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

def add(history, *values):
    if len(history.loss) == 2:
        threading.Timer(0.01, interrupt).start()
    return plain(history, *values)

History.add = add
model = SequenceClassifier(n_epochs=10**6, n_jobs=2)
try:
    model.fit(X, y)
except KeyboardInterrupt:
    took = time.monotonic() - sent[0]
assert took < 1, took
assert model.n_epochs_ == len(model.history_["loss"]) > 2
History.add = plain
finished = SequenceClassifier(n_epochs=model.n_epochs_).fit(X, y)
assert (finished.predict_proba(X) == model.predict_proba(X)).all()
"""

FORKED = """
import os, sys, warnings
import numpy as np
from fastnotes.recurrent import SequenceClassifier

warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons: fork after threads
X = np.random.default_rng(0).normal(size=(64, 50, 16))
y = X[:, 0, 0] > 0

def train():
    model = SequenceClassifier(n_epochs=2, n_jobs=2).fit(X, y)
    return model.predict_proba(X)

before = train()
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(train(), before) else 1)
_, status = os.waitpid(child, 0)
sys.exit(status != 0 or not np.array_equal(train(), before))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT of POSIX")
def test_ctrl_c_stops_within_a_second() -> None:
    done = run_python(INTERRUPTED)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_trains_the_same() -> None:
    done = run_python(FORKED)
    assert done.returncode == 0, done.stderr
