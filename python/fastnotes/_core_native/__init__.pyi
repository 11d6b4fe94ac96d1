from fastnotes._core_native import graph as graph
from fastnotes._core_native import runtime as runtime
