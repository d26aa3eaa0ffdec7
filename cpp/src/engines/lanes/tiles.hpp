// The volume a tile at a time, as columns of floats or doubles: in place where the caller's arrays allow it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "engines/lanes/missing/voters.hpp"
#include "engines/lanes/tile.hpp"
#include "fastfuse/votes.hpp"
#include "votes/layout/runs.hpp"

namespace fastfuse {

template <class T> struct Tile {
    std::int64_t first = 0;  // index of its first voxel
    std::int64_t voxels = 0; // number of voxels; the columns are padded, with weight 0, to a tile's length
    double inside = 0;       // number of voxels that count
    bool empty = false;      // no votes and no prior map; the columns are not set
    bool partial = false;    // on some voxels not all raters vote: here these do not count
    kernels::Columns<T> columns;
};

template <class T> std::int64_t tile_count(const Votes& votes) {
    return (votes.voxels() + kernels::tile_voxels<T> - 1) / kernels::tile_voxels<T>;
}

// Reads votes without a label to select. Scratch of one thread.
template <class T> class TileReader {
  public:
    explicit TileReader(const Votes& votes);
    // Valid until the next call. Votes are not checked. `whole`: all raters are known to vote on all voxels.
    const Tile<T>& read(std::int64_t index, bool whole = false);
    // A tile that is known to be empty, with `inside` voxels that count. Reads only the mask.
    const Tile<T>& skip(std::int64_t index, double inside);
    // A tile in which not all raters vote on all voxels, with the votes as they are.
    const Tile<T>& read_partial(std::int64_t index);
    // Who votes on each voxel of that tile; all raters where it does not count.
    const std::array<Voters, kernels::tile_voxels<T>>& voters() const { return voters_; }

  private:
    using Column = std::array<T, kernels::tile_voxels<T>>;
    using Bytes = std::array<std::uint8_t, kernels::tile_voxels<T>>;

    bool nobody_votes() const;
    void begin(std::int64_t index);
    void read_columns();
    bool read_seen();
    bool read_seen_by(std::size_t rater);
    bool find_voters();
    void set_partial_aside();
    void weigh();
    void read_mask();
    const T* column(const View& view, const std::byte* from, T elsewhere, Column& copy);

    const Votes& votes_;
    Tile<T> tile_;
    std::vector<NativeRuns> runs_; // the voxels of each rater's votes, in native layout
    std::optional<NativeRuns> mask_, prior_map_;
    std::vector<const std::byte*> raters_;
    std::vector<const std::byte*> next_;
    std::vector<const T*> pointers_;
    std::vector<Column> votes_copied_;
    alignas(kernels::widest_lanes) Column ones_;
    alignas(kernels::widest_lanes) Column weight_;
    Column prior_;
    Bytes inside_; // 1 inside the mask, else 0
    std::vector<std::optional<NativeRuns>> present_;
    std::vector<Bytes> seen_;          // where a rater has looked, or where a voxel does not count: 1, else 0
    std::vector<std::uint8_t> looked_; // whether each rater has looked at the whole tile; else `seen_` tells
    std::array<Voters, kernels::tile_voxels<T>> voters_;
};

extern template class TileReader<float>;
extern template class TileReader<double>;

} // namespace fastfuse
