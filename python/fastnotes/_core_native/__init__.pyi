from fastnotes._core_native import runtime as runtime
