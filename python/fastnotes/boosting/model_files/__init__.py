"""Models in the files of XGBoost (JSON, UBJSON) and LightGBM (text)."""

from __future__ import annotations

from fastnotes.boosting.model_files.files import read_model, write_model
from fastnotes.boosting.model_files.saved_model import SavedModel

__all__ = ["SavedModel", "read_model", "write_model"]
