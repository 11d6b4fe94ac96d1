"""The tables of docs/evidence.md, from a few samples."""

from __future__ import annotations

import pytest

from fastnotes.bench.evidence_quality import digits_errors, main, slopes

pytest.importorskip("sklearn")


def test_the_jackknife_is_nearer_than_the_bound_than_the_elbo():
    rows = digits_errors(512, (8, 32), n_images=60)
    for row in rows:
        elbo, bound, first = (abs(mean) for mean, _ in row[:3])
        assert first < bound < elbo
    assert abs(rows[1][1][0]) < abs(rows[0][1][0])


def test_slopes_are_those_of_theory():
    for _, found in slopes():
        assert all(slope > m + 0.9 for m, slope in enumerate(found))
        assert abs(found[0] - 1) < 0.1
        assert abs(found[1] - 2) < 0.1


def test_command(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- quality: start -->\n<!-- quality: end -->\nb\n")
    assert main(["--samples", "64", "--images", "9", "--page", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "| 8 | " in printed
    assert "Gamma(1, 1)" in printed
    assert page.read_text().startswith("a\n<!--")  # written with all images alone
