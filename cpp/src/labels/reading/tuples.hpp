// Tuples of codes, packed into words of 64 bits.
#pragma once

#include <cstdint>

#include "fastfuse/labels.hpp"
#include "votes/key_table.hpp"

namespace fastfuse {

using Word = std::uint64_t;

// How the raters' codes lie in words: the first rater's in the highest bits of the first word, so that words
// in order are codes in order. A missing vote is packed as K, after all labels.
class Packing {
  public:
    Packing(int raters, std::size_t labels);

    int width() const { return width_; } // words of a tuple
    // Column w holds word w of n tuples, at w * stride. Column i of `codes` holds rater i's codes.
    void pack(const Code* codes, std::int64_t code_stride, std::int64_t n, Word* words,
              std::int64_t stride) const;
    Code code(const Word* tuple, int rater) const;

  private:
    int raters_, bits_, per_word_, width_;
    Code missing_;
};

using TupleTable = KeyTable<Word>;

} // namespace fastfuse
