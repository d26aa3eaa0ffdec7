#include "votes/disputed.hpp"

#include <algorithm>

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

Region find_disputed(const Votes& votes, const Team& team) {
    Region region;
    const auto n = static_cast<std::size_t>(votes.voxels());
    region.disputed.resize(n);
    region.marked.resize(n);
    region.agreed.resize(n);
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
    const Tally tally = sum_over_blocks(votes, team, Tally(votes.size()), make);
    region.read = tally.read;
    region.volume = tally.volume;
    return region;
}

} // namespace fastfuse
