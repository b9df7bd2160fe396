#include "cpu_features.h"

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#endif

namespace pressmark {
namespace {

#if defined(__x86_64__)

enum Register { EAX, EBX, ECX, EDX };

struct Feature {
  const char* name;
  unsigned leaf;
  unsigned subleaf;
  Register where;
  unsigned bit;
  uint64_t state;  // bits of XCR0 that the operating system must have set
};

constexpr uint64_t kNone = 0;
constexpr uint64_t kYmm = 0x6;         // SSE and AVX registers
constexpr uint64_t kZmm = 0xe6;        // and opmask, upper ZMM halves, ZMM16-31
constexpr uint64_t kTiles = 0x60000;   // AMX tile configuration and data

constexpr Feature kFeatures[] = {
    {"sse4_2", 1, 0, ECX, 20, kNone},
    {"avx", 1, 0, ECX, 28, kYmm},
    {"f16c", 1, 0, ECX, 29, kYmm},
    {"fma", 1, 0, ECX, 12, kYmm},
    {"avx2", 7, 0, EBX, 5, kYmm},
    {"bmi2", 7, 0, EBX, 8, kNone},
    {"popcnt", 1, 0, ECX, 23, kNone},
    {"avx512f", 7, 0, EBX, 16, kZmm},
    {"avx512dq", 7, 0, EBX, 17, kZmm},
    {"avx512bw", 7, 0, EBX, 30, kZmm},
    {"avx512vl", 7, 0, EBX, 31, kZmm},
    {"avx512vbmi", 7, 0, ECX, 1, kZmm},
    {"avx512_vbmi2", 7, 0, ECX, 6, kZmm},
    {"avx512_vnni", 7, 0, ECX, 11, kZmm},
    {"avx512_bitalg", 7, 0, ECX, 12, kZmm},
    {"avx512_vpopcntdq", 7, 0, ECX, 14, kZmm},
    {"avx512_bf16", 7, 1, EAX, 5, kZmm},
    {"avx512_fp16", 7, 0, EDX, 23, kZmm},
    {"avx_vnni", 7, 1, EAX, 4, kYmm},
    {"amx_tile", 7, 0, EDX, 24, kTiles},
    {"amx_int8", 7, 0, EDX, 25, kTiles},
    {"amx_bf16", 7, 0, EDX, 22, kTiles},
};

uint64_t enabled_state() {
  unsigned registers[4];
  if (!__get_cpuid(1, &registers[EAX], &registers[EBX], &registers[ECX], &registers[EDX])) return 0;
  if ((registers[ECX] >> 27 & 1) == 0) return 0;  // no OSXSAVE: XGETBV would fault
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

bool present(const Feature& feature, uint64_t state) {
  unsigned registers[4];
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &registers[EAX], &registers[EBX],
                         &registers[ECX], &registers[EDX])) {
    return false;
  }
  const bool listed = registers[feature.where] >> feature.bit & 1;
  return listed && (state & feature.state) == feature.state;
}

std::vector<std::string> detect() {
  const uint64_t state = enabled_state();
  std::vector<std::string> found;
  for (const Feature& feature : kFeatures) {
    if (present(feature, state)) found.emplace_back(feature.name);
  }
  return found;
}

#elif defined(__aarch64__)

std::vector<std::string> detect() { return {"neon"}; }  // part of the base architecture

#else

std::vector<std::string> detect() { return {}; }

#endif

}  // namespace

const std::vector<std::string>& cpu_features() {
  static const std::vector<std::string> found = detect();
  return found;
}

bool cpu_has(const std::string& feature) {
  const auto& found = cpu_features();
  return std::find(found.begin(), found.end(), feature) != found.end();
}

}  // namespace pressmark
