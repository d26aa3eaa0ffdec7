#include "fastfuse/probe.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "votes/key_table.hpp"
#include "votes/masks/reader.hpp"
#include "votes/rows.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t blocks_looked_at = 16;
constexpr std::int64_t enough_rows = 512;
constexpr std::int64_t most_kept = 8192;

} // namespace

Probe probe(const Votes& votes, const Options& options, Watch& watch) {
    if (votes.place || options.mrf > 0 || options.route != Route::automatic) return {};
    if (masks::bits_of(votes) <= masks::most_coded && masks::look_like_masks(votes))
        return {}; // a table of all patterns is small
    KeyTable<double> table(votes.columns(), std::min(most_kept, votes.voxels()));
    Block block(votes);
    std::vector<double> key(static_cast<std::size_t>(votes.columns()));
    Probe sample;
    Patience patience(watch);
    // Whether lanes pay for soft-STAPLE depends on how many votes are fractional, all over the volume; for
    // few raters, and other methods, they always do.
    constexpr int few_raters = 6;
    const bool until_told = votes.size() <= few_raters || options.method != Method::soft_staple;
    bool told = false; // that rows do not repeat
    const std::int64_t blocks = block_count(votes);
    const std::int64_t step = std::max<std::int64_t>(1, blocks / blocks_looked_at);
    for (std::int64_t index = step / 2; index < blocks; index += told ? 4 * step : step) {
        try {
            read_block(votes, index, block);
        } catch (const BadInput&) {
            return {}; // the first pass reports the first bad vote of the volume
        }
        const Batch batch = batch_of(votes, block);
        for (std::int64_t r = 1; r < batch.rows; ++r) {
            patience.after(votes.columns());
            if (!told) {
                load_key(batch, r, key.data());
                if (table.find_or_add(key.data()) == table.full) return sample;
            }
            sample.terms += std::ldexp(1.0, fractional_votes(batch, r));
        }
        sample.voxels += static_cast<double>(block.voxels);
        sample.rows += static_cast<double>(batch.rows - 1);
        if (told || sample.rows < enough_rows) continue;
        told = static_cast<double>(table.size()) >= 0.75 * sample.rows;
        sample.repeats = !told;
        if (told && until_told) return sample;
    }
    return sample;
}

} // namespace fastfuse
