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

} // namespace fastfuse
