// Bit-mask packing for Python: checks, dispatch, threads.
#pragma once

#include <pybind11/pybind11.h>

namespace pressmark {

void bind_bitmask(pybind11::module_& module);

}  // namespace pressmark
