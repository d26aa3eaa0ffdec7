#include "fastfuse/scaling.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <numeric>

namespace fastfuse {
namespace {

constexpr std::int64_t run_voxels = 16384; // read at a time
constexpr double clipped_percent = 0.1;
constexpr int digit_bits = 16;
constexpr std::size_t digits = std::size_t{1} << digit_bits;

// Numbers as unsigned integers in the same order. Types whose values a float can hold need 32 bits.
bool is_narrow(Scalar type) { return size_of(type) <= 2 || type == Scalar::f32; }

template <class Key, class Real> Key sortable(Real value) {
    Key bits;
    static_assert(sizeof bits == sizeof value, "one bit pattern each");
    std::memcpy(&bits, &value, sizeof bits);
    constexpr Key sign = Key{1} << (8 * sizeof(Key) - 1);
    return bits & sign ? ~bits : bits | sign;
}

template <class Key, class Real> Real unsorted(Key key) {
    constexpr Key sign = Key{1} << (8 * sizeof(Key) - 1);
    const Key bits = key & sign ? key & ~sign : ~key;
    Real value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// How many keys that begin with a prefix have each next digit.
struct Histogram {
    std::uint64_t prefix = 0;
    std::vector<std::int64_t> count = std::vector<std::int64_t>(digits);
};

// Finds order statistics digit by digit, the highest first.
template <class Key, class Real> class Selection {
  public:
    Selection(const View& image, const std::optional<View>& roi, const std::vector<std::int64_t>& shape,
              const Team& team)
        : image_(image), roi_(roi), shape_(shape), team_(team),
          voxels_(std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>())) {}

    std::optional<Scaling> run() {
        std::vector<Histogram> found = read(levels - 1, {0});
        const std::int64_t n = std::accumulate(found[0].count.begin(), found[0].count.end(), std::int64_t{0});
        if (n == 0) return std::nullopt;
        const auto place = [n](double percent) { return static_cast<double>(n - 1) * (percent / 100); };
        const double low = place(clipped_percent), high = place(100 - clipped_percent);
        const auto below = [](double x) { return static_cast<std::int64_t>(std::floor(x)); };
        std::array<Sought, 4> sought{{{below(low)},
                                      {std::min(below(low) + 1, n - 1)},
                                      {below(high)},
                                      {std::min(below(high) + 1, n - 1)}}};
        for (int level = levels - 1;; found = read(--level, prefixes(sought))) {
            for (Sought& one : sought)
                one.take_digit(found);
            if (level == 0) break;
        }
        return Scaling{between(sought[0], sought[1], low - std::floor(low)),
                       between(sought[2], sought[3], high - std::floor(high))};
    }

  private:
    static constexpr int levels = static_cast<int>(8 * sizeof(Key)) / digit_bits;

    // The key that has this rank among those with the prefix found so far.
    struct Sought {
        std::int64_t rank;
        std::uint64_t prefix = 0;

        void take_digit(const std::vector<Histogram>& found) {
            const auto mine = std::find_if(found.begin(), found.end(),
                                           [this](const Histogram& h) { return h.prefix == prefix; });
            std::size_t digit = 0;
            for (; rank >= mine->count[digit]; ++digit)
                rank -= mine->count[digit];
            prefix = prefix << digit_bits | digit;
        }
        double value() const { return static_cast<double>(unsorted<Key, Real>(static_cast<Key>(prefix))); }
    };

    static std::vector<std::uint64_t> prefixes(const std::array<Sought, 4>& sought) {
        std::vector<std::uint64_t> distinct;
        for (const Sought& one : sought)
            if (distinct.empty() || distinct.back() != one.prefix) distinct.push_back(one.prefix);
        return distinct;
    }

    // NumPy's way to round.
    static double between(const Sought& lower, const Sought& upper, double share) {
        const double a = lower.value(), b = upper.value();
        return share >= 0.5 ? b - (b - a) * (1 - share) : a + (b - a) * share;
    }

    // One read of the image: the histograms of the digit at `level` behind each prefix.
    std::vector<Histogram> read(int level, const std::vector<std::uint64_t>& prefixes) const {
        std::vector<Histogram> empty(prefixes.size());
        for (std::size_t k = 0; k < prefixes.size(); ++k)
            empty[k].prefix = prefixes[k];
        std::vector<std::vector<Histogram>> own(static_cast<std::size_t>(team_.size()), empty);
        team_.run((voxels_ + run_voxels - 1) / run_voxels, [&](std::int64_t job, const Worker& worker) {
            count_run(job * run_voxels, level, own[static_cast<std::size_t>(worker.thread)]);
        });
        for (const auto& histograms : own)
            for (std::size_t k = 0; k < empty.size(); ++k)
                for (std::size_t digit = 0; digit < digits; ++digit)
                    empty[k].count[digit] += histograms[k].count[digit];
        return empty;
    }

    void count_run(std::int64_t first, int level, std::vector<Histogram>& histograms) const {
        const std::int64_t n = std::min(run_voxels, voxels_ - first);
        std::vector<double> value(static_cast<std::size_t>(n)), inside(value.size(), 1.0);
        std::vector<std::byte> copy;
        widen_all(image_.type, native_run(image_, shape_, first, n, copy), n, value.data());
        if (roi_) widen_all(roi_->type, native_run(*roi_, shape_, first, n, copy), n, inside.data());
        const int shift = level * digit_bits;
        for (std::size_t k = 0; k < value.size(); ++k) {
            if (!std::isfinite(value[k]) || inside[k] == 0) continue;
            const Key head = static_cast<Key>(sortable<Key, Real>(static_cast<Real>(value[k])) >> shift);
            const std::uint64_t prefix = static_cast<std::uint64_t>(head) >> digit_bits;
            for (Histogram& histogram : histograms)
                if (histogram.prefix == prefix) ++histogram.count[head & (digits - 1)];
        }
    }

    const View& image_;
    const std::optional<View>& roi_;
    const std::vector<std::int64_t>& shape_;
    const Team& team_;
    std::int64_t voxels_;
};

} // namespace

std::optional<Scaling> find_scaling(const View& image, const std::optional<View>& roi,
                                    const std::vector<std::int64_t>& shape, const Team& team) {
    if (is_narrow(image.type)) return Selection<std::uint32_t, float>(image, roi, shape, team).run();
    return Selection<std::uint64_t, double>(image, roi, shape, team).run();
}

} // namespace fastfuse
