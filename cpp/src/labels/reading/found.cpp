// The labels that occur.
#include <algorithm>
#include <cstring>
#include <limits>
#include <unordered_set>
#include <vector>

#include "fastfuse/labels.hpp"
#include "labels/reading/blocks.hpp"
#include "support/runs.hpp"

namespace fastfuse {
namespace {

// The labels that one thread meets.
class Finder {
  public:
    explicit Finder(const Votes& votes)
        : votes_(votes), inside_(votes), seen_(votes.raters.size()), wide_(block_voxels) {
        for (std::size_t i = 0; i < seen_.size(); ++i)
            if (is_narrow(votes.raters[i].type)) seen_[i].resize(1 << 16);
    }

    void look(std::int64_t index) {
        first_ = index * block_voxels;
        voxels_ = std::min(block_voxels, votes_.voxels() - first_);
        inside_.read(first_, voxels_);
        for (int i = 0; i < votes_.size(); ++i)
            look_at(i);
    }

    // Adds what has been found, in any order.
    void tell(std::vector<std::int64_t>& labels) const {
        labels.insert(labels.end(), others_.begin(), others_.end());
        for (std::size_t i = 0; i < seen_.size(); ++i)
            for (std::size_t bits = 0; bits < seen_[i].size(); ++bits)
                if (seen_[i][bits]) labels.push_back(label_of(votes_.raters[i].type, bits));
    }

  private:
    static bool is_narrow(Scalar type) {
        return type == Scalar::u8 || type == Scalar::i8 || type == Scalar::u16 || type == Scalar::i16;
    }

    static std::int64_t label_of(Scalar type, std::size_t bits) {
        if (type == Scalar::i8) return static_cast<std::int8_t>(bits);
        if (type == Scalar::i16) return static_cast<std::int16_t>(bits);
        return static_cast<std::int64_t>(bits);
    }

    void look_at(int rater) {
        const View& view = votes_.raters[static_cast<std::size_t>(rater)];
        const std::byte* from = native_run(view, votes_.shape, first_, voxels_, native_);
        const std::uint8_t* inside = inside_.of_rater(rater);
        switch (view.type) {
        case Scalar::u8:
        case Scalar::i8: return mark<std::uint8_t>(from, inside, seen_[static_cast<std::size_t>(rater)]);
        case Scalar::u16:
        case Scalar::i16: return mark<std::uint16_t>(from, inside, seen_[static_cast<std::size_t>(rater)]);
        default: return look_at_wide(rater, view.type, from, inside);
        }
    }

    template <class T>
    void mark(const std::byte* from, const std::uint8_t* inside, std::vector<std::uint8_t>& seen) const {
        for (std::int64_t k = 0; k < voxels_; ++k) {
            T value;
            std::memcpy(&value, from + k * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
            if (!inside || inside[k]) seen[value] = 1;
        }
    }

    void look_at_wide(int rater, Scalar type, const std::byte* from, const std::uint8_t* inside) {
        widen_all(type, from, voxels_, wide_.data());
        double last = std::numeric_limits<double>::quiet_NaN();
        for (std::int64_t k = 0; k < voxels_; ++k) {
            const double value = wide_[static_cast<std::size_t>(k)];
            if ((inside && !inside[k]) || value == last) continue; // neighbours mostly have the same label
            const Reading reading = read_label(value, votes_.missing == Missing::nan);
            if (reading.wrong) throw BadInput(*reading.wrong, rater, first_ + k, value);
            if (reading.missing) continue;
            last = value;
            others_.insert(reading.label);
            if (static_cast<std::int64_t>(others_.size()) > most_labels)
                throw BadInput(BadInput::Kind::too_many_labels, rater, first_ + k, value);
        }
    }

    const Votes& votes_;
    std::int64_t first_ = 0, voxels_ = 0;
    Inside inside_;
    std::vector<std::vector<std::uint8_t>> seen_; // by rater and bits, of values of at most 16 bits
    std::unordered_set<std::int64_t> others_;
    std::vector<double> wide_;
    std::vector<std::byte> native_;
};

} // namespace

std::vector<std::int64_t> find_labels(const Votes& votes, int threads, const ShouldStop& ask) {
    const Team team = team_for(votes, threads, ask);
    PerThread<Finder> finders(team);
    in_runs(block_count(votes), team, [&](std::int64_t first, std::int64_t end, const Worker& worker) {
        Finder& finder = finders.of(worker, [&] { return Finder(votes); });
        for (std::int64_t b = first; b < end; ++b)
            finder.look(b);
    });
    std::vector<std::int64_t> labels;
    finders.each([&](const Finder& finder) { finder.tell(labels); });
    std::sort(labels.begin(), labels.end());
    labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
    if (static_cast<std::int64_t>(labels.size()) > most_labels)
        throw BadInput(BadInput::Kind::too_many_labels, -1, -1, static_cast<double>(labels.size()));
    return labels;
}

} // namespace fastfuse
