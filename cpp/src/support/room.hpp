// Whether the system has room for more threads.
#pragma once

#include <cstddef>

namespace fastfuse {

// How many of the `wanted` new threads can live at the same time. Makes them, and waits for their end.
int room_for_threads(int wanted, std::size_t stack_bytes);

// Of the threads that OpenMP makes, as the environment says; 0: the system's default.
std::size_t openmp_stack_bytes();

} // namespace fastfuse
