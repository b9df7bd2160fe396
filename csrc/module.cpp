// pressmark.compression._kernels: the compiled part, reached through pressmark.compression.kernels.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bitmask.h"
#include "cpu_features.h"

PYBIND11_MODULE(_kernels, module) {
  module.doc() = "Compiled kernels; use pressmark.compression.kernels.";
  module.def("cpu_features", [] { return pressmark::cpu_features(); });
  pressmark::bind_bitmask(module);
}
