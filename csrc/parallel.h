// Splitting rows over threads.
#pragma once

#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

namespace pressmark {

// Calls work(first, last) once for each of at most `threads` ranges that together are [0, rows).
// The ranges depend on `rows` and `threads` alone, and `work` must not throw. When the system has
// no thread to give, the calling thread does that range itself.
template <typename Work>
void for_row_ranges(int64_t rows, int64_t threads, const Work& work) {
  const int64_t parts = threads < rows ? threads : rows;
  std::vector<std::thread> pool;
  if (parts > 1) pool.reserve(static_cast<size_t>(parts - 1));
  for (int64_t part = 1; part < parts; ++part) {
    const int64_t first = rows / parts * part + rows % parts * part / parts;
    const int64_t last = rows / parts * (part + 1) + rows % parts * (part + 1) / parts;
    try {
      pool.emplace_back([&work, first, last] { work(first, last); });
    } catch (const std::system_error&) {
      work(first, last);
    }
  }
  if (parts > 0) work(int64_t{0}, rows / parts + rows % parts / parts);
  for (std::thread& thread : pool) thread.join();
}

}  // namespace pressmark
