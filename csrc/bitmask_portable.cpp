// Bit-mask kernel in standard C++: any processor, and the statement that the others must equal.
#include "bitmask_kernel.h"

namespace pressmark {
namespace {

template <typename Element>
int mark_byte(const Element* dense, int64_t width, uint8_t* mask) {
  unsigned byte = 0;
  int count = 0;
  for (int64_t bit = 0; bit < width; ++bit) {
    const unsigned kept = dense[bit] != 0;
    byte |= kept << bit;
    count += static_cast<int>(kept);
  }
  *mask = static_cast<uint8_t>(byte);
  return count;
}

template <typename Element>
void mark(const Element* dense, int64_t rows, int64_t columns, uint8_t* mask, int64_t* counts) {
  const int64_t whole = columns / 8;
  const int64_t tail = columns % 8;
  for (int64_t row = 0; row < rows; ++row, dense += columns) {
    int64_t count = 0;
    for (int64_t byte = 0; byte < whole; ++byte) count += mark_byte(dense + 8 * byte, 8, mask++);
    if (tail != 0) count += mark_byte(dense + 8 * whole, tail, mask++);
    counts[row] = count;
  }
}

// Writing every element and stepping on only past the kept ones needs no unpredictable branch;
// the bound holds because at `end` all kept elements have been written.
template <typename Element>
void compress(const Element* dense, int64_t rows, int64_t columns, Element* values,
              Element* end) {
  const Element* const last = dense + rows * columns;
  for (; dense != last && values != end; ++dense) {
    *values = *dense;
    values += *dense != 0;
  }
}

// before[m][i] = how many bits of m are set below bit i: which value bit i stands for. Looked up,
// the eight elements of a mask byte do not wait for one another.
struct BitsBefore {
  uint8_t before[256][8] = {};
  constexpr BitsBefore() {
    for (int mask = 0; mask < 256; ++mask) {
      for (int bit = 1; bit < 8; ++bit) {
        before[mask][bit] = static_cast<uint8_t>(before[mask][bit - 1] + (mask >> (bit - 1) & 1));
      }
    }
  }
};
constexpr BitsBefore bits_before;

template <typename Element>
const Element* expand_byte(const Element* values, unsigned mask, Element* dense) {
  const uint8_t* const before = bits_before.before[mask];
  for (int bit = 0; bit < 8; ++bit) {
    const unsigned kept = mask >> bit & 1u;
    dense[bit] = static_cast<Element>(values[before[bit]] & (0u - kept));
  }
  return values + before[7] + (mask >> 7);
}

template <typename Element>
const Element* expand_row(const Element* values, const Element* end, const uint8_t* mask,
                          int64_t columns, Element* dense) {
  int64_t column = 0;
  for (; column + 8 <= columns && end - values >= 8; column += 8) {
    values = expand_byte(values, mask[column / 8], dense + column);
  }
  for (; column < columns && values != end; ++column) {
    const unsigned kept = mask[column / 8] >> (column % 8) & 1u;
    dense[column] = static_cast<Element>(*values & (0u - kept));
    values += kept;
  }
  for (; column < columns; ++column) dense[column] = 0;
  return values;
}

template <typename Element>
void expand(const Element* values, const Element* end, const uint8_t* mask, int64_t rows,
            int64_t columns, Element* dense) {
  const int64_t stride = columns / 8 + (columns % 8 != 0);
  for (int64_t row = 0; row < rows; ++row) {
    values = expand_row(values, end, mask + row * stride, columns, dense + row * columns);
  }
}

template <typename Element>
constexpr BitmaskKernel<Element> kernel{mark<Element>, compress<Element>, expand<Element>};

}  // namespace

const BitmaskPath bitmask_portable{"portable", kernel<uint8_t>, kernel<uint16_t>};

}  // namespace pressmark
