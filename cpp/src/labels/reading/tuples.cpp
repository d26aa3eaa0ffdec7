#include "labels/reading/tuples.hpp"

#include <algorithm>

namespace fastfuse {
namespace {

constexpr int word_bits = 64;

int bits_for(std::size_t values) {
    int bits = 1;
    while ((std::size_t{1} << bits) < values)
        ++bits;
    return bits;
}

Word hash(const Word* tuple, int width) {
    Word h = 0;
    for (int w = 0; w < width; ++w) {
        h = (h ^ tuple[w]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    return h * 0x9E3779B97F4A7C15u >> 32; // the upper bits depend on the whole tuple
}

} // namespace

Packing::Packing(int raters, std::size_t labels)
    : raters_(raters), bits_(bits_for(labels + 1)), per_word_(word_bits / bits_),
      width_((raters + per_word_ - 1) / per_word_), missing_(static_cast<Code>(labels)) {}

void Packing::pack(const Code* codes, std::int64_t code_stride, std::int64_t n, Word* words,
                   std::int64_t stride) const {
    for (int w = 0; w < width_; ++w) {
        Word* column = words + w * stride;
        std::fill_n(column, n, Word{0});
        for (int i = w * per_word_; i < std::min(raters_, (w + 1) * per_word_); ++i) {
            const Code* code = codes + i * code_stride;
            for (std::int64_t k = 0; k < n; ++k)
                column[k] = column[k] << bits_ | (code[k] == no_code ? missing_ : code[k]);
        }
    }
}

Code Packing::code(const Word* tuple, int rater) const {
    const int word = rater / per_word_;
    const int after = std::min(raters_, (word + 1) * per_word_) - 1 - rater; // raters in lower bits
    const auto code = static_cast<Code>(tuple[word] >> (after * bits_) & ((Word{1} << bits_) - 1));
    return code == missing_ ? no_code : code;
}

TupleTable::TupleTable(int width, std::int64_t capacity) : width_(width), capacity_(capacity) {
    std::size_t slots = 16;
    while (slots < 2 * static_cast<std::size_t>(capacity))
        slots *= 2;
    slots_ = std::vector<std::atomic<std::uint32_t>>(slots);
    words_.resize(static_cast<std::size_t>(capacity * width));
}

std::uint32_t TupleTable::find_or_add(const Word* tuple) {
    std::size_t slot = hash(tuple, width_) & (slots_.size() - 1);
    const std::uint32_t found = probe(tuple, slot);
    if (found != full) return found;
    const std::lock_guard<std::mutex> hold(adding_);
    const std::uint32_t added_meanwhile = probe(tuple, slot);
    if (added_meanwhile != full) return added_meanwhile;
    if (size_ == capacity_) return full;
    std::copy_n(tuple, width_, words_.begin() + size_ * width_);
    const auto number = static_cast<std::uint32_t>(size_++);
    slots_[slot].store(number + 1, std::memory_order_release);
    return number;
}

// Follows the tuple's chain of slots; if it is not there, `slot` is the empty one at its end.
std::uint32_t TupleTable::probe(const Word* tuple, std::size_t& slot) const {
    for (;; slot = (slot + 1) & (slots_.size() - 1)) {
        const std::uint32_t entry = slots_[slot].load(std::memory_order_acquire);
        if (entry == 0) return full;
        if (std::equal(tuple, tuple + width_, this->tuple(entry - 1))) return entry - 1;
    }
}

} // namespace fastfuse
