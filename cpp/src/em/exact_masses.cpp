#include "em/exact_masses.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "em/spread.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

// A double near `coarse` is a multiple of 2^-26, and one near `fine` a multiple of 2^-53.
constexpr double coarse = 0x1.8p26, fine = 0x1.8p-1;
constexpr double units = 0x1p53; // one voxel is so many units
constexpr int part_bits = 53;
// So many voxels add up in doubles without rounding: Σ |high| <= 2^26 and Σ |low| <= 2^-1.
constexpr double most_at_once = 0x1p26;

// Adds count times a rounded term: to `high` its multiple of 2^-26, to `low` what is left of it.
inline void add_term(double term, double count, double& high, double& low) {
    const double top = (term + coarse) - coarse;
    const double rest = ((term - top) + fine) - fine;
    high += count * top;
    low += count * rest;
}

FASTFUSE_CLONES void add_terms(std::size_t n, const double* weight, double factor, double count, double* high,
                               double* low) {
    for (std::size_t b = 0; b < n; ++b)
        add_term(factor * weight[b], count, high[b], low[b]);
}

// Sums of one group: in doubles for a while, then in whole numbers.
class Sums53 {
  public:
    explicit Sums53(std::size_t size) : high_(size), low_(size), whole_(size), part_(size) {}

    // Makes room for so many voxels, at most most_at_once.
    void expect(double count) {
        if (held_ + count > most_at_once) settle();
        held_ += count;
    }
    double* high(std::size_t at) { return high_.data() + at; }
    double* low(std::size_t at) { return low_.data() + at; }

    void settle() {
        for (std::size_t b = 0; b < high_.size(); ++b) {
            const double floor = std::floor(high_[b]);
            add(b, static_cast<std::int64_t>(floor),
                static_cast<std::int64_t>((high_[b] - floor) * units) +
                    static_cast<std::int64_t>(low_[b] * units));
            high_[b] = low_[b] = 0;
        }
        held_ = 0;
    }

    // Both have settled.
    void add(const Sums53& other) {
        for (std::size_t b = 0; b < whole_.size(); ++b)
            add(b, other.whole_[b], other.part_[b]);
    }

    const std::vector<std::int64_t>& whole() const { return whole_; }
    const std::vector<std::int64_t>& part() const { return part_; }

  private:
    void add(std::size_t at, std::int64_t whole, std::int64_t part) {
        part_[at] += part;
        whole_[at] += whole + (part_[at] >> part_bits);
        part_[at] &= (std::int64_t{1} << part_bits) - 1;
    }

    double held_ = 0;
    std::vector<double> high_, low_;
    std::vector<std::int64_t> whole_, part_;
};

struct TooMany {};

// What one share of the rows adds up to, by the raters who have no vote.
class Gathered {
  public:
    explicit Gathered(int raters) : raters_(raters), patterns_(std::size_t{1} << raters), terms_(raters) {}

    // Returns how many terms the row has.
    std::int64_t add(const Batch& batch, std::int64_t row) {
        double left = batch.count[row];
        if (!(left > 0)) return 0;
        voxels_ += static_cast<std::int64_t>(left);
        Sums53& sums = group(absent_from(batch, row));
        terms_.spread(batch, row, 1);
        for (; left > 0; left -= most_at_once)
            add_terms_of(batch, row, std::min(left, most_at_once), sums);
        return static_cast<std::int64_t>(terms_.size());
    }

    void settle() {
        for (auto& [absent, sums] : groups_)
            sums->settle();
    }

    void add(Gathered&& other) {
        voxels_ += other.voxels_;
        for (auto& [absent, sums] : other.groups_) {
            auto& own = groups_[absent];
            if (own)
                own->add(*sums);
            else
                own = std::move(sums);
        }
        check();
    }

    MassSums answer() const {
        MassSums sums;
        sums.raters = raters_;
        sums.voxels = voxels_;
        for (const auto& [absent, group] : groups_) {
            sums.absent.push_back(absent);
            sums.whole.insert(sums.whole.end(), group->whole().begin(), group->whole().end());
            sums.part.insert(sums.part.end(), group->part().begin(), group->part().end());
        }
        return sums;
    }

  private:
    static std::uint32_t absent_from(const Batch& batch, std::int64_t row) {
        std::uint32_t absent = 0;
        for (int i = 0; batch.may_miss && i < batch.raters; ++i)
            absent |= static_cast<std::uint32_t>(is_missing(batch.votes_of(i)[row])) << i;
        return absent;
    }

    Sums53& group(std::uint32_t absent) {
        auto& sums = groups_[absent];
        if (!sums) {
            check();
            sums = std::make_unique<Sums53>(patterns_ * (static_cast<std::size_t>(raters_) + 1));
        }
        return *sums;
    }

    void check() const {
        if (groups_.size() * patterns_ > static_cast<std::size_t>(most_masses)) throw TooMany();
    }

    void add_terms_of(const Batch& batch, std::int64_t row, double count, Sums53& sums) {
        sums.expect(count);
        add_times(1, count, 0, sums); // eq. (8)
        for (int i = 0; i < raters_; ++i) {
            const double q = batch.votes_of(i)[row];
            if (q > 0) add_times(q, count, static_cast<std::size_t>(i + 1) * patterns_, sums);
        }
    }

    void add_times(double factor, double count, std::size_t at, Sums53& sums) {
        if (terms_.is_whole())
            return add_terms(terms_.size(), terms_.weight(), factor, count, sums.high(at), sums.low(at));
        for (std::size_t b = 0; b < terms_.size(); ++b) {
            const std::size_t place = at + terms_.pattern()[b];
            add_term(factor * terms_.weight()[b], count, *sums.high(place), *sums.low(place));
        }
    }

    int raters_;
    std::size_t patterns_;
    std::int64_t voxels_ = 0;
    Spread terms_;
    std::map<std::uint32_t, std::unique_ptr<Sums53>> groups_;
};

// Sums do not depend on the shares: a share for each thread, as far as memory is meant for it.
std::int64_t shares_of(int raters, const Team& team) {
    constexpr std::int64_t most_bytes = std::int64_t{1} << 28;
    const std::int64_t bytes = 32 * ((std::int64_t{1} << raters) * (raters + 1));
    return std::clamp<std::int64_t>(most_bytes / bytes, 1, team.size());
}

} // namespace

std::optional<MassSums> gather_exactly(const Rows& rows, const Team& team) {
    if (rows.raters() > most_raters_of_masses) return std::nullopt;
    const std::int64_t shares = shares_of(rows.raters(), team);
    std::vector<std::unique_ptr<Gathered>> parts(static_cast<std::size_t>(shares));
    try {
        team.run(shares, [&](std::int64_t share, const Worker& worker) {
            auto gathered = std::make_unique<Gathered>(rows.raters());
            const auto reader = rows.reader();
            Pace pace(worker);
            for (std::int64_t index = share; index < rows.batches(); index += shares) {
                const Batch batch = reader->read(index);
                for (std::int64_t row = 0; row < batch.rows; ++row) {
                    if (pace.stopped_after(gathered->add(batch, row) * batch.raters)) return;
                }
            }
            gathered->settle();
            parts[static_cast<std::size_t>(share)] = std::move(gathered);
        });
        for (std::size_t share = 1; share < parts.size(); ++share)
            parts[0]->add(std::move(*parts[share]));
    } catch (const TooMany&) {
        return std::nullopt;
    }
    return parts[0]->answer();
}

} // namespace fastfuse
