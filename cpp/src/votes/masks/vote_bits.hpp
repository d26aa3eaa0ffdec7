// What the bits of a pattern of masks stand for: the highest that the voxel lies outside the mask, then that
// a rater did not see it, then the votes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "votes/masks/reader.hpp"

namespace fastfuse::masks {

// The bits of patterns inside the mask.
inline int bits_inside(const Votes& votes) { return bits_of(votes) - (votes.mask ? 1 : 0); }

// A pattern of as many words as its bits need, the highest first.
struct Bits {
    const std::uint64_t* words;
    std::size_t width;

    bool operator[](int number) const {
        return words[width - 1 - static_cast<std::size_t>(number) / 64] >> number % 64 & 1;
    }
};

// What the bits of a pattern inside the mask stand for.
class VoteBits {
  public:
    explicit VoteBits(const Votes& votes) : raters_(votes.size()), unseen_(votes.raters.size(), -1) {
        int bit = bits_inside(votes);
        for (std::size_t i = 0; i < votes.present.size(); ++i)
            if (votes.present[i]) unseen_[i] = --bit;
    }

    // The number of a rater's bit, and of the one that says that they did not see the voxel: -1 of a rater
    // who saw all.
    int of(int rater) const { return raters_ - 1 - rater; }
    int unseen(int rater) const { return unseen_[static_cast<std::size_t>(rater)]; }

    double vote(Bits pattern, int rater) const {
        if (unseen(rater) >= 0 && pattern[unseen(rater)]) return missing_vote;
        return static_cast<double>(pattern[of(rater)]);
    }

    // Whether one pattern's votes come before another's in the order of a vote table.
    bool precede(Bits one, Bits other) const {
        for (int i = 0; i < raters_; ++i)
            if (const double a = vote(one, i), b = vote(other, i); a != b) return a < b;
        return false;
    }

  private:
    int raters_;
    std::vector<int> unseen_;
};

} // namespace fastfuse::masks
