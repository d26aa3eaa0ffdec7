// Passes over a volume's tiles. A tile without any vote is read once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engines/lanes/tiles.hpp"
#include "fastfuse/threads.hpp"
#include "support/sum_over_jobs.hpp"

namespace fastfuse {

template <class T> class TileWalk {
  public:
    TileWalk(const Votes& votes, const Team& team)
        : votes_(votes), team_(team), empty_(static_cast<std::size_t>(tile_count<T>(votes)), not_known) {}

    const Votes& votes() const { return votes_; }
    const Team& team() const { return team_; }
    std::int64_t tiles() const { return static_cast<std::int64_t>(empty_.size()); }

    // Reads a tile unless it is known to be empty.
    const Tile<T>& read(TileReader<T>& reader, std::int64_t index) {
        std::int16_t& empty = empty_[static_cast<std::size_t>(index)];
        if (empty != not_known) return reader.skip(index, empty);
        const Tile<T>& tile = reader.read(index);
        if (tile.empty) empty = static_cast<std::int16_t>(tile.inside);
        return tile;
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
        const std::int64_t jobs = (tiles() + tiles_of_job - 1) / tiles_of_job;
        return sum_over_jobs(jobs, team_, Total(votes_.size()), make_job);
    }

  private:
    static constexpr std::int64_t tiles_of_job = 16;
    static constexpr std::int16_t not_known = -1; // whether a tile is empty

    const Votes& votes_;
    const Team& team_;
    std::vector<std::int16_t> empty_; // of each empty tile: number of voxels that count
};

} // namespace fastfuse
