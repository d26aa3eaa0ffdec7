#include "labels/soft/rows.hpp"

#include <algorithm>
#include <cmath>

namespace fastfuse {
namespace {

constexpr double tolerance = 1e-3;      // of Σ_b q
constexpr std::int64_t doubles = 16384; // votes of a block: what a core's cache holds
constexpr std::int64_t rounding = 64;

std::int64_t rows_of_block(int raters, std::size_t labels) {
    const std::int64_t rows = doubles / (raters * static_cast<std::int64_t>(labels));
    return std::clamp(rows / rounding * rounding, rounding, block_voxels / 2);
}

} // namespace

SoftRows::SoftRows(int raters, std::size_t labels, bool has_prior)
    : capacity(rows_of_block(raters, labels)), count(static_cast<std::size_t>(capacity)),
      dropped(static_cast<std::size_t>(capacity)),
      votes(static_cast<std::size_t>(capacity * raters) * labels),
      present(static_cast<std::size_t>(capacity * raters)),
      priors(has_prior ? static_cast<std::size_t>(capacity) * labels : 0),
      row(static_cast<std::size_t>(capacity)), raters_(raters), labels_(labels) {}

std::int64_t soft_blocks(const SoftVotes& votes) {
    const std::int64_t rows = rows_of_block(votes.size(), votes.labels);
    const std::int64_t size = votes.tuples ? votes.tuples->size() : votes.grid.voxels();
    return (size + rows - 1) / rows;
}

SoftReader::SoftReader(const SoftVotes& votes)
    : votes_(votes), rows_(votes.size(), votes.labels, !votes.prior.empty() && !votes.tuples),
      inside_(votes.grid), priors_(votes, rows_.capacity), wide_(static_cast<std::size_t>(rows_.capacity)),
      sum_(wide_.size()) {}

const SoftRows& SoftReader::read(std::int64_t block) {
    rows_.first = block * rows_.capacity;
    const std::int64_t size = votes_.tuples ? votes_.tuples->size() : votes_.grid.voxels();
    voxels_ = std::min(rows_.capacity, size - rows_.first);
    if (votes_.tuples)
        read_tuples();
    else
        read_grid();
    std::fill_n(rows_.dropped.begin(), rows_.size, 0.0);
    if (votes_.truncation > 0) truncate();
    return rows_;
}

void SoftReader::read_tuples() {
    rows_.size = voxels_;
    for (int i = 0; i < votes_.size(); ++i) {
        const Code* codes = votes_.tuples->codes_of(i) + rows_.first;
        for (std::int64_t r = 0; r < voxels_; ++r) {
            const bool there = codes[r] != no_code;
            rows_.votes_of(i)[r] = there;
            if (there)
                put_kind(i, codes[r], r);
            else
                for (std::size_t b = 0; b < votes_.labels; ++b)
                    rows_.q(i, b)[r] = 0;
        }
    }
    for (std::int64_t r = 0; r < voxels_; ++r) {
        rows_.count[static_cast<std::size_t>(r)] =
            votes_.tuples->counts[static_cast<std::size_t>(rows_.first + r)];
        rows_.row[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(r);
    }
}

void SoftReader::read_grid() {
    inside_.read(rows_.first, voxels_);
    for (int i = 0; i < votes_.size(); ++i) {
        if (votes_.raters[static_cast<std::size_t>(i)].map)
            read_map(i);
        else
            read_classes(i);
    }
    if (!rows_.priors.empty())
        rows_.clamped = priors_.read(rows_.first, voxels_, inside_.of_all(), rows_.priors.data());
    gather_runs();
}

void SoftReader::put_kind(int rater, std::size_t code, std::int64_t r) {
    const double* kind = votes_.raters[static_cast<std::size_t>(rater)].kinds.data() + code * votes_.labels;
    for (std::size_t b = 0; b < votes_.labels; ++b)
        rows_.q(rater, b)[r] = kind[b];
}

void SoftReader::read_map(int rater) {
    const View& view = *votes_.raters[static_cast<std::size_t>(rater)].map;
    const std::byte* from = native_run(view, votes_.grid.shape, rows_.first, voxels_, native_);
    widen_all(view.type, from, voxels_, wide_.data());
    const std::uint8_t* inside = inside_.of_rater(rater);
    const std::size_t kinds = votes_.raters[static_cast<std::size_t>(rater)].kinds.size() / votes_.labels;
    for (std::int64_t r = 0; r < voxels_; ++r) {
        const double code = wide_[static_cast<std::size_t>(r)];
        const bool there = (!inside || inside[r]) && code >= 0 && code < static_cast<double>(kinds);
        rows_.votes_of(rater)[r] = there;
        if (there)
            put_kind(rater, static_cast<std::size_t>(code), r);
        else
            for (std::size_t b = 0; b < votes_.labels; ++b)
                rows_.q(rater, b)[r] = 0;
    }
}

void SoftReader::read_classes(int rater) {
    const SoftRater& one = votes_.raters[static_cast<std::size_t>(rater)];
    std::fill_n(sum_.begin(), voxels_, 0.0);
    for (std::size_t b = 0; b < votes_.labels; ++b) {
        const View& view = one.classes[b];
        const std::byte* from = native_run(view, votes_.grid.shape, rows_.first, voxels_, native_);
        double* q = rows_.q(rater, b);
        widen_all(view.type, from, voxels_, q);
        for (std::int64_t r = 0; r < voxels_; ++r)
            sum_[static_cast<std::size_t>(r)] += q[r];
    }
    check(rater, inside_.of_rater(rater));
    for (std::size_t b = 0; b < votes_.labels; ++b) {
        double* q = rows_.q(rater, b);
        for (std::int64_t r = 0; r < voxels_; ++r)
            q[r] = rows_.votes_of(rater)[r] > 0 ? q[r] / sum_[static_cast<std::size_t>(r)] : 0;
    }
}

// Sets where the rater votes; refuses what is no probability of each label.
void SoftReader::check(int rater, const std::uint8_t* inside) {
    for (std::int64_t r = 0; r < voxels_; ++r) {
        double& there = rows_.votes_of(rater)[r] = !inside || inside[r];
        if (there == 0) continue;
        const double sum = sum_[static_cast<std::size_t>(r)];
        bool missing = votes_.grid.missing == Missing::nan;
        double least = 0;
        for (std::size_t b = 0; b < votes_.labels; ++b) {
            missing = missing && std::isnan(rows_.q(rater, b)[r]);
            least = std::min(least, rows_.q(rater, b)[r]);
        }
        if (missing)
            there = 0;
        else if (!std::isfinite(sum))
            throw BadInput(BadInput::Kind::not_finite, rater, rows_.first + r, sum);
        else if (least < 0)
            throw BadInput(BadInput::Kind::out_of_range, rater, rows_.first + r, least);
        else if (std::abs(sum - 1) > tolerance)
            throw BadInput(BadInput::Kind::not_probabilities, rater, rows_.first + r, sum);
    }
}

// Drops q up to the truncation, except the largest, and scales the rest to 1.
void SoftReader::truncate() {
    for (int i = 0; i < votes_.size(); ++i)
        for (std::int64_t r = 0; r < rows_.size; ++r) {
            double most = 0, kept = 0, whole = 0;
            for (std::size_t b = 0; b < votes_.labels; ++b)
                most = std::max(most, rows_.q(i, b)[r]);
            const double least = std::min(votes_.truncation, std::nextafter(most, 0.0));
            for (std::size_t b = 0; b < votes_.labels; ++b) {
                double& q = rows_.q(i, b)[r];
                whole += q;
                if (q <= least) q = 0;
                kept += q;
            }
            if (kept == whole) continue;
            rows_.dropped[static_cast<std::size_t>(r)] += whole - kept;
            for (std::size_t b = 0; b < votes_.labels; ++b)
                rows_.q(i, b)[r] /= kept;
        }
}

// Whether the voxel has the votes of the one before it.
bool SoftReader::is_same(std::int64_t k) const {
    for (int i = 0; i < votes_.size(); ++i) {
        if (rows_.votes_of(i)[k] != rows_.votes_of(i)[k - 1]) return false;
        for (std::size_t b = 0; b < votes_.labels; ++b)
            if (rows_.q(i, b)[k] != rows_.q(i, b)[k - 1]) return false;
    }
    for (std::size_t a = 0; a < votes_.labels && !rows_.priors.empty(); ++a)
        if (rows_.prior(a)[k] != rows_.prior(a)[k - 1]) return false;
    return true;
}

// Makes rows of the voxels: one of each run of voxels inside the mask.
void SoftReader::gather_runs() {
    const std::uint8_t* inside = inside_.of_all();
    begins_.clear();
    for (std::int64_t k = 0; k < voxels_; ++k) {
        std::int32_t& row = rows_.row[static_cast<std::size_t>(k)];
        row = -1;
        if (inside && !inside[k]) continue;
        const bool goes_on = k > 0 && rows_.row[static_cast<std::size_t>(k - 1)] >= 0 && is_same(k);
        if (!goes_on) {
            rows_.count[begins_.size()] = 0;
            begins_.push_back(k);
        }
        row = static_cast<std::int32_t>(begins_.size()) - 1;
        rows_.count[static_cast<std::size_t>(row)] += 1;
    }
    rows_.size = static_cast<std::int64_t>(begins_.size());
    const auto columns = static_cast<std::size_t>(votes_.size()) * votes_.labels;
    const auto pull = [&](double* column) {
        for (std::size_t r = 0; r < begins_.size(); ++r)
            column[r] = column[begins_[r]];
    };
    for (std::size_t c = 0; c < columns; ++c)
        pull(rows_.votes.data() + c * static_cast<std::size_t>(rows_.capacity));
    for (int i = 0; i < votes_.size(); ++i)
        pull(rows_.votes_of(i));
    for (std::size_t a = 0; a < votes_.labels && !rows_.priors.empty(); ++a)
        pull(rows_.prior(a));
    for (std::size_t r = 0; r < begins_.size(); ++r) {
        bool read = false;
        for (int i = 0; i < votes_.size(); ++i)
            read = read || rows_.votes_of(i)[r] > 0;
        if (!read) rows_.count[r] = 0;
    }
}

} // namespace fastfuse
