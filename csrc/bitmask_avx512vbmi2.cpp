// Bit-mask kernel for AVX-512 VBMI2 (Ice Lake and later, Zen 4 and later): vpcompress, vpexpand.
//
// Two facts about Zen 4 shape the loops:
// - vpcompress straight to memory is microcoded, so elements are compressed in a register and then
//   stored with an ordinary store;
// - vpexpand waits for its destination register even with zero-masking, and a compiler that reuses
//   one destination halves the speed; expanding in place, over the freshly loaded source, makes
//   that dependency a true one and leaves successive blocks independent.
#include <immintrin.h>

#include "bitmask_kernel.h"

namespace pressmark {
namespace {

template <typename Element>
struct Lanes;

template <>
struct Lanes<uint8_t> {
  using Mask = __mmask64;
  static constexpr int64_t width = 64;
  static __m512i load(Mask lanes, const uint8_t* from) {
    return _mm512_maskz_loadu_epi8(lanes, from);
  }
  static void store(uint8_t* to, Mask lanes, __m512i block) {
    _mm512_mask_storeu_epi8(to, lanes, block);
  }
  static Mask nonzero(__m512i block) { return _mm512_test_epi8_mask(block, block); }
  static __m512i compress(Mask kept, __m512i block) {
    return _mm512_maskz_compress_epi8(kept, block);
  }
  static __m512i expand(Mask kept, __m512i block) {
    asm("vpexpandb %0, %0 %{%1%}%{z%}" : "+v"(block) : "Yk"(kept));
    return block;
  }
  static int64_t count(Mask kept) { return __builtin_popcountll(kept); }
};

template <>
struct Lanes<uint16_t> {
  using Mask = __mmask32;
  static constexpr int64_t width = 32;
  static __m512i load(Mask lanes, const uint16_t* from) {
    return _mm512_maskz_loadu_epi16(lanes, from);
  }
  static void store(uint16_t* to, Mask lanes, __m512i block) {
    _mm512_mask_storeu_epi16(to, lanes, block);
  }
  static Mask nonzero(__m512i block) { return _mm512_test_epi16_mask(block, block); }
  static __m512i compress(Mask kept, __m512i block) {
    return _mm512_maskz_compress_epi16(kept, block);
  }
  static __m512i expand(Mask kept, __m512i block) {
    asm("vpexpandw %0, %0 %{%1%}%{z%}" : "+v"(block) : "Yk"(kept));
    return block;
  }
  static int64_t count(Mask kept) { return __builtin_popcount(kept); }
};

// The lowest `count` lanes, for any count: none below 0, all from the vector's width on.
template <typename Element>
inline typename Lanes<Element>::Mask first_lanes(int64_t count) {
  using Mask = typename Lanes<Element>::Mask;
  if (count >= Lanes<Element>::width) return static_cast<Mask>(~Mask{0});
  return count <= 0 ? Mask{0} : static_cast<Mask>(_bzhi_u64(~0ull, static_cast<unsigned>(count)));
}

template <typename Mask>
inline Mask load_mask(const uint8_t* from, int64_t bytes) {
  Mask kept = 0;
  for (int64_t byte = 0; byte < bytes; ++byte) kept |= static_cast<Mask>(from[byte]) << (8 * byte);
  return kept;
}

template <typename Mask>
inline void store_mask(uint8_t* to, int64_t bytes, Mask kept) {
  for (int64_t byte = 0; byte < bytes; ++byte) to[byte] = static_cast<uint8_t>(kept >> (8 * byte));
}

template <typename Element>
inline __m512i load_up_to(const Element* from, int64_t available) {
  if (available >= Lanes<Element>::width) return _mm512_loadu_si512(from);
  return Lanes<Element>::load(first_lanes<Element>(available), from);
}

template <typename Element>
inline void store_up_to(Element* to, int64_t room, __m512i block) {
  if (room >= Lanes<Element>::width) {
    _mm512_storeu_si512(to, block);
  } else {
    Lanes<Element>::store(to, first_lanes<Element>(room), block);
  }
}

template <typename Element>
int64_t mark_row(const Element* dense, int64_t columns, uint8_t* mask) {
  using L = Lanes<Element>;
  using Mask = typename L::Mask;
  int64_t count = 0;
  int64_t column = 0;
  for (; column + L::width <= columns; column += L::width) {
    const Mask kept = L::nonzero(_mm512_loadu_si512(dense + column));
    __builtin_memcpy(mask + column / 8, &kept, sizeof kept);
    count += L::count(kept);
  }
  if (column == columns) return count;
  const Mask kept = L::nonzero(load_up_to(dense + column, columns - column));
  store_mask(mask + column / 8, (columns - column + 7) / 8, kept);
  return count + L::count(kept);
}

template <typename Element>
void mark(const Element* dense, int64_t rows, int64_t columns, uint8_t* mask, int64_t* counts) {
  const int64_t stride = columns / 8 + (columns % 8 != 0);
  for (int64_t row = 0; row < rows; ++row) {
    counts[row] = mark_row(dense + row * columns, columns, mask + row * stride);
  }
}

// Values are row-major, so the rows of a range are one run: only its end needs a partial load.
// A whole store may write past this block's own values: inside [values, end) those lanes are
// overwritten by the next block, and near `end` the store is cut.
template <typename Element>
void compress(const Element* dense, int64_t rows, int64_t columns, Element* values,
              Element* end) {
  using L = Lanes<Element>;
  const int64_t elements = rows * columns;
  for (int64_t element = 0; element < elements && values < end; element += L::width) {
    const __m512i block = load_up_to(dense + element, elements - element);
    const auto kept = L::nonzero(block);
    store_up_to(values, end - values, L::compress(kept, block));
    values += L::count(kept);
  }
}

template <typename Element>
int64_t expand_row(const Element* values, int64_t available, const uint8_t* mask,
                   int64_t columns, Element* dense) {
  using L = Lanes<Element>;
  using Mask = typename L::Mask;
  int64_t used = 0;
  int64_t column = 0;
  for (; column + L::width <= columns; column += L::width) {
    Mask kept;
    __builtin_memcpy(&kept, mask + column / 8, sizeof kept);
    const __m512i block = load_up_to(values + used, available - used);
    _mm512_storeu_si512(dense + column, L::expand(kept, block));
    used += L::count(kept);
  }
  if (column == columns) return used;
  const Mask kept = load_mask<Mask>(mask + column / 8, (columns - column + 7) / 8);
  const __m512i block = load_up_to(values + used, available - used);
  store_up_to(dense + column, columns - column, L::expand(kept, block));
  return used + L::count(kept);
}

template <typename Element>
void expand(const Element* values, const Element* end, const uint8_t* mask, int64_t rows,
            int64_t columns, Element* dense) {
  const int64_t stride = columns / 8 + (columns % 8 != 0);
  const int64_t available = end - values;
  int64_t used = 0;
  for (int64_t row = 0; row < rows; ++row) {
    used += expand_row(values + used, available - used, mask + row * stride, columns,
                       dense + row * columns);
  }
}

template <typename Element>
constexpr BitmaskKernel<Element> kernel{mark<Element>, compress<Element>, expand<Element>};

}  // namespace

const BitmaskPath bitmask_avx512vbmi2{"avx512_vbmi2", kernel<uint8_t>, kernel<uint16_t>};

}  // namespace pressmark
