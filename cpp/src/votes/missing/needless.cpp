#include "votes/missing/needless.hpp"

#include <algorithm>
#include <array>
#include <atomic>

#include "votes/layout/runs.hpp"
#include "votes/masks/marks.hpp"
#include "votes/missing/nan.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t piece = 4096; // voxels

// Whether all pieces of an array are such.
template <class IsSuch>
bool everywhere(const View& view, const Votes& votes, const Team& team, const IsSuch& is_such) {
    std::atomic<bool> all{true};
    PerThread<NativeRuns> runs(team);
    team.run((votes.voxels() + piece - 1) / piece, [&](std::int64_t job, const Worker& worker) {
        if (!all.load(std::memory_order_relaxed)) return;
        const std::int64_t first = job * piece, n = std::min(piece, votes.voxels() - first);
        NativeRuns& own = runs.of(worker, [&] { return NativeRuns(view, votes.shape); });
        if (!is_such(own.at(first, n), n)) all.store(false, std::memory_order_relaxed);
    });
    return all.load();
}

bool holds_nan(const View& view, const Votes& votes, const Team& team) {
    if (view.type != Scalar::f16 && view.type != Scalar::f32 && view.type != Scalar::f64) return false;
    return !everywhere(view, votes, team, [&](const std::byte* from, std::int64_t n) {
        std::array<float, piece> values; // a double that is no NaN makes no float that is one
        convert_all(view.type, from, n, values.data());
        return !has_nan(values.data(), n);
    });
}

bool is_all_one(const View& view, const Votes& votes, const Team& team) {
    return everywhere(view, votes, team, [&](const std::byte* from, std::int64_t n) {
        std::array<std::uint8_t, piece> ones;
        return masks::read_ones(view.type, from, n, ones.data()) && masks::are_ones(ones.data(), n);
    });
}

} // namespace

Votes without_needless_marks(const Votes& votes, const Team& team) {
    Votes plain = votes;
    const auto holds = [&](const View& view) { return holds_nan(view, votes, team); };
    if (plain.missing == Missing::nan && std::none_of(plain.raters.begin(), plain.raters.end(), holds))
        plain.missing = Missing::error;
    for (auto& present : plain.present)
        if (present && is_all_one(*present, votes, team)) present.reset();
    if (std::none_of(plain.present.begin(), plain.present.end(), [](const auto& one) { return bool(one); }))
        plain.present.clear();
    return plain;
}

} // namespace fastfuse
