// The interface that every instruction set's bit-mask kernel implements.
//
// A matrix [rows, columns] of 8-bit or 16-bit elements is split into
//   mask    uint8 [rows, ceil(columns/8)], bit i of byte b = column 8b+i is kept
//           (little bit order, numpy.packbits(bitorder="little")); bits past the last column are 0,
//   values  the kept elements, row-major.
// An element is kept when any of its bits is set, so a floating-point -0.0 is kept and the round
// trip is exact bit for bit.
//
// The functions take plain pointers and sizes, allocate nothing, throw nothing and call no library,
// so that one file can be compiled for its instruction set, or freestanding, on its own.
// Keep templates and inline functions of the standard library out of those files: the linker merges
// equal instantiations, and could hand one with AVX-512 code to a caller on the portable path.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pressmark {

template <typename Element>
struct BitmaskKernel {
  // Writes the mask of `rows` rows and each row's number of kept elements.
  void (*mark)(const Element* dense, int64_t rows, int64_t columns, uint8_t* mask,
               int64_t* counts);
  // Writes the kept elements of `rows` rows to [values, end); never writes past `end`.
  void (*compress)(const Element* dense, int64_t rows, int64_t columns, Element* values,
                   Element* end);
  // Writes `rows` dense rows from the kept elements; never reads at or past `end`.
  void (*expand)(const Element* values, const Element* end, const uint8_t* mask, int64_t rows,
                 int64_t columns, Element* dense);
};

struct BitmaskPath {
  const char* name;
  BitmaskKernel<uint8_t> bytes;
  BitmaskKernel<uint16_t> halves;
};

extern const BitmaskPath bitmask_portable;
#ifdef PRESSMARK_HAVE_AVX512VBMI2
extern const BitmaskPath bitmask_avx512vbmi2;
#endif

}  // namespace pressmark
