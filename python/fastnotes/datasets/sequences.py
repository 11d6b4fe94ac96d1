"""Loaders of sequences: UCR/UEA time series and piano-rolls."""

from __future__ import annotations

import numpy as np

from fastnotes.datasets._describe import documented
from fastnotes.datasets._files import Arrays, DataHome, read_single_npz
from fastnotes.datasets._registry import REGISTRY
from fastnotes.datasets._results import SequenceDataset, Sequences


def _read_equal_length(name: str, data_home: DataHome) -> SequenceDataset:
    info = REGISTRY[name]
    keys = ("X_train", "y_train", "X_test", "y_test", "class_names")
    arrays = read_single_npz(info, data_home, *keys)

    def part(which: str) -> Sequences:
        block = arrays[f"X_{which}"]  # (cases, time, channels)
        n_cases, n_steps, n_channels = block.shape
        return Sequences(
            steps=block.reshape(n_cases * n_steps, n_channels),
            offsets=np.arange(n_cases + 1, dtype=np.int64) * n_steps,
            y=arrays[f"y_{which}"].astype(np.int64),
        )

    return SequenceDataset(
        info=info,
        train=part("train"),
        test=part("test"),
        class_names=tuple(arrays["class_names"].tolist()),
    )


def _read_piano_roll(name: str, data_home: DataHome) -> SequenceDataset:
    info = REGISTRY[name]
    parts = ("train", "valid", "test")
    keys = [*parts, *(f"{which}_offsets" for which in parts)]
    arrays = read_single_npz(info, data_home, *keys)

    def part(which: str) -> Sequences:
        return Sequences(arrays[which], _offsets(arrays, which))

    return SequenceDataset(
        info=info, train=part("train"), valid=part("valid"), test=part("test")
    )


def _offsets(arrays: Arrays, which: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return arrays[f"{which}_offsets"].astype(np.int64)


@documented("basic_motions")
def load_basic_motions(*, data_home: DataHome = None) -> SequenceDataset:
    """Basic Motions: accelerometer and gyroscope of a smart watch.

    Returns
    -------
    SequenceDataset
        40 + 40 sequences of 100 steps and 6 channels, float32; 4 classes.
    """
    return _read_equal_length("basic_motions", data_home)


@documented("ecg200")
def load_ecg200(*, data_home: DataHome = None) -> SequenceDataset:
    """ECG200: single heartbeats, normal or not.

    Returns
    -------
    SequenceDataset
        100 + 100 sequences of 96 steps and 1 channel, float32; 2 classes.
    """
    return _read_equal_length("ecg200", data_home)


@documented("gunpoint")
def load_gunpoint(*, data_home: DataHome = None) -> SequenceDataset:
    """GunPoint: the height of a hand that draws or points.

    Returns
    -------
    SequenceDataset
        50 + 150 sequences of 150 steps and 1 channel, float32; 2 classes.
    """
    return _read_equal_length("gunpoint", data_home)


@documented("italy_power_demand")
def load_italy_power_demand(*, data_home: DataHome = None) -> SequenceDataset:
    """Italy Power Demand: days of hourly demand, winter or summer.

    Returns
    -------
    SequenceDataset
        67 + 1,029 sequences of 24 steps and 1 channel, float32; 2 classes.
    """
    return _read_equal_length("italy_power_demand", data_home)


@documented("osu_leaf")
def load_osu_leaf(*, data_home: DataHome = None) -> SequenceDataset:
    """OSU Leaf: outlines of leaves, long sequences.

    Returns
    -------
    SequenceDataset
        200 + 242 sequences of 427 steps and 1 channel, float32; 6 classes.
    """
    return _read_equal_length("osu_leaf", data_home)


@documented("japanese_vowels")
def load_japanese_vowels(*, data_home: DataHome = None) -> SequenceDataset:
    """Japanese Vowels: cepstral coefficients of nine speakers.

    Returns
    -------
    SequenceDataset
        270 + 370 sequences of 7 to 29 steps and 12 channels, float32; 9 classes.
    """
    info = REGISTRY["japanese_vowels"]
    keys = [f"{key}_{which}" for key in "Xy" for which in ("train", "test")]
    arrays = read_single_npz(
        info, data_home, *keys, "train_offsets", "test_offsets", "class_names"
    )

    def part(which: str) -> Sequences:
        return Sequences(
            steps=arrays[f"X_{which}"],
            offsets=_offsets(arrays, which),
            y=arrays[f"y_{which}"].astype(np.int64),
        )

    return SequenceDataset(
        info=info,
        train=part("train"),
        test=part("test"),
        class_names=tuple(arrays["class_names"].tolist()),
    )


@documented("jsb_chorales")
def load_jsb_chorales(*, data_home: DataHome = None) -> SequenceDataset:
    """Bach's chorales as piano-rolls: predict each frame from those before it.

    The published loss is the negative log-likelihood in nats, summed over the 88 keys
    and averaged over frames.

    Returns
    -------
    SequenceDataset
        229 / 76 / 77 sequences of 88 keys, uint8, 0 or 1.
    """
    return _read_piano_roll("jsb_chorales", data_home)


@documented("musedata")
def load_musedata(*, data_home: DataHome = None) -> SequenceDataset:
    """MuseData as piano-rolls: orchestral and piano music; the largest of the three.

    Returns
    -------
    SequenceDataset
        524 / 135 / 124 sequences of 88 keys, uint8, 0 or 1; 392,296 frames.
    """
    return _read_piano_roll("musedata", data_home)


@documented("piano_midi")
def load_piano_midi(*, data_home: DataHome = None) -> SequenceDataset:
    """Piano-midi.de as piano-rolls: classical piano music.

    Returns
    -------
    SequenceDataset
        87 / 12 / 25 sequences of 88 keys, uint8, 0 or 1.
    """
    return _read_piano_roll("piano_midi", data_home)
