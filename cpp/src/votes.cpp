#include "fastfuse/votes.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace fastfuse {
namespace {

constexpr std::int64_t stretch_voxels = 1024; // skipped at a time where nobody votes
constexpr std::uint64_t groups_of_stretch = (std::uint64_t{1} << (stretch_voxels / group_voxels)) - 1;
constexpr double label_tolerance = 1e-4; // labels that went through a header's scaling are 2.9999999

// Reads one block, a group of voxels at a time.
class Reader {
  public:
    Reader(const Votes& votes, Block& block) : votes_(votes), block_(block) {
        for (const View& view : votes.raters)
            raters_.push_back(in_native_layout(view));
        if (votes.mask) mask_ = in_native_layout(*votes.mask);
        if (votes.prior) prior_ = in_native_layout(*votes.prior);
    }

    void read() {
        if (votes_.mask) widen_all(votes_.mask->type, mask_, block_.voxels, block_.inside.data());
        const bool may_skip = !votes_.mask && !votes_.prior;
        for (std::int64_t begin = 0; begin < block_.voxels; begin += stretch_voxels) {
            const std::int64_t end = std::min(begin + stretch_voxels, block_.voxels);
            if (may_skip && end - begin == stretch_voxels && nobody_votes(begin, stretch_voxels)) {
                block_.zero_groups |= groups_of_stretch << (begin / group_voxels);
                block_.count[0] += stretch_voxels;
                continue;
            }
            for (begin_ = begin; begin_ < end; begin_ += group_voxels) {
                n_ = std::min(group_voxels, end - begin_);
                read_group(std::uint64_t{1} << (begin_ / group_voxels));
            }
        }
    }

  private:
    const std::byte* in_native_layout(const View& view) {
        return native_run(view, votes_.shape, block_.first, block_.voxels, block_.native[copies_++]);
    }

    void read_group(std::uint64_t bit) {
        const double inside = count_inside();
        if (inside == 0) {
            block_.outside_groups |= bit;
        } else if (!votes_.prior && nobody_votes(begin_, n_)) {
            block_.count[0] += inside;
            if (inside == static_cast<double>(n_)) {
                block_.zero_groups |= bit;
                return;
            }
            for (std::int64_t k = 0; k < n_; ++k)
                *row_of(k) = is_inside(k) ? 0 : -1;
        } else {
            if (!widen_group()) find_bad_vote();
            select_label();
            add_rows();
        }
    }

    std::int32_t* row_of(std::int64_t k) { return block_.row.data() + begin_ + k; }
    bool is_inside(std::int64_t k) const {
        return !votes_.mask || block_.inside[static_cast<std::size_t>(begin_ + k)] != 0;
    }
    double* group(int rater) { return block_.group.data() + rater * group_voxels; }

    double count_inside() const {
        if (!votes_.mask) return static_cast<double>(n_);
        double sum = 0;
        for (std::int64_t k = begin_; k < begin_ + n_; ++k) {
            const double value = block_.inside[static_cast<std::size_t>(k)];
            if (value != 0 && value != 1) throw BadInput(BadInput::Kind::mask, -1, block_.first + k, value);
            sum += value;
        }
        return sum;
    }

    bool nobody_votes(std::int64_t begin, std::int64_t n) const {
        for (std::size_t i = 0; i < raters_.size(); ++i) {
            const std::int64_t item = size_of(votes_.raters[i].type);
            if (!all_zero(raters_[i] + begin * item, n * item)) return false;
        }
        return true;
    }

    void widen_column(const View& view, const std::byte* from, double* to) const {
        widen_all(view.type, from + begin_ * size_of(view.type), n_, to);
        for (std::int64_t k = 0; k < n_; ++k)
            to[k] = is_inside(k) ? to[k] + 0.0 : 0.0; // + 0.0: no negative zero
    }

    // Fills the group's table; false if a vote in it cannot be used.
    bool widen_group() {
        bool good = true;
        for (int i = 0; i < votes_.size(); ++i) {
            const auto view = static_cast<std::size_t>(i);
            widen_column(votes_.raters[view], raters_[view], group(i));
            for (std::int64_t k = 0; k < n_; ++k)
                good &= !problem_of(group(i)[k]);
        }
        if (!votes_.prior) return good;
        double* prior = group(votes_.size());
        widen_column(*votes_.prior, prior_, prior);
        for (std::int64_t k = 0; k < n_; ++k)
            good &= !is_inside(k) || (prior[k] > 0 && prior[k] < 1);
        return good;
    }

    std::optional<BadInput::Kind> problem_of(double vote) const {
        if (!std::isfinite(vote)) return BadInput::Kind::not_finite;
        if (votes_.label && std::abs(vote - std::nearbyint(vote)) > label_tolerance)
            return BadInput::Kind::not_label;
        if (votes_.label || vote == 0 || vote == 1) return std::nullopt;
        if (votes_.check == Check::binary) return BadInput::Kind::not_binary;
        if (vote < 0 || vote > 1) return BadInput::Kind::out_of_range;
        return std::nullopt;
    }

    [[noreturn]] void find_bad_vote() {
        for (std::int64_t k = 0; k < n_; ++k) {
            if (!is_inside(k)) continue;
            for (int i = 0; i < votes_.size(); ++i)
                if (const auto kind = problem_of(group(i)[k]))
                    throw BadInput(*kind, i, block_.first + begin_ + k, group(i)[k]);
            const double prior = votes_.prior ? group(votes_.size())[k] : 0.5;
            if (!(prior > 0 && prior < 1))
                throw BadInput(BadInput::Kind::prior, -1, block_.first + begin_ + k, prior);
        }
        throw std::logic_error("a bad vote that cannot be found again");
    }

    void select_label() {
        if (!votes_.label) return;
        for (int i = 0; i < votes_.size(); ++i)
            for (std::int64_t k = 0; k < n_; ++k)
                group(i)[k] = is_inside(k) && std::nearbyint(group(i)[k]) == *votes_.label;
    }

    bool anybody_votes(std::int64_t k) {
        for (int i = 0; i < votes_.size(); ++i)
            if (group(i)[k] != 0) return true;
        return false;
    }

    void add_rows() {
        for (std::int64_t k = 0; k < n_; ++k) {
            *row_of(k) = -1;
            if (!is_inside(k)) continue;
            const bool shared = !votes_.prior && !anybody_votes(k);
            const std::int64_t r = shared ? 0 : block_.rows++;
            *row_of(k) = static_cast<std::int32_t>(r);
            block_.count[static_cast<std::size_t>(r)] += 1;
            if (shared) continue;
            for (int i = 0; i < votes_.size(); ++i)
                block_.vote[static_cast<std::size_t>(i * block_rows + r)] = group(i)[k];
            if (votes_.prior) block_.prior[static_cast<std::size_t>(r)] = group(votes_.size())[k];
        }
    }

    const Votes& votes_;
    Block& block_;
    std::vector<const std::byte*> raters_;
    const std::byte* mask_ = nullptr;
    const std::byte* prior_ = nullptr;
    std::size_t copies_ = 0;
    std::int64_t begin_ = 0, n_ = 0; // the group: its first voxel in the block, its voxels
};

} // namespace

std::int64_t Votes::voxels() const {
    std::int64_t n = 1;
    for (const std::int64_t extent : shape)
        n *= extent;
    return n;
}

std::int64_t block_count(const Votes& votes) { return (votes.voxels() + block_voxels - 1) / block_voxels; }

Block::Block(const Votes& votes)
    : vote(static_cast<std::size_t>(votes.size() * block_rows)), count(block_rows),
      prior(votes.prior ? block_rows : 0), native(votes.raters.size() + 2),
      group((votes.raters.size() + 1) * group_voxels) {}

void read_block(const Votes& votes, std::int64_t index, Block& block) {
    block.first = index * block_voxels;
    block.voxels = std::min(block_voxels, votes.voxels() - block.first);
    block.rows = 1;
    std::fill(block.count.begin(), block.count.end(), 0.0);
    for (int i = 0; i < votes.size(); ++i)
        block.vote[static_cast<std::size_t>(i * block_rows)] = 0; // row 0: no votes
    if (votes.prior) block.prior[0] = 0.5;                        // it stands for no voxel then
    block.zero_groups = block.outside_groups = 0;
    Reader(votes, block).read();
}

} // namespace fastfuse
