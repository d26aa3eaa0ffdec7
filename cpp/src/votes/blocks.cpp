#include "votes/blocks.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "votes/group_digest.hpp"
#include "votes/masks/marks.hpp"

namespace fastfuse {
namespace {

// Reads one block, a group of voxels at a time.
class Reader {
  public:
    Reader(const Votes& votes, Block& block) : votes_(votes), block_(block) {
        for (NativeRuns& runs : block.raters)
            raters_.push_back(in_native_layout(runs));
        for (std::optional<NativeRuns>& runs : block.present)
            present_.push_back(runs ? in_native_layout(*runs) : nullptr);
        if (block.mask) mask_ = in_native_layout(*block.mask);
        if (block.prior_map) prior_ = in_native_layout(*block.prior_map);
    }

    void read(const VotedGroups* voted) {
        if (mask_) mask_is_good_ = read_ones(votes_.mask->type, mask_, 0, block_.inside);
        const VotedGroups unseen = read_present();
        voted_ = votes_.prior ? ~VotedGroups{0} : unseen | (voted ? *voted : groups_with_votes());
        for (begin_ = 0; begin_ < block_.voxels; begin_ += group_voxels) {
            n_ = std::min(group_voxels, block_.voxels - begin_);
            read_group(std::uint64_t{1} << (begin_ / group_voxels));
        }
    }

  private:
    using Bytes = masks::Bytes;

    const std::byte* in_native_layout(NativeRuns& runs) { return runs.at(block_.first, block_.voxels); }

    bool read_ones(Scalar type, const std::byte* from, std::uint8_t beyond, Bytes& to) const {
        std::fill(to.begin() + block_.voxels, to.end(), beyond);
        return masks::read_ones(type, from, block_.voxels, to.data());
    }

    // Returns the groups that not every rater saw whole.
    VotedGroups read_present() {
        VotedGroups unseen = 0;
        for (std::size_t i = 0; i < present_.size(); ++i) {
            if (!present_[i]) continue;
            Bytes& seen = block_.seen[i];
            present_is_good_ &= read_ones(votes_.present[i]->type, present_[i], 1, seen);
            for (std::int64_t g = 0; g < block_voxels / group_voxels; ++g)
                unseen |= std::uint64_t{masks::sum_of_group(seen.data() + g * group_voxels) != group_voxels}
                          << g;
        }
        return unseen;
    }

    void read_group(std::uint64_t bit) {
        const double inside = count_inside();
        if (inside == 0) {
            block_.outside_groups |= bit;
        } else if (!(voted_ & bit)) {
            block_.count[0] += inside;
            if (inside == static_cast<double>(n_)) {
                block_.zero_groups |= bit;
                return;
            }
            for (std::int64_t k = 0; k < n_; ++k)
                *row_of(k) = is_inside(k) ? 0 : -1;
        } else {
            digest_.clear();
            widened_ = votes_.select_label || votes_.prior || !present_is_good_ || !digest_votes();
            if (widened_) widen_and_digest();
            add_rows();
        }
    }

    std::int32_t* row_of(std::int64_t k) { return block_.row.data() + begin_ + k; }
    bool is_inside(std::int64_t k) const {
        return !mask_ || block_.inside[static_cast<std::size_t>(begin_ + k)] != 0;
    }
    double* group(int rater) { return block_.group.data() + rater * group_voxels; }

    double count_inside() const {
        if (!mask_) return static_cast<double>(n_);
        if (!mask_is_good_) find_bad_mask();
        return static_cast<double>(masks::sum_of_group(block_.inside.data() + begin_));
    }

    void find_bad_mask() const {
        const Scalar type = votes_.mask->type;
        std::array<double, group_voxels> values;
        widen_all(type, mask_ + begin_ * size_of(type), n_, values.data());
        for (std::int64_t k = 0; k < n_; ++k) {
            const double value = values[static_cast<std::size_t>(k)];
            if (value != 0 && value != 1)
                throw BadInput(BadInput::Kind::mask, -1, block_.first + begin_ + k, value);
        }
    }

    VotedGroups groups_with_votes() const {
        VotedGroups found = 0;
        for (std::size_t i = 0; i < raters_.size(); ++i) {
            const std::int64_t item = size_of(votes_.raters[i].type);
            found |= nonzero_groups(raters_[i], block_.voxels * item, group_voxels * item);
        }
        return found;
    }

    // Widens the group's votes; 0 where a voxel does not count.
    void widen_column(const View& view, const std::byte* from, double* to) const {
        widen_all(view.type, from + begin_ * size_of(view.type), n_, to);
        for (std::int64_t k = 0; k < n_; ++k)
            to[k] += 0.0; // turns −0 into 0
        for (std::int64_t k = 0; mask_ && k < n_; ++k)
            if (!is_inside(k)) to[k] = 0;
    }

    // Examines the votes in their own type. Returns whether all are valid; if not, the group is
    // widened and checked vote by vote.
    bool digest_votes() {
        bool good = true;
        for (std::size_t i = 0; i < raters_.size() && good; ++i) {
            const Scalar type = votes_.raters[i].type;
            good = digest_.add(type, raters_[i] + begin_ * size_of(type), n_, votes_.check);
        }
        for (std::size_t i = 0; i < present_.size() && good; ++i)
            if (present_[i]) digest_.add_seen(block_.seen[i].data() + begin_, n_);
        return good;
    }

    void widen_and_digest() {
        for (int i = 0; i < votes_.size(); ++i)
            widen_column(votes_.raters[static_cast<std::size_t>(i)], raters_[static_cast<std::size_t>(i)],
                         group(i));
        if (votes_.prior) widen_column(*votes_.prior, prior_, group(votes_.size()));
        if (votes_.may_miss()) mark_missing();
        find_bad_vote();
        select_label();
        digest_.clear();
        for (int i = 0; i < votes_.columns(); ++i)
            digest_.add_widened(group(i), n_, i < votes_.size());
    }

    void mark_missing() {
        std::array<double, group_voxels> present{};
        for (std::size_t i = 0; i < raters_.size(); ++i) {
            double* votes = group(static_cast<int>(i));
            for (std::int64_t k = 0; votes_.missing == Missing::nan && k < n_; ++k)
                if (std::isnan(votes[k])) votes[k] = missing_vote;
            if (present_.empty() || !present_[i]) continue;
            widen_column(*votes_.present[i], present_[i], present.data());
            for (std::int64_t k = 0; k < n_; ++k) {
                const double looked = present[static_cast<std::size_t>(k)];
                if (looked != 0 && looked != 1)
                    throw BadInput(BadInput::Kind::present, static_cast<int>(i), block_.first + begin_ + k,
                                   looked);
                if (looked == 0 && is_inside(k)) votes[k] = missing_vote;
            }
        }
    }

    std::optional<BadInput::Kind> problem_of(double vote) const {
        if (!std::isfinite(vote)) return BadInput::Kind::not_finite;
        if (votes_.select_label && std::abs(vote - std::nearbyint(vote)) > label_tolerance)
            return BadInput::Kind::not_label;
        if (votes_.select_label || vote == 0 || vote == 1) return std::nullopt;
        if (votes_.check == Check::binary) return BadInput::Kind::not_binary;
        if (vote < 0 || vote > 1) return BadInput::Kind::out_of_range;
        return std::nullopt;
    }

    void find_bad_vote() {
        for (std::int64_t k = 0; k < n_; ++k) {
            if (!is_inside(k)) continue;
            for (int i = 0; i < votes_.size(); ++i) {
                if (votes_.may_miss() && group(i)[k] == missing_vote) continue;
                if (const auto kind = problem_of(group(i)[k]))
                    throw BadInput(*kind, i, block_.first + begin_ + k, group(i)[k]);
            }
            const double prior = votes_.prior ? group(votes_.size())[k] : 0.5;
            if (!(prior > 0 && prior < 1))
                throw BadInput(BadInput::Kind::prior, -1, block_.first + begin_ + k, prior);
        }
    }

    void select_label() {
        if (!votes_.select_label) return;
        for (int i = 0; i < votes_.size(); ++i)
            for (std::int64_t k = 0; k < n_; ++k)
                if (!votes_.may_miss() || group(i)[k] != missing_vote)
                    group(i)[k] = is_inside(k) && std::nearbyint(group(i)[k]) == *votes_.select_label;
    }

    // The votes of the rows from `first` on, which begin at start_[0], start_[1] …
    void read_column(int rater, std::int64_t first) {
        const auto i = static_cast<std::size_t>(rater);
        const auto n = static_cast<std::size_t>(block_.rows - first);
        double* to = block_.vote.data() + rater * block_rows + first;
        const Scalar type = votes_.raters[i].type;
        const std::byte* from = raters_[i] + begin_ * size_of(type);
        if (widened_) {
            for (std::size_t r = 0; r < n; ++r)
                to[r] = group(rater)[start_[r]];
            return;
        }
        if (type == Scalar::u8 || type == Scalar::boolean) // the most frequent types
            pick<std::uint8_t>(from, n, to);
        else if (type == Scalar::f32)
            pick<float>(from, n, to);
        else
            for (std::size_t r = 0; r < n; ++r)
                widen_all(type, from + start_[r] * size_of(type), 1, to + r);
        if (present_.empty() || !present_[i]) return;
        for (std::size_t r = 0; r < n; ++r)
            if (!block_.seen[i][static_cast<std::size_t>(begin_ + start_[r])]) to[r] = missing_vote;
    }

    template <class T> void pick(const std::byte* from, std::size_t n, double* to) const {
        for (std::size_t r = 0; r < n; ++r) {
            T value;
            std::memcpy(&value, from + start_[r] * static_cast<std::int64_t>(sizeof value), sizeof value);
            to[r] = static_cast<double>(value);
        }
    }

    // A row for every run of voxels.
    void add_rows() {
        const std::int64_t first = block_.rows;
        for (std::int64_t k = 0, end; k < n_; k = end) {
            for (end = k + 1; end < n_ && !digest_.differs(end) && is_inside(end) == is_inside(k);)
                ++end;
            const auto r = static_cast<std::int32_t>(row_for(k));
            std::fill(row_of(k), row_of(end), r);
            if (r == 0) block_.count[0] += static_cast<double>(end - k);
            if (r < first) continue;
            start_[static_cast<std::size_t>(r - first)] = k;
            block_.count[static_cast<std::size_t>(r)] = static_cast<double>(end - k);
        }
        for (int i = 0; i < votes_.size(); ++i)
            read_column(i, first);
        for (std::int64_t r = first; r < block_.rows; ++r) {
            const auto row = static_cast<std::size_t>(r);
            if (votes_.prior)
                block_.prior[row] = group(votes_.size())[start_[row - static_cast<std::size_t>(first)]];
            if (!is_read(r)) block_.count[row] = 0;
        }
    }

    // −1 outside the mask, 0 without votes.
    std::int64_t row_for(std::int64_t k) {
        if (!is_inside(k)) return -1;
        return votes_.prior || digest_.any(k) ? block_.rows++ : 0;
    }

    bool is_read(std::int64_t row) const {
        bool read = !votes_.may_miss();
        for (int i = 0; i < votes_.size() && !read; ++i)
            read = !is_missing(block_.vote[static_cast<std::size_t>(i * block_rows + row)]);
        return read;
    }

    const Votes& votes_;
    Block& block_;
    std::vector<const std::byte*> raters_;
    std::vector<const std::byte*> present_; // null where a rater saw all voxels; empty where all raters did
    const std::byte* mask_ = nullptr;
    const std::byte* prior_ = nullptr;
    VotedGroups voted_ = 0;
    GroupDigest digest_;
    bool mask_is_good_ = true, present_is_good_ = true; // of 0 and 1 alone
    bool widened_ = false;                              // the group's votes are in its table
    std::int64_t begin_ = 0, n_ = 0; // the group: its first voxel in the block, its number of voxels
    std::array<std::int64_t, group_voxels> start_{}; // of each new row: its first voxel in the group
};

} // namespace

std::int64_t Votes::voxels() const {
    std::int64_t n = 1;
    for (const std::int64_t extent : shape)
        n *= extent;
    return n;
}

std::int64_t block_count(const Votes& votes) { return (votes.voxels() + block_voxels - 1) / block_voxels; }

bool is_small(std::int64_t rows, int raters) {
    constexpr int few_raters = 10;
    return rows <= block_voxels && raters <= few_raters;
}

Team team_for(const Votes& votes, int threads, const ShouldStop& ask) {
    const bool small = !votes.place && is_small(votes.voxels(), votes.size());
    return {small ? 1 : threads, ask};
}

Block::Block(const Votes& votes)
    : vote(static_cast<std::size_t>(votes.size() * block_rows)), count(block_rows),
      prior(votes.prior ? block_rows : 0), seen(votes.present.size()),
      group((votes.raters.size() + 1) * group_voxels) {
    for (const View& view : votes.raters)
        raters.emplace_back(view, votes.shape);
    for (const std::optional<View>& view : votes.present)
        present.push_back(view ? std::make_optional<NativeRuns>(*view, votes.shape) : std::nullopt);
    if (votes.mask) mask.emplace(*votes.mask, votes.shape);
    if (votes.prior) prior_map.emplace(*votes.prior, votes.shape);
    const std::int64_t filled = std::min(block_rows, votes.voxels() + 8); // a small volume fills fewer
    for (int i = 0; i < votes.size(); ++i)
        std::fill_n(vote.begin() + i * block_rows, filled, 0.0);
}

std::optional<std::vector<VotedGroups>> find_voted_groups(const Votes& votes, std::int64_t first_block,
                                                          std::int64_t blocks) {
    const bool native = std::none_of(votes.raters.begin(), votes.raters.end(), [&](const View& view) {
        return view.swapped || !contiguous(view, votes.shape);
    });
    if (votes.prior || !votes.present.empty() || !native) return std::nullopt;
    std::vector<VotedGroups> voted(static_cast<std::size_t>(blocks));
    for (const View& view : votes.raters) {
        const std::int64_t item = size_of(view.type);
        for (std::int64_t b = 0; b < blocks; ++b) {
            const std::int64_t first = (first_block + b) * block_voxels;
            const std::int64_t voxels = std::min(block_voxels, votes.voxels() - first);
            voted[static_cast<std::size_t>(b)] |=
                nonzero_groups(view.data + first * item, voxels * item, group_voxels * item);
        }
    }
    return voted;
}

void read_block(const Votes& votes, std::int64_t index, Block& block, const VotedGroups* voted) {
    block.first = index * block_voxels;
    block.voxels = std::min(block_voxels, votes.voxels() - block.first);
    std::fill_n(block.count.begin(), block.rows, 0.0); // clears the counts of the previous block
    block.rows = 1;
    for (int i = 0; i < votes.size(); ++i)
        block.vote[static_cast<std::size_t>(i * block_rows)] = 0; // row 0: no votes
    if (votes.prior) block.prior[0] = 0.5;                        // row 0 stands for no voxel then
    block.zero_groups = block.outside_groups = 0;
    Reader(votes, block).read(voted);
}

} // namespace fastfuse
