#include "engines/map/moments.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "em/spread.hpp"
#include "engines/lanes/tile.hpp"
#include "engines/map/priors.hpp"
#include "support/lanes.hpp"
#include "support/runs.hpp"
#include "support/simd.hpp"

namespace fastfuse::map {

constexpr std::size_t cells_at_once = 256;

struct CellSums {
    std::array<double, cells_at_once> w, u, log;
};

namespace {

struct NoPlace {}; // thrown where the moments cannot hold the map

// Adds blocks of voxels to the sums. Scratch of one thread.
class Gatherer {
  public:
    Gatherer(const Votes& votes, const Tabulation& table, const Grid& grid, std::size_t most)
        : table_(table), grid_(grid), priors_(votes), row_(static_cast<std::size_t>(block_voxels)),
          empty_(2 * static_cast<std::size_t>(cells)), others_(most) {}

    void add(std::int64_t block) {
        const UniformGroups uniform = table_.index->rows_of_block(block, row_.data());
        if (uniform.outside == ~std::uint64_t{0}) return;
        priors_.read(block);
        for (std::int64_t begin = 0, g = 0; begin < priors_.voxels(); begin += group_voxels, ++g) {
            const std::int64_t n = std::min(group_voxels, priors_.voxels() - begin);
            if (uniform.outside >> g & 1) continue;
            const std::int64_t first = block * block_voxels + begin;
            if (uniform.zero >> g & 1)
                add_empty(first, begin, n);
            else
                add_busy(first, priors_.values(begin, n), row_.data() + begin, n);
        }
    }

    // To be called after the last block.
    void finish() {
        if (constant_voxels_ > 0) grid_.add(constant_d_, constant_voxels_, empty_[2 * constant_cell_]);
        constant_voxels_ = 0;
    }

    const SumsOfKeys<std::int64_t>& others() const { return others_; }
    // Of row 0: two sums of each cell, as neighbours often have the same, and would wait for each other.
    const Sums& empty(std::uint32_t cell, int turn) const {
        return empty_[2 * cell + static_cast<std::size_t>(turn)];
    }

  private:
    void add_empty(std::int64_t first, std::int64_t begin, std::int64_t n) {
        if (table_.table.counts()[0] == 0) return; // nobody voted there
        if (priors_.are_one(begin, n)) {
            const double prior = *priors_.values(begin, 1);
            if (constant_voxels_ == 0 || prior != constant_) {
                finish();
                find(first, &prior, 1);
                constant_ = prior;
                constant_cell_ = cell_[0];
                constant_d_ = d_[0];
            }
            constant_voxels_ += n;
            return;
        }
        const double* prior = priors_.values(begin, n);
        find(first, prior, n);
        for (std::size_t k = 0; k < static_cast<std::size_t>(n); ++k)
            cell_[k] = 2 * cell_[k] + k % 2;
        grid_.add_all(cell_.data(), d_.data(), n, empty_.data());
    }

    void add_busy(std::int64_t first, const double* prior, const std::int32_t* row, std::int64_t n) {
        for (std::int64_t k = 0; k < n; ++k)
            inside_[static_cast<std::size_t>(k)] = row[k] < 0 ? 0.5 : prior[k];
        find(first, inside_.data(), n);
        for (std::size_t k = 0; k < static_cast<std::size_t>(n); ++k) {
            if (row[k] < 0 || table_.table.counts()[static_cast<std::size_t>(row[k])] == 0) continue;
            const std::uint64_t key = static_cast<std::uint64_t>(row[k]) * cells + cell_[k];
            Sums* sums = row[k] == 0 ? &empty_[2 * cell_[k]] : others_.of(key);
            if (!sums) throw NoPlace();
            grid_.add(d_[k], *sums);
        }
    }

    void find(std::int64_t first, const double* prior, std::int64_t n) {
        if (locate(prior, n, cell_.data(), d_.data())) return;
        for (std::int64_t k = 0; k < n; ++k)
            if (!(prior[k] > 0 && prior[k] < 1))
                throw BadInput(BadInput::Kind::prior, -1, first + k, prior[k]);
        throw NoPlace();
    }

    const Tabulation& table_;
    const Grid& grid_;
    Priors priors_;
    std::vector<std::int32_t> row_;
    std::vector<Sums> empty_;
    SumsOfKeys<std::int64_t> others_;
    double constant_ = 0; // the one prior of the last groups that have one; not added yet
    std::uint32_t constant_cell_ = 0;
    double constant_d_ = 0;
    std::int64_t constant_voxels_ = 0;
    std::array<double, group_voxels> inside_, d_;
    std::array<std::uint32_t, group_voxels> cell_;
};

// ln x of a positive, normal number, in operations that every instruction set has: x = 2^k m, then a series
// in (m − 1) / (m + 1).
FASTFUSE_INLINE double log_of(double x) {
    constexpr std::uint64_t root_half = 0x3fe6a09e667f3bcdu, mantissa = 0xfffffffffffffu;
    constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45, magic = 0x1.8p52;
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    // k = round to the octave that begins at √½: the exponent of x / √½.
    const std::uint64_t above = bits - root_half + (std::uint64_t{2048} << 52);
    const std::uint64_t octave = above >> 52; // k + 2048
    const std::uint64_t m_bits = (above & mantissa) + root_half;
    double m, k;
    std::memcpy(&m, &m_bits, sizeof m);
    std::uint64_t magic_bits;
    std::memcpy(&magic_bits, &magic, sizeof magic_bits);
    const std::uint64_t k_bits = magic_bits + octave;
    std::memcpy(&k, &k_bits, sizeof k);
    k = k - magic - 2048;
    const double s = (m - 1) / (m + 1), z = s * s;
    double sum = 1.0 / 21;
    sum = sum * z + 1.0 / 19;
    sum = sum * z + 1.0 / 17;
    sum = sum * z + 1.0 / 15;
    sum = sum * z + 1.0 / 13;
    sum = sum * z + 1.0 / 11;
    sum = sum * z + 1.0 / 9;
    sum = sum * z + 1.0 / 7;
    sum = sum * z + 1.0 / 5;
    sum = sum * z + 1.0 / 3;
    return k * ln2_high + (2 * s + (2 * s * z * sum + k * ln2_low));
}

// `m`: m_j of the first cell.
FASTFUSE_CLONES void sum_cells(double a, double b, const double* middle, const double* width,
                               const std::array<const double*, orders>& m, std::size_t n, CellSums& to) {
    const double *m0 = m[0], *m1 = m[1], *m2 = m[2], *m3 = m[3], *m4 = m[4], *m5 = m[5], *m6 = m[6],
                 *m7 = m[7];
    for (std::size_t k = 0; k < n; ++k) {
        const double c = middle[k], h = width[k];
        const double e = a * c + b * (1 - c), t = h * (b - a) / e;
        // Σ_j t^j m_{j+1}, and Σ_j t^j m_j
        const double next =
            m1[k] + t * (m2[k] + t * (m3[k] + t * (m4[k] + t * (m5[k] + t * (m6[k] + t * m7[k])))));
        const double sum = m0[k] + t * next;
        to.w[k] = a / e * (c * sum + h * next);
        to.u[k] = b / e * ((1 - c) * sum - h * next);
        const double series =
            m1[k] +
            t * (m2[k] / 2 +
                 t * (m3[k] / 3 + t * (m4[k] / 4 + t * (m5[k] / 5 + t * (m6[k] / 6 + t * (m7[k] / 7))))));
        to.log[k] = m0[k] * log_of(e) - t * series;
    }
}

double total(const std::array<double, cells_at_once>& values, std::size_t n) {
    double sum = 0;
    for (std::size_t k = 0; k < n; ++k)
        sum += values[k];
    return sum;
}

} // namespace

std::optional<Moments> Moments::gather(const Votes& votes, const Tabulation& table, const Team& team) {
    const Grid grid(votes.voxels());
    // A sixteenth of a cell a voxel, some 6 bytes; fewer than 2^16 are few in any volume.
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(votes.voxels() / 16, 1 << 16));
    PerThread<Gatherer> gatherers(team);
    try {
        in_runs(block_count(votes), team, [&](std::int64_t first, std::int64_t end, const Worker& worker) {
            Gatherer& gatherer = gatherers.of(worker, [&] { return Gatherer(votes, table, grid, most); });
            for (std::int64_t block = first; block < end && !worker.stopped(); ++block)
                gatherer.add(block);
            gatherer.finish();
        });
    } catch (const NoPlace&) {
        return std::nullopt;
    }
    Moments moments;
    moments.most_ = most;
    moments.count_.resize(table.table.counts().size());
    const auto add_to = [](Sums& to, const Sums& sums) {
        for (std::size_t j = 0; j < orders; ++j)
            to[j] = static_cast<std::int64_t>(static_cast<std::uint64_t>(to[j]) +
                                              static_cast<std::uint64_t>(sums[j]));
    };
    for (std::uint32_t cell = 0; cell < cells; ++cell) {
        Sums sums{};
        gatherers.each([&](const Gatherer& gatherer) {
            for (const int turn : {0, 1})
                add_to(sums, gatherer.empty(cell, turn));
        });
        if (sums[0] > 0) moments.add(0, cell, grid.moments(sums));
    }
    std::vector<std::pair<std::uint64_t, Sums>> others;
    gatherers.each([&](const Gatherer& gatherer) {
        for (std::size_t k = 0; k < gatherer.others().size(); ++k)
            others.emplace_back(gatherer.others().key(k), gatherer.others().sums(k));
    });
    std::sort(others.begin(), others.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    // The same answer for every team: a thread has at most as many keys as all together.
    std::size_t distinct = 0;
    for (std::size_t k = 0; k < others.size(); ++k)
        distinct += k == 0 || others[k].first != others[k - 1].first;
    if (distinct > most) return std::nullopt;
    for (std::size_t k = 0; k < others.size(); ++k) {
        auto& [key, sums] = others[k];
        for (; k + 1 < others.size() && others[k + 1].first == key; ++k)
            add_to(sums, others[k + 1].second);
        moments.add(key / cells, static_cast<std::uint32_t>(key % cells), grid.moments(sums));
    }
    return moments;
}

void Moments::add(std::size_t row, std::uint32_t cell, const std::array<double, orders>& moment) {
    const bool complement = is_complement(cell);
    if (segments_.empty() || segments_.back().row != row || segments_.back().of_complement != complement)
        segments_.push_back({row, complement, middle_.size(), middle_.size()});
    ++segments_.back().end;
    const double h = width_of(cell);
    cell_.push_back(cell);
    width_.push_back(h);
    middle_.push_back(h * middle_of(cell));
    for (std::size_t j = 0; j < orders; ++j)
        moment_[j].push_back(moment[j]);
    count_[row] += moment[0];
    const double x = h * (middle_of(cell) * moment[0] + moment[1]);
    prior_ += complement ? moment[0] - x : x;
}

std::optional<Moments> Moments::of_patterns(const VoteTable& table, bool votes, Watch& watch) const {
    const int raters = table.raters();
    SumsOfKeys<double> found(most_);
    Spread terms(raters);
    const std::vector<double> no_priors;
    const TableRows rows(table, table.counts(), no_priors);
    Patience patience(watch);
    const auto add_to = [&](std::uint64_t row, std::size_t k, double weight) {
        auto* sums = found.of(row * cells + cell_[k]);
        for (std::size_t j = 0; sums && j < orders; ++j)
            (*sums)[j] += weight * moment_[j][k];
        return sums != nullptr;
    };
    for (const Segment& segment : segments_) {
        const auto row = static_cast<std::int64_t>(segment.row);
        const Batch batch = rows.batch(row / batch_rows);
        terms.spread(batch, row % batch_rows, 1);
        for (std::size_t b = 0; b < terms.size(); ++b) {
            const std::uint32_t pattern = terms.pattern()[b];
            for (std::size_t k = segment.begin; k < segment.end; ++k)
                if (!add_to(pattern, k, terms.weight()[b])) return std::nullopt;
            for (int i = 0; votes && i < raters; ++i) {
                const double q = table.votes_of(i)[segment.row];
                if (!is_fractional(q) || pattern >> i & 1) continue;
                const std::size_t of_rater = row_of_votes(raters, i, kernels::without_rater(pattern, i));
                for (std::size_t k = segment.begin; k < segment.end; ++k)
                    if (!add_to(of_rater, k, terms.weight()[b] * q)) return std::nullopt;
            }
            patience.after(static_cast<std::int64_t>(segment.end - segment.begin) * orders);
        }
    }
    std::vector<std::pair<std::uint64_t, std::size_t>> order(found.size());
    for (std::size_t k = 0; k < order.size(); ++k)
        order[k] = {found.key(k), k};
    std::sort(order.begin(), order.end());
    Moments moments;
    moments.count_.resize(pattern_rows(raters, votes));
    for (const auto& [key, k] : order)
        moments.add(key / cells, static_cast<std::uint32_t>(key % cells), found.sums(k));
    return moments;
}

// Of cells of one row and side.
Moments::Found Moments::sums_of(const Segment& segment, const Terms& terms, CellSums& scratch) const {
    Found found{};
    const std::size_t row = segment.row;
    for (std::size_t term = terms.begin[row]; term < terms.begin[row + 1]; ++term) {
        double a = terms.one[term], b = terms.zero[term];
        if (segment.of_complement) std::swap(a, b);
        const double q = terms.weight[term];
        for (std::size_t k = segment.begin; k < segment.end; k += cells_at_once) {
            const std::size_t n = std::min(cells_at_once, segment.end - k);
            std::array<const double*, orders> moment;
            for (std::size_t j = 0; j < orders; ++j)
                moment[j] = moment_[j].data() + k;
            sum_cells(a, b, middle_.data() + k, width_.data() + k, moment, n, scratch);
            found.w += q * total(segment.of_complement ? scratch.u : scratch.w, n);
            found.u += q * total(segment.of_complement ? scratch.w : scratch.u, n);
            found.log_evidence += q * total(scratch.log, n);
        }
    }
    return found;
}

RowSums Moments::sums(const Terms& terms, const Team& team) const {
    constexpr std::int64_t segments_at_once = 32;
    std::vector<Found> found(segments_.size());
    in_runs(
        static_cast<std::int64_t>(segments_.size()), team,
        [&](std::int64_t first, std::int64_t end, const Worker&) {
            CellSums scratch;
            for (auto s = static_cast<std::size_t>(first); s < static_cast<std::size_t>(end); ++s)
                found[s] = sums_of(segments_[s], terms, scratch);
        },
        segments_at_once);
    RowSums sums(count_.size());
    for (std::size_t s = 0; s < segments_.size(); ++s) {
        const std::size_t row = segments_[s].row;
        sums.w[row] += found[s].w;
        sums.u[row] += found[s].u;
        if (row < terms.scored) sums.log_evidence += found[s].log_evidence;
    }
    return sums;
}

} // namespace fastfuse::map
