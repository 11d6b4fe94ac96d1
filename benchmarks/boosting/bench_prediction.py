"""Predictions of many rows and of one, and Shapley values."""

from __future__ import annotations

CASES = ("boosting/predict-*", "boosting/shap")


def bench_prediction(benchmark, contest):
    benchmark(contest)
