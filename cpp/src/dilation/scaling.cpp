#include "fastfuse/dilation.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <numeric>
#include <type_traits>

namespace fastfuse {
namespace {

constexpr std::int64_t run_voxels = 16384; // of one read
constexpr double clipped_percent = 0.1;
constexpr int digit_bits = 16;
constexpr std::size_t digits = std::size_t{1} << digit_bits;

// Counts of the next digit, over keys that begin with a prefix.
struct Histogram {
    explicit Histogram(std::uint64_t of = 0) : prefix(of), count(digits) {}
    std::uint64_t prefix;
    std::vector<std::int64_t> count;
};

// Counts of elements of one digit, in four tables by turns: neighbours are often alike, and would wait for
// each other's count. Tables are of 32 bits, so that they stay in a cache.
class DigitCounts {
  public:
    static constexpr std::int64_t most = std::int64_t{1} << 32; // elements

    // n: a multiple of 4.
    template <class Bits> void add(const std::byte* data, std::int64_t n) {
        static_assert(8 * sizeof(Bits) == digit_bits);
        if (counts_.empty()) counts_.resize(4 * digits);
        std::uint32_t* counts = counts_.data();
        for (std::int64_t k = 0; k < n; k += 4) {
            std::array<Bits, 4> elements;
            std::memcpy(elements.data(), data + k * static_cast<std::int64_t>(sizeof(Bits)), sizeof elements);
            for (std::size_t way = 0; way < 4; ++way)
                ++counts[way * digits + elements[way]];
        }
    }

    // Adds the counts to those of keys, whose bits are flipped.
    void add_to(std::vector<std::int64_t>& keys, std::size_t flip) const {
        for (std::size_t k = 0; k < counts_.size(); ++k)
            keys[(k % digits) ^ flip] += counts_[k];
    }

  private:
    std::vector<std::uint32_t> counts_;
};

// The key with this rank among those with the prefix found so far.
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
};

std::vector<std::uint64_t> prefixes(const std::array<Sought, 4>& sought) {
    std::vector<std::uint64_t> distinct;
    for (const Sought& one : sought)
        if (distinct.empty() || distinct.back() != one.prefix) distinct.push_back(one.prefix);
    return distinct;
}

// Linear interpolation, rounded as NumPy's.
double between(double a, double b, double share) {
    return share >= 0.5 ? b - (b - a) * (1 - share) : a + (b - a) * share;
}

bool is_signed(Scalar type) {
    return type == Scalar::i8 || type == Scalar::i16 || type == Scalar::i32 || type == Scalar::i64;
}

// Finds order statistics of elements stored as Bits, digit by digit from the highest.
template <class Bits, bool is_float> class Selection {
  public:
    Selection(const View& image, const std::optional<View>& roi, const std::vector<std::int64_t>& shape,
              const Team& team)
        : image_(image), roi_(roi), shape_(shape), team_(team),
          voxels_(std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>())),

          flip_(is_float || is_signed(image.type) ? sign : 0) {}

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
        return Scaling{between(value(sought[0]), value(sought[1]), low - std::floor(low)),
                       between(value(sought[2]), value(sought[3]), high - std::floor(high))};
    }

  private:
    static constexpr int bits = static_cast<int>(8 * sizeof(Bits));
    static constexpr int levels = (bits + digit_bits - 1) / digit_bits;
    static constexpr std::int64_t group = 64;
    static constexpr Bits sign = static_cast<Bits>(Bits{1} << (bits - 1));

    // Unsigned integers in the order of the values.
    Bits key_of(Bits element) const {
        if constexpr (is_float) return static_cast<Bits>(element & sign ? ~element : element | sign);
        return static_cast<Bits>(element ^ flip_);
    }

    Bits element_of(Bits key) const {
        return static_cast<Bits>(is_float && !(key & sign) ? ~key : key ^ flip_);
    }

    double value(const Sought& sought) const {
        const Bits element = element_of(static_cast<Bits>(sought.prefix));
        std::array<std::byte, sizeof element> native;
        std::memcpy(native.data(), &element, sizeof element);
        double widened = 0;
        widen_all(image_.type, native.data(), 1, &widened);
        return widened;
    }

    // Reads the image once: histograms of the digit at `level` after each prefix.
    std::vector<Histogram> read(int level, const std::vector<std::uint64_t>& wanted) const {
        std::vector<std::vector<Histogram>> own(static_cast<std::size_t>(team_.size()));
        for (auto& histograms : own)
            histograms = std::vector<Histogram>(wanted.begin(), wanted.end());
        std::vector<DigitCounts> whole(
            own.size()); // by each thread, of groups that no end of a run cuts short
        team_.run((voxels_ + run_voxels - 1) / run_voxels, [&](std::int64_t job, const Worker& worker) {
            const auto thread = static_cast<std::size_t>(worker.thread);
            count_run(job * run_voxels, level * digit_bits, own[thread], whole[thread]);
        });
        for (std::size_t thread = 0; thread < own.size(); ++thread)
            whole[thread].add_to(own[thread][0].count, static_cast<std::size_t>(flip_));
        for (std::size_t thread = 1; thread < own.size(); ++thread)
            for (std::size_t k = 0; k < wanted.size(); ++k)
                std::transform(own[thread][k].count.begin(), own[thread][k].count.end(),
                               own[0][k].count.begin(), own[0][k].count.begin(), std::plus<>());
        return std::move(own[0]);
    }

    void count_run(std::int64_t first, int shift, std::vector<Histogram>& histograms,
                   DigitCounts& whole) const {
        const std::int64_t n = std::min(run_voxels, voxels_ - first);
        std::vector<std::byte> copy, roi_copy;
        std::vector<double> in_roi;
        const std::byte* data = native_run(image_, shape_, first, n, copy);
        if (roi_) {
            in_roi.resize(static_cast<std::size_t>(n));
            widen_all(roi_->type, native_run(*roi_, shape_, first, n, roi_copy), n, in_roi.data());
        }
        const double* inside = roi_ ? in_roi.data() : nullptr;
        if (shift + digit_bits >= bits)
            count_first_digits(data, inside, n, histograms[0].count.data(), whole);
        else
            for (Histogram& histogram : histograms) // the run stays in the cache
                count_digits(data, inside, n, shift, histogram);
    }

    // The element's key; none if it is not finite or outside the roi.
    std::optional<Bits> key_at(const std::byte* data, const double* inside, std::int64_t k) const {
        if (inside && inside[k] == 0) return std::nullopt;
        Bits element;
        std::memcpy(&element, data + k * static_cast<std::int64_t>(sizeof element), sizeof element);
        if (is_float && !is_finite(element)) return std::nullopt;
        return key_of(element);
    }

    // Zeros, which surround a head, are counted in groups.
    void count_first_digits(const std::byte* data, const double* inside, std::int64_t n, std::int64_t* count,
                            [[maybe_unused]] DigitCounts& whole) const {
        constexpr int shift = (levels - 1) * digit_bits;
        constexpr auto item = static_cast<std::int64_t>(sizeof(Bits));
        for (std::int64_t begin = 0; begin < n; begin += group) {
            const std::int64_t end = std::min(begin + group, n);
            Bits first;
            std::memcpy(&first, data + begin * item, sizeof first);
            if (!inside && first == 0 && all_zero(data + begin * item, (end - begin) * item)) {
                count[key_of(Bits{0}) >> shift] += end - begin;
                continue;
            }
            if constexpr (bits == digit_bits && !is_float)
                if (!inside && end - begin == group && voxels_ < DigitCounts::most) {
                    whole.add<Bits>(data + begin * item, group);
                    continue;
                }
            if (!is_float && !inside && end - begin == group) {
                count_whole_group(data + begin * item, count);
                continue;
            }
            for (std::int64_t k = begin; k < end; ++k)
                if (const auto key = key_at(data, inside, k)) ++count[*key >> shift];
        }
    }

    // Of a group whose elements all count: nothing is asked of each.
    void count_whole_group(const std::byte* data, std::int64_t* count) const {
        const Bits flip = flip_;
        for (std::int64_t k = 0; k < group; ++k) {
            Bits element;
            std::memcpy(&element, data + k * static_cast<std::int64_t>(sizeof element), sizeof element);
            ++count[static_cast<Bits>(element ^ flip) >> (levels - 1) * digit_bits];
        }
    }

    // Most elements have another prefix, and are skipped in groups.
    void count_digits(const std::byte* data, const double* inside, std::int64_t n, int shift,
                      Histogram& histogram) const {
        const int prefix_shift = shift + digit_bits;
        const auto wanted = static_cast<Bits>(
            element_of(static_cast<Bits>(histogram.prefix << prefix_shift)) >> prefix_shift);
        for (std::int64_t begin = 0; begin < n; begin += group) {
            const std::int64_t end = std::min(begin + group, n);
            if (!any_begins_with(data, begin, end, wanted, prefix_shift)) continue;
            for (std::int64_t k = begin; k < end; ++k) {
                const auto key = key_at(data, inside, k);
                if (!key || static_cast<std::uint64_t>(*key) >> prefix_shift != histogram.prefix) continue;
                ++histogram.count[static_cast<std::size_t>(*key >> shift) & (digits - 1)];
            }
        }
    }

    static bool any_begins_with(const std::byte* data, std::int64_t begin, std::int64_t end, Bits wanted,
                                int shift) {
        unsigned found = 0;
        for (std::int64_t k = begin; k < end; ++k) {
            Bits element;
            std::memcpy(&element, data + k * static_cast<std::int64_t>(sizeof element), sizeof element);
            found |= static_cast<Bits>(element >> shift) == wanted;
        }
        return found != 0;
    }

    static bool is_finite(Bits element) {
        constexpr int fraction_bits = bits == 64 ? 52 : bits == 32 ? 23 : 10;
        constexpr auto exponent = static_cast<Bits>((sign - 1) & ~((Bits{1} << fraction_bits) - 1));
        return (element & exponent) != exponent;
    }

    const View& image_;
    const std::optional<View>& roi_;
    const std::vector<std::int64_t>& shape_;
    const Team& team_;
    std::int64_t voxels_;
    Bits flip_; // bits to flip so that signed integers sort as unsigned ones
};

} // namespace

std::optional<Scaling> find_scaling(const View& image, const std::optional<View>& roi,
                                    const std::vector<std::int64_t>& shape, const Team& team) {
    switch (image.type) {
    case Scalar::boolean:
    case Scalar::u8:
    case Scalar::i8: return Selection<std::uint8_t, false>(image, roi, shape, team).run();
    case Scalar::u16:
    case Scalar::i16: return Selection<std::uint16_t, false>(image, roi, shape, team).run();
    case Scalar::u32:
    case Scalar::i32: return Selection<std::uint32_t, false>(image, roi, shape, team).run();
    case Scalar::u64:
    case Scalar::i64: return Selection<std::uint64_t, false>(image, roi, shape, team).run();
    case Scalar::f16: return Selection<std::uint16_t, true>(image, roi, shape, team).run();
    case Scalar::f32: return Selection<std::uint32_t, true>(image, roi, shape, team).run();
    case Scalar::f64: return Selection<std::uint64_t, true>(image, roi, shape, team).run();
    }
    return std::nullopt;
}

} // namespace fastfuse
