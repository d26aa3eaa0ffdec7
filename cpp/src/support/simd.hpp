// FASTFUSE_CLONES before a leaf function: compiled once per instruction set, the best one chosen at load
// time.
#pragma once

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#include <features.h>
#endif

#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                 \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FASTFUSE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FASTFUSE_CLONES
#endif
