// Tuples of codes, packed into words of 64 bits, and a hash table that many threads fill at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "fastfuse/labels.hpp"

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

// Distinct tuples, numbered from 0 in the order of insertion. Look-ups take no lock; insertions, which are
// rare, take one.
class TupleTable {
  public:
    static constexpr std::uint32_t full = UINT32_MAX; // returned in place of a number

    TupleTable(int width, std::int64_t capacity);

    // Number of the tuple; `full` if it is new and the table has no place for it.
    std::uint32_t find_or_add(const Word* tuple);

    std::int64_t size() const { return size_; }
    const Word* tuple(std::int64_t number) const { return words_.data() + number * width_; }

  private:
    std::uint32_t probe(const Word* tuple, std::size_t& slot) const;

    int width_;
    std::int64_t capacity_;
    std::int64_t size_ = 0;
    std::vector<std::atomic<std::uint32_t>> slots_; // number + 1; 0 where empty
    std::vector<Word> words_;
    std::mutex adding_;
};

} // namespace fastfuse
