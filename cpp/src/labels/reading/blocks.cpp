#include "labels/reading/blocks.hpp"

#include <algorithm>
#include <stdexcept>

namespace fastfuse {

Inside::Inside(const Votes& votes)
    : votes_(votes), of_all_(block_voxels), of_rater_(block_voxels), wide_(block_voxels) {}

void Inside::read(const View& view, BadInput::Kind kind, int rater, std::vector<std::uint8_t>& to) {
    const std::byte* from = native_run(view, votes_.shape, first_, voxels_, native_);
    widen_all(view.type, from, voxels_, wide_.data());
    for (std::int64_t k = 0; k < voxels_; ++k) {
        const double value = wide_[static_cast<std::size_t>(k)];
        const bool counts =
            kind != BadInput::Kind::present || !votes_.mask || of_all_[static_cast<std::size_t>(k)];
        if (counts && value != 0 && value != 1) throw BadInput(kind, rater, first_ + k, value);
        to[static_cast<std::size_t>(k)] = counts && value == 1;
    }
}

void Inside::read(std::int64_t first, std::int64_t voxels) {
    first_ = first;
    voxels_ = voxels;
    if (votes_.mask) read(*votes_.mask, BadInput::Kind::mask, -1, of_all_);
}

const std::uint8_t* Inside::of_rater(int rater) {
    const auto place = static_cast<std::size_t>(rater);
    if (votes_.present.empty() || !votes_.present[place]) return of_all();
    read(*votes_.present[place], BadInput::Kind::present, rater, of_rater_);
    return of_rater_.data();
}

LabelBlock::LabelBlock(const Votes& votes, const CodeBook& book)
    : votes_(votes), book_(book), codes_(votes.raters.size() * block_voxels), inside_(votes) {}

void LabelBlock::read(std::int64_t index) {
    first_ = index * block_voxels;
    voxels_ = std::min(block_voxels, votes_.voxels() - first_);
    inside_.read(first_, voxels_);
    bool good = true;
    for (int i = 0; i < votes_.size(); ++i)
        good = read_rater(i) && good;
    if (!good) refuse();
}

// Returns whether every value that counts is a label, or a missing vote.
bool LabelBlock::read_rater(int rater) {
    const View& view = votes_.raters[static_cast<std::size_t>(rater)];
    Code* codes = codes_.data() + rater * block_voxels;
    const bool nan_is_missing = votes_.missing == Missing::nan;
    const std::byte* from = native_run(view, votes_.shape, first_, voxels_, native_);
    const bool missed = book_.read(view.type, from, voxels_, nan_is_missing, codes);
    const std::uint8_t* inside = inside_.of_rater(rater);
    bool good = true;
    for (std::int64_t k = 0; missed && k < voxels_; ++k) {
        if (codes[k] != no_code || (inside && !inside[k])) continue;
        const Reading reading = read_label(value_of(votes_, rater, first_ + k), nan_is_missing);
        good = good && reading.missing;
    }
    for (std::int64_t k = 0; inside && k < voxels_; ++k)
        if (!inside[k]) codes[k] = no_code;
    return good;
}

void LabelBlock::refuse() {
    std::vector<std::vector<std::uint8_t>> inside;
    for (int i = 0; i < votes_.size(); ++i) {
        const std::uint8_t* counts = inside_.of_rater(i);
        inside.emplace_back(counts ? std::vector<std::uint8_t>(counts, counts + voxels_)
                                   : std::vector<std::uint8_t>(static_cast<std::size_t>(voxels_), 1));
    }
    for (std::int64_t k = 0; k < voxels_; ++k)
        for (int i = 0; i < votes_.size(); ++i) {
            if (!inside[static_cast<std::size_t>(i)][static_cast<std::size_t>(k)] ||
                codes_of(i)[k] != no_code)
                continue;
            const double value = value_of(votes_, i, first_ + k);
            const Reading reading = read_label(value, votes_.missing == Missing::nan);
            if (!reading.missing)
                throw BadInput(reading.wrong.value_or(BadInput::Kind::unknown_label), i, first_ + k, value);
        }
    throw std::logic_error("a block is refused without a reason");
}

double value_of(const Votes& votes, int rater, std::int64_t voxel) {
    const View& view = votes.raters[static_cast<std::size_t>(rater)];
    std::vector<std::byte> copy;
    const std::byte* from = native_run(view, votes.shape, voxel, 1, copy);
    double value = 0;
    widen_all(view.type, from, 1, &value);
    return value;
}

} // namespace fastfuse
