#include "dilation/ring.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <queue>

namespace fastfuse {
namespace {

constexpr int most_cuts = 100; // 0.99 … 0.00

std::vector<double> falling_cuts() {
    std::vector<double> cuts;
    double cut = 0.99;
    for (int k = 0; k < most_cuts; ++k, cut -= 0.01) // summed up as in the authors' code
        cuts.push_back(cut);
    return cuts;
}

// Moves candidates of one lesion into its ring, once they are connected to the mask.
class Taker {
  public:
    Taker(const Lesion& lesion, const Field& field) : lesion_(lesion), field_(field) {}

    std::int64_t taken() const { return taken_; }

    void enter(std::int64_t voxel) {
        if (touches(voxel))
            take_component(voxel);
        else
            field_.note(voxel, State::entered, lesion_.number);
    }

    bool touches(std::int64_t voxel) const {
        bool found = false;
        field_.faces(voxel, [&](std::int64_t face) {
            found |=
                field_.is(face, State::mask, lesion_.number) || field_.is(face, State::ring, lesion_.number);
        });
        return found;
    }

  private:
    // Takes the voxel and its component among the entered ones.
    void take_component(std::int64_t voxel) {
        take(voxel);
        for (pending_.assign(1, voxel); !pending_.empty();) {
            const std::int64_t from = pending_.back();
            pending_.pop_back();
            field_.faces(from, [&](std::int64_t face) {
                if (!field_.is(face, State::entered, lesion_.number)) return;
                take(face);
                pending_.push_back(face);
            });
        }
    }

    void take(std::int64_t voxel) {
        field_.note(voxel, State::ring, lesion_.number);
        ++taken_;
    }

    const Lesion& lesion_;
    const Field& field_;
    std::int64_t taken_ = 0;
    std::vector<std::int64_t> pending_;
};

// Index of the first of the falling cuts below the intensity; their number if there is none.
std::size_t first_below(const std::vector<double>& cuts, double intensity) {
    const auto last = static_cast<double>(cuts.size());
    // Cuts are 0.01 apart up to rounding: a guess, rounded down, is at most two steps away.
    auto k = static_cast<std::size_t>(std::clamp((cuts[0] - intensity) * 100, 0.0, last));
    while (k > 0 && intensity > cuts[k - 1])
        --k;
    while (k < cuts.size() && !(intensity > cuts[k]))
        ++k;
    return k;
}

bool reached(const Lesion& lesion, std::int64_t ring, double size) {
    const auto mask = static_cast<double>(lesion.mask_voxels);
    return (mask + static_cast<double>(ring)) / mask >= size;
}

// Lowers the cut until the ring is large enough, or to the last cut.
Ring ring_by_cuts(const Lesion& lesion, const std::vector<double>& cuts, const DilationOptions& options,
                  const Field& field, const Worker& worker) {
    std::vector<std::size_t> end(cuts.size() + 1); // number of voxels that have entered at each cut
    std::vector<std::uint8_t> enters(options.connected ? lesion.candidates.size() : 0);
    Pace pace(worker);
    for (std::size_t c = 0; c < lesion.candidates.size(); ++c) {
        if (pace.stopped_after(1)) return {};
        const std::size_t k = first_below(cuts, lesion.candidates[c].intensity);
        if (options.connected) enters[c] = static_cast<std::uint8_t>(k);
        ++end[k];
    }
    std::partial_sum(end.begin(), end.end(), end.begin());
    if (!options.connected)
        for (std::size_t k = 0;; ++k) {
            const auto ring = static_cast<std::int64_t>(end[k]);
            if (reached(lesion, ring, options.size) || k + 1 == cuts.size()) return {cuts[k], ring};
        }

    std::vector<std::size_t> order(enters.size()); // candidates, by the cut at which they enter
    std::vector<std::size_t> next(end.begin(), end.end());
    for (std::size_t c = order.size(); c-- > 0;) {
        if (pace.stopped_after(1)) return {};
        order[--next[enters[c]]] = c;
    }
    Taker taker(lesion, field);
    std::size_t taken = 0;
    for (std::size_t k = 0;; ++k) {
        for (; taken < end[k]; ++taken) {
            taker.enter(lesion.candidates[order[taken]].voxel);
            if (pace.stopped_after(6)) return {};
        }
        if (reached(lesion, taker.taken(), options.size) || k + 1 == cuts.size())
            return {cuts[k], taker.taken()};
    }
}

// Ordered for a heap: the brightest comes first, and of equally bright ones that with the lowest rank.
struct Ranked {
    double intensity;
    std::int64_t rank, voxel;
    bool operator<(const Ranked& other) const {
        return intensity != other.intensity ? intensity < other.intensity : rank > other.rank;
    }
};

std::int64_t wanted(const Lesion& lesion, double size) {
    const double exact = (size - 1) * static_cast<double>(lesion.mask_voxels);
    const double rounded = std::ceil(exact - 0.5e-9); // 0.1 · 30 is not 3 in floats
    return static_cast<std::int64_t>(std::min(rounded, static_cast<double>(lesion.candidates.size())));
}

// Takes the brightest candidates one by one. If connected, each must touch the mask or the ring so far.
Ring ring_by_rank(Lesion& lesion, const DilationOptions& options, const Field& field, const Worker& worker) {
    const Taker taker(lesion, field);
    std::vector<Ranked> first;
    first.reserve(lesion.candidates.size());
    Pace pace(worker);
    for (const Candidate& candidate : lesion.candidates) {
        if (pace.stopped_after(6)) return {};
        if (options.connected && !taker.touches(candidate.voxel)) continue;
        field.note(candidate.voxel, State::entered, lesion.number);
        first.push_back({candidate.intensity, field.rank(candidate.voxel), candidate.voxel});
    }
    const auto darker = [&](const Ranked& a, const Ranked& b) {
        if (pace.stopped_after(8)) throw Interrupted();
        return a < b;
    };
    std::priority_queue open(darker, std::move(first));
    const auto by_voxel = [&](const Candidate& a, const Candidate& b) {
        if (pace.stopped_after(8)) throw Interrupted();
        return a.voxel < b.voxel;
    };
    if (options.connected) std::sort(lesion.candidates.begin(), lesion.candidates.end(), by_voxel);

    Ring ring{std::numeric_limits<double>::quiet_NaN(), 0};
    for (const std::int64_t most = wanted(lesion, options.size); ring.voxels < most && !open.empty();
         ++ring.voxels) {
        const Ranked best = open.top();
        open.pop();
        field.note(best.voxel, State::ring, lesion.number);
        ring.cut = ring.voxels ? std::min(ring.cut, best.intensity) : best.intensity;
        field.faces(best.voxel, [&](std::int64_t face) { // waiting: it did not touch before
            if (!field.is(face, State::waiting, lesion.number)) return;
            field.note(face, State::entered, lesion.number);
            const auto found = std::lower_bound(lesion.candidates.begin(), lesion.candidates.end(),
                                                Candidate{face, 0}, by_voxel);
            open.push({found->intensity, field.rank(face), face});
        });
        if (pace.stopped_after(64)) return {};
    }
    return ring;
}

} // namespace

bool needs_notes(const DilationOptions& options) { return options.connected || options.cut == Cut::exact; }

Ring find_ring(Lesion& lesion, const DilationOptions& options, const Field& field, const Worker& worker) {
    switch (options.cut) {
    case Cut::adaptive: return ring_by_cuts(lesion, falling_cuts(), options, field, worker);
    case Cut::fixed: return ring_by_cuts(lesion, {options.intensity}, options, field, worker);
    case Cut::exact: return ring_by_rank(lesion, options, field, worker);
    }
    return {};
}

} // namespace fastfuse
