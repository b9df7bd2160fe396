// What this processor, and the operating system on it, can execute.
#pragma once

#include <string>
#include <vector>

namespace pressmark {

// Names as in /proc/cpuinfo, of those instruction sets that any kernel may ask for. On x86-64 a
// vector extension is listed only if the operating system saves its registers.
const std::vector<std::string>& cpu_features();

bool cpu_has(const std::string& feature);

}  // namespace pressmark
