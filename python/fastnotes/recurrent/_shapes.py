"""What a layer has of weights in one direction, by name, and their shapes."""

from __future__ import annotations

from fastnotes.recurrent import layer_norm as norms

Shapes = dict[str, tuple[int, ...]]

#: Of every layer.
PLAIN = ("weight_ih", "weight_hh", "bias")


def kinds_of(
    peephole: bool = False, proj_size: int = 0, layer_norm: bool = False
) -> tuple[str, ...]:
    """Names of weights, in the order in which layers keep them."""
    return (
        *PLAIN,
        *(("peephole",) if peephole else ()),
        *(("weight_hr",) if proj_size else ()),
        *(norms.LayerNorm._fields if layer_norm else ()),
    )


def shapes_of(
    kinds: tuple[str, ...], n_gates: int, below: int, hidden: int, outputs: int
) -> Shapes:
    """Return their shapes; ``below`` columns come in and ``outputs`` go out."""
    rows = n_gates * hidden
    shapes: Shapes = {
        "weight_ih": (rows, below),
        "weight_hh": (rows, outputs),
        "bias": (rows,),
        "peephole": (3 * hidden,),
        "weight_hr": (outputs, hidden),
        **norms.shapes(hidden),
    }
    return {kind: shapes[kind] for kind in kinds}
