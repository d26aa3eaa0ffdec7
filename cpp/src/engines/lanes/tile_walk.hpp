// Passes over a volume's tiles. A tile without any vote is read once.
//
// Where votes may be missing, a pass over the tiles takes the voxels on which all raters vote; a second one,
// over the tiles that hold others, takes these in groups. The first must have read the tiles.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engines/lanes/missing/groups.hpp"
#include "engines/lanes/tiles.hpp"
#include "fastfuse/threads.hpp"
#include "support/sum_over_jobs.hpp"

namespace fastfuse {

template <class T> class TileWalk {
  public:
    TileWalk(const Votes& votes, const Team& team)
        : votes_(votes), team_(team), empty_(static_cast<std::size_t>(tile_count<T>(votes)), not_known),
          whole_(votes.may_miss() ? empty_.size() : 0) {}

    const Votes& votes() const { return votes_; }
    const Team& team() const { return team_; }
    std::int64_t tiles() const { return static_cast<std::int64_t>(empty_.size()); }

    // Reads a tile unless it is known to be empty.
    const Tile<T>& read(TileReader<T>& reader, std::int64_t index) {
        std::int16_t& empty = empty_[static_cast<std::size_t>(index)];
        if (empty != not_known) return reader.skip(index, empty);
        if (whole_.empty()) return note_empty(reader.read(index), empty);
        Whole& whole = whole_[static_cast<std::size_t>(index)];
        const Tile<T>& tile = reader.read(index, whole == Whole::yes);
        whole = tile.partial ? Whole::no : Whole::yes;
        return note_empty(tile, empty);
    }

    // Sum of what `make()(tile, part)` adds to `part` for every tile. Each thread calls `make` once.
    template <class Total, class Make> Total sum(const Make& make) {
        const auto make_job = [&] {
            return [&, reader = TileReader<T>(votes_), look = make()](std::int64_t job,
                                                                      const Worker& worker) mutable {
                Total part(votes_.size());
                const std::int64_t end = std::min((job + 1) * tiles_of_job, tiles());
                for (std::int64_t t = job * tiles_of_job; t < end && !worker.stopped(); ++t)
                    look(read(reader, t), part);
                return part;
            };
        };
        return sum_over_jobs(jobs_of(tiles(), tiles_of_job), team_, Total(votes_.size()), make_job);
    }

    // The same of what `make()(group, part, worker)` adds for every group of voxels on which not all raters
    // vote. At most `most_jobs` jobs, each of which ends with groups that are not full.
    template <class Total, class Make> Total sum_partial(const Make& make, std::int64_t most_jobs = 32) {
        std::vector<std::int64_t> tiles;
        for (std::size_t t = 0; t < whole_.size(); ++t)
            if (whole_[t] == Whole::no) tiles.push_back(static_cast<std::int64_t>(t));
        const auto count = static_cast<std::int64_t>(tiles.size());
        const std::int64_t of_job = std::max(tiles_of_job, jobs_of(count, most_jobs));
        const auto make_job = [&] {
            return [&, reader = TileReader<T>(votes_),
                    groups = Groups<T>(votes_.size(), votes_.prior.has_value()),
                    look = make()](std::int64_t job, const Worker& worker) mutable {
                Total part(votes_.size());
                const auto take = [&](const Group<T>& group) { look(group, part, worker); };
                const std::int64_t end = std::min((job + 1) * of_job, count);
                for (std::int64_t t = job * of_job; t < end && !worker.stopped(); ++t) {
                    const Tile<T>& tile = reader.read_partial(tiles[static_cast<std::size_t>(t)]);
                    groups.add(tile.first, tile.voxels, tile.columns, reader.voters().data(), take);
                }
                groups.finish(take);
                return part;
            };
        };
        return sum_over_jobs(jobs_of(count, of_job), team_, Total(votes_.size()), make_job);
    }

  private:
    enum class Whole : std::uint8_t { not_known, yes, no };

    static const Tile<T>& note_empty(const Tile<T>& tile, std::int16_t& empty) {
        if (tile.empty) empty = static_cast<std::int16_t>(tile.inside);
        return tile;
    }
    static std::int64_t jobs_of(std::int64_t tiles, std::int64_t of_job) {
        return (tiles + of_job - 1) / of_job;
    }

    static constexpr std::int64_t tiles_of_job = 16;
    static constexpr std::int16_t not_known = -1; // whether a tile is empty

    const Votes& votes_;
    const Team& team_;
    std::vector<std::int16_t> empty_; // of each empty tile: number of voxels that count
    std::vector<Whole> whole_;        // whether all raters vote on each tile; none where they do everywhere
};

} // namespace fastfuse
