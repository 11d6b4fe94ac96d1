from fastnotes._core_native import bench as bench
from fastnotes._core_native import boosting as boosting
from fastnotes._core_native import evidence as evidence
from fastnotes._core_native import graph as graph
from fastnotes._core_native import machine as machine
from fastnotes._core_native import nn as nn
from fastnotes._core_native import recurrent as recurrent
from fastnotes._core_native import runtime as runtime
