// A vector whose new elements are not set: the team that writes them first shares the work of the system,
// which has to find and clear the memory. Large ones ask for huge pages, where there are such.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace fastfuse {

template <class T> struct Unset {
    using value_type = T;

    Unset() = default;
    template <class U> explicit Unset(const Unset<U>&) {}

    T* allocate(std::size_t n) {
#ifdef __linux__
        if (n * sizeof(T) >= least_huge) {
            const std::size_t bytes = (n * sizeof(T) + huge_page - 1) / huge_page * huge_page;
            void* place = std::aligned_alloc(huge_page, bytes);
            if (!place) throw std::bad_alloc();
            madvise(place, bytes, MADV_HUGEPAGE); // advice: it may fail
            return static_cast<T*>(place);
        }
#endif
        void* place = std::malloc(n * sizeof(T));
        if (!place) throw std::bad_alloc();
        return static_cast<T*>(place);
    }
    void deallocate(T* place, std::size_t) { std::free(place); }

    template <class U> void construct(U* place) { ::new (static_cast<void*>(place)) U; }
    template <class U, class... Values> void construct(U* place, Values&&... values) {
        ::new (static_cast<void*>(place)) U(std::forward<Values>(values)...);
    }

    bool operator==(const Unset&) const { return true; }
    bool operator!=(const Unset&) const { return false; }

  private:
    static constexpr std::size_t huge_page = std::size_t{1} << 21, least_huge = 2 * huge_page;
};

template <class T> using RawVector = std::vector<T, Unset<T>>;

} // namespace fastfuse
