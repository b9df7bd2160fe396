#include "bitmask.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bitmask_kernel.h"
#include "cpu_features.h"
#include "parallel.h"

namespace py = pybind11;

namespace pressmark {
namespace {

// Below this many dense bytes per thread, starting the thread costs more than it saves.
constexpr int64_t kBytesPerThread = 2 * 1024 * 1024;

// The paths that this processor can run, fastest first.
std::vector<const BitmaskPath*> usable_paths() {
  std::vector<const BitmaskPath*> paths;
#ifdef PRESSMARK_HAVE_AVX512VBMI2
  const char* const needed[] = {"avx512f", "avx512bw",     "avx512vl",
                                "bmi2",    "avx512_vbmi2", "popcnt"};
  if (std::all_of(std::begin(needed), std::end(needed), [](const char* n) { return cpu_has(n); })) {
    paths.push_back(&bitmask_avx512vbmi2);
  }
#endif
  paths.push_back(&bitmask_portable);
  return paths;
}

std::vector<std::string> path_names() {
  std::vector<std::string> names;
  for (const BitmaskPath* path : usable_paths()) names.emplace_back(path->name);
  return names;
}

template <typename Element>
const BitmaskKernel<Element>& kernel_of(const std::string& name);

const BitmaskPath& path_named(const std::string& name) {
  std::string known;
  for (const BitmaskPath* path : usable_paths()) {
    if (name == path->name) return *path;
    known += known.empty() ? path->name : std::string(", ") + path->name;
  }
  throw py::value_error("no bit-mask kernel path '" + name + "' on this processor; usable: " +
                        known);
}

template <>
const BitmaskKernel<uint8_t>& kernel_of(const std::string& name) {
  return path_named(name).bytes;
}

template <>
const BitmaskKernel<uint16_t>& kernel_of(const std::string& name) {
  return path_named(name).halves;
}

int64_t mask_stride(int64_t columns) { return columns / 8 + (columns % 8 != 0); }

int64_t thread_count(int64_t wanted, int64_t bytes) {
  return std::max<int64_t>(1, std::min(wanted, bytes / kBytesPerThread));
}

// offsets[0] = 0, offsets[r+1] = offsets[r] + counts of row r, in place: counts lie in offsets[1..].
void accumulate(std::vector<int64_t>& offsets) {
  for (size_t row = 1; row < offsets.size(); ++row) offsets[row] += offsets[row - 1];
}

py::array_t<int64_t> to_numpy(const std::vector<int64_t>& numbers) {
  return py::array_t<int64_t>(static_cast<py::ssize_t>(numbers.size()), numbers.data());
}

template <typename Element>
using Dense = py::array_t<Element, py::array::c_style>;

template <typename Element>
py::tuple pack(const Dense<Element>& dense, const std::string& path, int64_t threads) {
  if (dense.ndim() != 2) throw py::value_error("the matrix to pack must have two dimensions");
  const auto& kernel = kernel_of<Element>(path);
  const int64_t rows = dense.shape(0);
  const int64_t columns = dense.shape(1);
  const int64_t stride = mask_stride(columns);
  threads = thread_count(threads, rows * columns * static_cast<int64_t>(sizeof(Element)));
  py::array_t<uint8_t> mask({rows, stride});
  std::vector<int64_t> offsets(static_cast<size_t>(rows) + 1, 0);
  const Element* from = dense.data();
  uint8_t* bits = mask.mutable_data();
  {
    py::gil_scoped_release release;
    for_row_ranges(rows, threads, [&](int64_t first, int64_t last) {
      kernel.mark(from + first * columns, last - first, columns, bits + first * stride,
                  offsets.data() + first + 1);
    });
    accumulate(offsets);
  }
  py::array_t<Element> values(offsets.back());
  Element* to = values.mutable_data();
  {
    py::gil_scoped_release release;
    for_row_ranges(rows, threads, [&](int64_t first, int64_t last) {
      kernel.compress(from + first * columns, last - first, columns, to + offsets[first],
                      to + offsets[last]);
    });
  }
  return py::make_tuple(mask, values, to_numpy(offsets));
}

// Counts the mask's bits by row into offsets[row + 1]; returns the first row with a bit set past
// its last column, or `rows`.
int64_t count_bits(const uint8_t* mask, int64_t rows, int64_t columns, int64_t* offsets) {
  const int64_t stride = mask_stride(columns);
  const unsigned beyond = columns % 8 == 0 ? 0u : 0xffu << (columns % 8) & 0xffu;
  for (int64_t row = 0; row < rows; ++row) {
    const uint8_t* bits = mask + row * stride;
    int64_t count = 0;
    int64_t byte = 0;
    for (; byte + 8 <= stride; byte += 8) {
      uint64_t word;
      __builtin_memcpy(&word, bits + byte, sizeof word);
      count += __builtin_popcountll(word);
    }
    for (; byte < stride; ++byte) count += __builtin_popcount(bits[byte]);
    if (stride > 0 && (bits[stride - 1] & beyond) != 0) return row;
    offsets[row] = count;
  }
  return rows;
}

void check_mask_shape(const py::array_t<uint8_t, py::array::c_style>& mask, int64_t columns) {
  if (columns < 0) throw py::value_error("the number of columns is negative");
  if (mask.ndim() != 2) throw py::value_error("the mask must have two dimensions");
  if (mask.shape(1) != mask_stride(columns)) {
    throw py::value_error("the mask has " + std::to_string(mask.shape(1)) + " bytes per row, but " +
                          std::to_string(columns) + " columns need " +
                          std::to_string(mask_stride(columns)));
  }
}

std::vector<int64_t> checked_offsets(const py::array_t<uint8_t, py::array::c_style>& mask,
                                     int64_t columns, int64_t values) {
  const int64_t rows = mask.shape(0);
  std::vector<int64_t> offsets(static_cast<size_t>(rows) + 1, 0);
  const int64_t bad = count_bits(mask.data(), rows, columns, offsets.data() + 1);
  if (bad != rows) {
    throw py::value_error("the mask sets a bit past the last column in row " + std::to_string(bad));
  }
  accumulate(offsets);
  if (offsets.back() != values) {
    throw py::value_error("the mask keeps " + std::to_string(offsets.back()) +
                          " elements, but there are " + std::to_string(values) + " values");
  }
  return offsets;
}

template <typename Element>
py::array_t<Element> unpack(const py::array_t<uint8_t, py::array::c_style>& mask,
                            const Dense<Element>& values, int64_t columns,
                            const std::string& path, int64_t threads) {
  check_mask_shape(mask, columns);
  if (values.ndim() != 1) throw py::value_error("the values must have one dimension");
  const auto& kernel = kernel_of<Element>(path);
  const int64_t rows = mask.shape(0);
  const int64_t stride = mask_stride(columns);
  const std::vector<int64_t> offsets = checked_offsets(mask, columns, values.shape(0));
  threads = thread_count(threads, rows * columns * static_cast<int64_t>(sizeof(Element)));
  py::array_t<Element> dense({rows, columns});
  const uint8_t* bits = mask.data();
  const Element* from = values.data();
  Element* to = dense.mutable_data();
  {
    py::gil_scoped_release release;
    for_row_ranges(rows, threads, [&](int64_t first, int64_t last) {
      kernel.expand(from + offsets[first], from + offsets[last], bits + first * stride,
                    last - first, columns, to + first * columns);
    });
  }
  return dense;
}

}  // namespace

void bind_bitmask(py::module_& module) {
  const auto matrix = py::arg("matrix").noconvert();
  const auto mask = py::arg("mask").noconvert();
  const auto values = py::arg("values").noconvert();
  module.def("bitmask_paths", &path_names);
  module.def("bitmask_pack", &pack<uint8_t>, matrix, py::arg("path"), py::arg("threads"));
  module.def("bitmask_pack", &pack<uint16_t>, matrix, py::arg("path"), py::arg("threads"));
  module.def("bitmask_unpack", &unpack<uint8_t>, mask, values, py::arg("columns"), py::arg("path"),
             py::arg("threads"));
  module.def("bitmask_unpack", &unpack<uint16_t>, mask, values, py::arg("columns"),
             py::arg("path"), py::arg("threads"));
}

}  // namespace pressmark
