"""What is refused, with which error, in the one voice."""

from __future__ import annotations

import numpy as np
import pytest

from fastnotes import information

#: Functions of one table of probabilities, and of two.
ONE = ("entropy", "joint_entropy", "conditional_entropy", "mutual_information")
TWO = ("cross_entropy", "kl_divergence", "f_divergence", "variational_free_energy")
TABLE = np.full((2, 2), 0.25)

BAD_ARRAYS = {
    "object": (np.array([[1, None]]), TypeError),
    "complex": (TABLE.astype(complex), TypeError),
    "string": ([["0.5", "0.5"]], TypeError),
    "text": ("1.0", TypeError),
    "datetime": (np.zeros((2, 2), "M8[s]"), TypeError),
    "structured": (np.zeros((2, 2), [("x", float)]), TypeError),
    "masked": (np.ma.masked_equal(TABLE, 2), TypeError),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError),
    "none": (None, TypeError),
}
BAD_PROBABILITIES = {
    "negative": [[1.5, -0.5], [0.0, 0.0]],
    "nan": [[np.nan, 0.5], [0.25, 0.25]],
    "infinite": [[np.inf, 0.5], [0.25, 0.25]],
    "counts": [[1, 2], [3, 4]],
    "no sum": np.zeros((2, 2)),
}
BAD_AXES = [
    (2, ValueError),
    (-3, ValueError),
    (2**70, ValueError),
    ((0, 0), ValueError),
    (True, TypeError),
    (0.0, TypeError),
    ("0", TypeError),
    ([0], TypeError),
]


def message(name):
    return rf"^\[information\.{name}\] expected .*, got "


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays(name, case):
    value, error = BAD_ARRAYS[case]
    with pytest.raises(error, match=message(name)):
        getattr(information, name)(value)


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_pairs_of_arrays(name, case):
    value, error = BAD_ARRAYS[case]
    for pair in ((value, TABLE * 2), (TABLE * 2, value)):
        with pytest.raises(error, match=message(name)):
            getattr(information, name)(*pair)


@pytest.mark.parametrize("name", ONE + TWO)
@pytest.mark.parametrize("case", BAD_PROBABILITIES)
def test_probabilities(name, case):
    value = BAD_PROBABILITIES[case]
    function = getattr(information, name)
    with pytest.raises(ValueError, match=message(name)):
        function(value, *[TABLE * 2] * (name in TWO))
    if name in TWO[:3]:
        with pytest.raises(ValueError, match=message(name)):
            function(TABLE * 2, value)
    if case != "counts":
        with pytest.raises(ValueError, match=message(name)):
            function(value, *[TABLE * 2] * (name in TWO), normalize=True)


@pytest.mark.parametrize("name", ONE + TWO)
@pytest.mark.parametrize(("axis", "error"), BAD_AXES)
def test_axes(name, axis, error):
    arguments = [TABLE * 2, TABLE * 2] if name in TWO else [TABLE]
    with pytest.raises(error, match=message(name)):
        getattr(information, name)(*arguments, axis=axis)


@pytest.mark.parametrize("name", [*ONE, *TWO[:3]])
@pytest.mark.parametrize(
    ("base", "error"),
    [
        *[(value, ValueError) for value in (1, 0.5, -2, np.inf)],
        *[(value, TypeError) for value in ("2", True, 2j, [2])],
    ],
)
def test_bases(name, base, error):
    arguments = [[0.5, 0.5], [0.5, 0.5]] if name in TWO else [TABLE]
    with pytest.raises(error, match=message(name)):
        getattr(information, name)(*arguments, base=base)


@pytest.mark.parametrize("name", TWO)
def test_pairs_must_broadcast(name):
    with pytest.raises(ValueError, match="to broadcast together, got shapes"):
        getattr(information, name)([0.5, 0.5], [0.5, 0.25, 0.25])
    one = np.ones((2**24, 1))
    with pytest.raises(ValueError, match="together that fits in memory"):
        getattr(information, name)(one, one.reshape(1, -1))


@pytest.mark.parametrize(
    "roles",
    [
        {"axis": 0, "other": 0},
        {"axis": 0, "other": 1, "given": -1},
        {"axis": None, "other": None},
    ],
)
def test_roles_may_not_meet(roles):
    with pytest.raises((TypeError, ValueError), match=message("mutual_information")):
        information.mutual_information(TABLE, **roles)


@pytest.mark.parametrize("name", ["conditional_entropy", "mutual_information"])
def test_a_joint_table_has_two_axes(name):
    with pytest.raises(ValueError, match=message(name)):
        getattr(information, name)([0.5, 0.5])


@pytest.mark.parametrize(
    ("q", "x", "options", "error"),
    [
        ([0.5, 0.5], [0, 2], {}, ValueError),
        ([0.5, 0.5], [0, -1], {}, ValueError),
        ([0.5, 0.5], [0.0, 1.0], {}, TypeError),
        ([0.5, 0.5], [], {}, ValueError),
        ([0.5, 0.5], 0, {}, ValueError),
        ([[0.5, 0.5]], [0, 1], {}, ValueError),
        ([[[0.5, 0.5]]], [0], {}, ValueError),
        ([0.5, 0.5], [0], {"reduction": "median"}, ValueError),
        ([0.5, 0.5], [0], {"reduction": None}, TypeError),
        ([0.5, 0.6], [0], {}, ValueError),
    ],
)
def test_likelihood(q, x, options, error):
    with pytest.raises(error, match=message("negative_log_likelihood")):
        information.negative_log_likelihood(q, x, **options)


@pytest.mark.parametrize(
    "name", ["f_divergence", "f_generator", "f_derivative", "f_conjugate"]
)
@pytest.mark.parametrize(
    ("f", "alpha", "error"),
    [
        ("renyi", None, ValueError),
        (3, None, TypeError),
        (None, None, TypeError),
        ("alpha", None, ValueError),
        ("alpha", np.nan, ValueError),
        ("alpha", "1", TypeError),
        ("kl", 2.0, ValueError),
    ],
)
def test_names_of_f(name, f, alpha, error):
    arguments = ([0.5, 0.5],) * (2 if name == "f_divergence" else 1)
    with pytest.raises(error, match=message(name)):
        getattr(information, name)(*arguments, f, alpha=alpha)


def test_options_of_own_functions():
    def own(u):
        return (u - 1) ** 2

    for options in ({"alpha": 1.0}, {"slope_at_infinity": np.nan}):
        with pytest.raises(ValueError, match=message("f_divergence")):
            information.f_divergence([0.5, 0.5], [0.5, 0.5], own, **options)
    with pytest.raises(TypeError, match=message("f_divergence")):
        information.f_divergence([0.5, 0.5], [0.5, 0.5], own, slope_at_infinity="1")


@pytest.mark.parametrize("u", [-0.5, [1, np.nan]])
def test_ratios(u):
    for name in ("f_generator", "f_derivative"):
        with pytest.raises(ValueError, match=message(name)):
            getattr(information, name)(u)


def test_lower_bounds():
    bad = [
        (([], [1.0]), {}),
        (([1.0], []), {}),
        ((1.0, [1.0]), {}),
        (([[1.0]], [[1.0], [2.0]]), {}),
        (([1.0, 2.0], [1.0]), {"p": [0.5, 0.25, 0.25]}),
        (([1.0, 2.0], [1.0]), {"p": [0.5, 0.6]}),
    ]
    for arguments, options in bad:
        with pytest.raises(ValueError, match=message("variational_lower_bound")):
            information.variational_lower_bound(*arguments, **options)


NUMBERS = [np.nan, np.inf, -1.0]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("bernoulli_entropy", 1),
        ("bernoulli_kl", 2),
        ("poisson_kl", 2),
        ("exponential_kl", 2),
        ("gamma_kl", 4),
    ],
)
def test_parameters(name, count):
    function = getattr(information, name)
    numbers = NUMBERS + [2.0] * name.startswith("bern")
    numbers += [0.0] * name.startswith(("exp", "gamma"))
    for place in range(count):
        for bad in numbers:
            arguments = [0.5] * count
            arguments[place] = bad
            with pytest.raises(ValueError, match=message(name)):
                function(*arguments)
        arguments[place] = "0.5"
        with pytest.raises(TypeError, match=message(name)):
            function(*arguments)
    if count > 1:
        with pytest.raises(ValueError, match=message(name)):
            function([0.5, 0.5], *[[0.5, 0.5, 0.5]] * (count - 1))


@pytest.mark.parametrize("scores", [[np.nan, 0], [np.inf, 0], [-np.inf] * 2, [], 1.0])
def test_logits(scores):
    with pytest.raises(ValueError, match=message("categorical_entropy")):
        information.categorical_entropy(scores)
    with pytest.raises(ValueError, match=message("categorical_kl")):
        information.categorical_kl(scores, scores)


@pytest.mark.parametrize(
    "covariance",
    [
        [1.0, 2.0],
        np.ones((2, 3)),
        np.zeros((0, 0)),
        [[1.0, 2.0], [2.0, 1.0]],
        [[1.0, 0.5], [0.0, 1.0]],
        [[np.nan]],
        [[np.inf]],
        -1.0,
    ],
)
def test_covariances(covariance):
    with pytest.raises(ValueError, match=message("gaussian_entropy")):
        information.gaussian_entropy(covariance)
    with pytest.raises(ValueError, match=message("gaussian_kl")):
        information.gaussian_kl(0, covariance, 0, covariance)
    with pytest.raises(ValueError, match=message("gaussian_mutual_information")):
        information.gaussian_mutual_information(covariance)


def test_shapes_of_gaussians():
    eye = np.eye(2)
    bad = [
        ([0, 0], eye, [0, 0, 0], eye),
        ([0, 0], eye, [0, 0], np.eye(3)),
        ([0, 0], eye, 0, eye),
        ([0, np.nan], eye, [0, 0], eye),
        (np.zeros((3, 2)), eye, np.zeros((2, 2)), eye),
    ]
    for arguments in bad:
        with pytest.raises(ValueError, match=message("gaussian_kl")):
            information.gaussian_kl(*arguments)
    for n_first in (0, 2):
        with pytest.raises(ValueError, match=message("gaussian_mutual_information")):
            information.gaussian_mutual_information(eye, n_first)


def test_exponential_families():
    bad = [
        ([1.0], [1.0, 2.0], 0, 0, [1.0]),
        (1.0, [1.0], 0, 0, [1.0]),
        ([1.0], [np.inf], 0, 0, [1.0]),
        ([1.0], [1.0], np.nan, 0, [1.0]),
        (np.ones((2, 1)), np.ones((3, 1)), 0, 0, [1.0]),
    ]
    for arguments in bad:
        with pytest.raises(ValueError, match=message("exponential_family_kl")):
            information.exponential_family_kl(*arguments)


@pytest.mark.parametrize("name", ["gibbs", "free_energy"])
@pytest.mark.parametrize(
    ("energies", "options", "error"),
    [
        ([np.nan, 1], {}, ValueError),
        ([-np.inf, 1], {}, ValueError),
        ([np.inf, np.inf], {}, ValueError),
        ([], {}, ValueError),
        (1.0, {}, ValueError),
        ([1j], {}, TypeError),
        ([1.0], {"temperature": -1}, ValueError),
        ([1.0], {"temperature": np.nan}, ValueError),
        ([1.0], {"temperature": [1.0]}, TypeError),
        ([1.0], {"degeneracy": [-1]}, ValueError),
        ([1.0], {"degeneracy": [0]}, ValueError),
        ([1.0], {"degeneracy": [np.inf]}, ValueError),
        ([1.0], {"degeneracy": [1, 2]}, ValueError),
        ([1.0], {"axis": 1}, ValueError),
    ],
)
def test_energies(name, energies, options, error):
    with pytest.raises(error, match=message(name)):
        getattr(information, name)(energies, **options)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((0,), ValueError),
        ((2.0,), TypeError),
        ((2**60,), ValueError),
        ((3, np.nan), ValueError),
        ((3, 1, np.inf), ValueError),
        ((3, 1, 0, 0), ValueError),
        ((3, 1, 0, -1), ValueError),
        ((3, 1e300, 0, 1e-300), ValueError),
    ],
)
def test_rings(arguments, error):
    with pytest.raises(error, match=message("ising_ring")):
        information.ising_ring(*arguments)
