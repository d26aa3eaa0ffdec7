#include "engines/disputed.hpp"

#include <algorithm>
#include <array>

#include "engines/lanes/tile_walk.hpp"
#include "support/lanes.hpp"
#include "support/simd.hpp"
#include "votes/block_walk.hpp"

namespace fastfuse {
namespace {

enum class Verdict : std::uint8_t { disputed, unmarked, marked };

Verdict verdict_on(const Batch& batch, std::int64_t row) {
    bool yes = false, no = false;
    int readers = 0;
    for (int i = 0; i < batch.raters; ++i) {
        const double q = batch.votes_of(i)[row];
        if (is_missing(q)) continue;
        yes |= q != 0;
        no |= q != 1;
        ++readers;
    }
    const bool alone =
        readers < std::min(batch.raters, 2); // fewer than two votes of several raters: no agreement
    if (alone || (yes && no)) return Verdict::disputed;
    return yes ? Verdict::marked : Verdict::unmarked;
}

struct Tally {
    explicit Tally(int raters = 0) : read(static_cast<std::size_t>(raters)), volume(read.size()) {}
    void add(const Tally& other) {
        for (std::size_t i = 0; i < read.size(); ++i) {
            read[i] += other.read[i];
            volume[i] += other.volume[i];
        }
    }
    // Adds a row on which all raters agree.
    void add(const Batch& batch, std::int64_t row, bool marked) {
        for (int i = 0; i < batch.raters; ++i) {
            if (is_missing(batch.votes_of(i)[row])) continue;
            read[static_cast<std::size_t>(i)] += batch.count[row];
            if (marked) volume[static_cast<std::size_t>(i)] += batch.count[row];
        }
    }
    std::vector<double> read, volume;
};

template <class T> View view_of_run(const T* data, Scalar type, const std::vector<std::int64_t>& shape) {
    View view;
    view.data = reinterpret_cast<const std::byte*>(data);
    view.type = type;
    view.strides.resize(shape.size());
    std::ptrdiff_t stride = sizeof(T);
    for (std::size_t axis = shape.size(); axis-- > 0; stride *= static_cast<std::ptrdiff_t>(shape[axis]))
        view.strides[axis] = stride;
    return view;
}

} // namespace

View view_of(const std::vector<std::uint8_t>& bytes, const std::vector<std::int64_t>& shape) {
    return view_of_run(bytes.data(), Scalar::u8, shape);
}

View view_of(const std::vector<double>& values, const std::vector<std::int64_t>& shape) {
    return view_of_run(values.data(), Scalar::f64, shape);
}

Votes disputed_part(const Votes& votes, const Region& region) {
    Votes part = votes;
    part.mask = view_of(region.disputed, votes.shape);
    return part;
}

namespace {

// Where every rater votes, and nothing but votes is to be checked: tiles of columns. What is no vote is
// disputed, and the fusion that follows refuses it.
bool goes_by_tiles(const Votes& votes) {
    return !votes.may_miss() && !votes.select_label && !votes.prior && !votes.place && votes.size() > 1;
}

// Of each voxel of a tile: bit 0 where somebody votes other than 0, bit 1 other than 1.
template <class T> FASTFUSE_INLINE void doubt_by(const T* vote, std::uint8_t* doubt) {
    for (std::int64_t k = 0; k < kernels::tile_voxels<T>; ++k)
        doubt[k] = static_cast<std::uint8_t>(doubt[k] | (vote[k] != 0) | (vote[k] != 1) << 1);
}
FASTFUSE_CLONES void add_doubt(const float* vote, std::uint8_t* doubt) { doubt_by(vote, doubt); }
FASTFUSE_CLONES void add_doubt(const double* vote, std::uint8_t* doubt) { doubt_by(vote, doubt); }

// What is found of the voxels of a tile, which has at most so many.
using Bytes = std::array<std::uint8_t, static_cast<std::size_t>(kernels::tile_voxels<float>)>;
struct Findings {
    Bytes disputed, marked, agreed;
    std::uint32_t marks = 0, agreements = 0;
};

template <class T> FASTFUSE_INLINE void tell_by(const Bytes& doubt, const T* weight, Findings& found) {
    constexpr auto n = static_cast<std::size_t>(kernels::tile_voxels<T>);
    Bytes inside;
    for (std::size_t k = 0; k < n; ++k)
        inside[k] = weight[k] != 0;
    for (std::size_t k = 0; k < n; ++k) {
        found.disputed[k] = static_cast<std::uint8_t>(inside[k] & (doubt[k] == 3));
        found.marked[k] = static_cast<std::uint8_t>(inside[k] & (doubt[k] == 1));
        found.agreed[k] = static_cast<std::uint8_t>(inside[k] & (doubt[k] != 3));
    }
    std::uint32_t marks = 0, agreements = 0;
    for (std::size_t k = 0; k < n; ++k) {
        marks += found.marked[k];
        agreements += found.agreed[k];
    }
    found.marks = marks;
    found.agreements = agreements;
}
FASTFUSE_CLONES void tell(const Bytes& doubt, const float* weight, Findings& found) {
    tell_by(doubt, weight, found);
}
FASTFUSE_CLONES void tell(const Bytes& doubt, const double* weight, Findings& found) {
    tell_by(doubt, weight, found);
}

template <class T> void add_tile(const Tile<T>& tile, Region& region, Tally& tally) {
    if (tile.inside == 0) return;
    Bytes doubt;
    doubt.fill(tile.empty ? 2 : 0);
    for (int i = 0; i < tile.columns.raters && !tile.empty; ++i)
        add_doubt(tile.columns.vote[i], doubt.data());
    Findings found;
    tell(doubt, tile.columns.weight, found); // 0 beyond the volume
    std::copy_n(found.disputed.begin(), tile.voxels, region.disputed.begin() + tile.first);
    std::copy_n(found.marked.begin(), tile.voxels, region.marked.begin() + tile.first);
    std::copy_n(found.agreed.begin(), tile.voxels, region.agreed.begin() + tile.first);
    for (std::size_t i = 0; i < tally.read.size(); ++i) {
        tally.read[i] += found.agreements;
        tally.volume[i] += found.marks;
    }
}

template <class T> Tally find_by_tiles(const Votes& votes, const Team& team, Region& region) {
    return TileWalk<T>(votes, team).template sum<Tally>([&] {
        return [&](const Tile<T>& tile, Tally& tally) { add_tile(tile, region, tally); };
    });
}

// Whether floats hold the votes of every rater.
bool fit_floats(const Votes& votes) {
    return std::all_of(votes.raters.begin(), votes.raters.end(), [](const View& view) {
        return view.type == Scalar::f16 || view.type == Scalar::f32 || size_of(view.type) <= 2;
    });
}

Tally find_by_rows(const Votes& votes, const Team& team, Region& region) {
    const auto make = [&] {
        return [&, verdict = std::vector<Verdict>()](const Batch& batch, const Block& block,
                                                     const Worker&) mutable {
            Tally tally(batch.raters);
            verdict.resize(static_cast<std::size_t>(batch.rows));
            for (std::int64_t row = 0; row < batch.rows; ++row) {
                const Verdict found = verdict[static_cast<std::size_t>(row)] = verdict_on(batch, row);
                if (found != Verdict::disputed) tally.add(batch, row, found == Verdict::marked);
            }
            each_voxel_of(block, [&](std::int64_t at, std::int32_t row) {
                if (row < 0) return;
                const Verdict found = verdict[static_cast<std::size_t>(row)];
                const auto voxel = static_cast<std::size_t>(at);
                region.disputed[voxel] = found == Verdict::disputed;
                region.marked[voxel] = found == Verdict::marked;
                region.agreed[voxel] = found != Verdict::disputed;
            });
            return tally;
        };
    };
    return sum_over_blocks(votes, team, Tally(votes.size()), make);
}

} // namespace

Region find_disputed(const Votes& votes, const Team& team) {
    Region region;
    const auto n = static_cast<std::size_t>(votes.voxels());
    region.disputed.resize(n);
    region.marked.resize(n);
    region.agreed.resize(n);
    const Tally tally = !goes_by_tiles(votes) ? find_by_rows(votes, team, region)
                        : fit_floats(votes)   ? find_by_tiles<float>(votes, team, region)
                                              : find_by_tiles<double>(votes, team, region);
    region.read = tally.read;
    region.volume = tally.volume;
    return region;
}

} // namespace fastfuse
