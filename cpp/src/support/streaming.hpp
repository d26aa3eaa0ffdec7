// Stores that go past the caches: what is written once and not read soon need not be fetched first.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define FASTFUSE_STREAMS 1
#endif

namespace fastfuse {

#ifdef FASTFUSE_STREAMS
// A store writes so many bytes, to an address that is a multiple of as many.
constexpr std::uintptr_t stream_bytes = sizeof(__m128i);
#endif

// Writes `bytes`, a multiple of 16; any address will do.
inline void stream(void* to, const void* from, std::int64_t bytes) {
#ifdef FASTFUSE_STREAMS
    if (reinterpret_cast<std::uintptr_t>(to) % stream_bytes == 0) {
        auto* place = static_cast<__m128i*>(to);
        const auto* source = static_cast<const __m128i*>(from);
        for (std::int64_t k = 0; k < bytes / static_cast<std::int64_t>(stream_bytes); ++k)
            _mm_stream_si128(place + k, _mm_loadu_si128(source + k));
        return;
    }
#endif
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

// Fills with copies of `pattern`, 16 bytes each.
inline void stream_fill(void* to, const void* pattern, std::int64_t bytes) {
#ifdef FASTFUSE_STREAMS
    if (reinterpret_cast<std::uintptr_t>(to) % stream_bytes == 0) {
        auto* place = static_cast<__m128i*>(to);
        const __m128i value = _mm_loadu_si128(static_cast<const __m128i*>(pattern));
        for (std::int64_t k = 0; k < bytes / static_cast<std::int64_t>(stream_bytes); ++k)
            _mm_stream_si128(place + k, value);
        return;
    }
#endif
    for (std::int64_t k = 0; k < bytes; k += 16)
        std::memcpy(static_cast<char*>(to) + k, pattern, 16);
}

// To be called by the thread that streamed, before another one reads.
inline void end_stream() {
#ifdef FASTFUSE_STREAMS
    _mm_sfence();
#endif
}

} // namespace fastfuse
