#include "engines/lanes/sample/voxel_sample.hpp"

#include <algorithm>
#include <cmath>

#include "engines/lanes/lane_rates.hpp"
#include "engines/lanes/survey.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

// One voxel in so many of a class is taken.
constexpr std::int64_t stride(std::size_t of_class) { return std::int64_t{1} << (2 * of_class); }

// The class of every voxel of a tile: how many of the threshold, its half and its quarter lie above its
// doubt.
template <class T> FASTFUSE_INLINE void classify_all(const T* doubts, T threshold, std::uint8_t* to) {
    for (std::int64_t k = 0; k < kernels::tile_voxels<T>; ++k)
        to[k] = static_cast<std::uint8_t>((doubts[k] < threshold) + (doubts[k] < threshold / 2) +
                                          (doubts[k] < threshold / 4));
}

FASTFUSE_CLONES void classify(const float* doubts, float threshold, std::uint8_t* to) {
    classify_all(doubts, threshold, to);
}

FASTFUSE_CLONES void classify(const double* doubts, double threshold, std::uint8_t* to) {
    classify_all(doubts, threshold, to);
}

// Counts voxels of each class within a tile: 16 bits a class of one number, which adds without a way through
// memory.
class Counts {
  public:
    void begin(std::size_t of_class, std::int64_t at) {
        counts_ |= static_cast<std::uint64_t>(at & (stride(of_class) - 1)) << 16 * of_class;
        begun_ = counts_;
    }
    // Whether the next voxel of the class is the first of a stride.
    bool next(unsigned of_class) {
        constexpr std::uint64_t below_stride = 0x003f'000f'0003'0000;
        const unsigned shift = 16 * of_class;
        const bool first = ((counts_ & below_stride) >> shift & 0xffff) == 0;
        counts_ += std::uint64_t{1} << shift;
        return first;
    }
    std::int64_t counted(std::size_t of_class) const {
        return static_cast<std::int64_t>((counts_ >> 16 * of_class & 0xffff) -
                                         (begun_ >> 16 * of_class & 0xffff));
    }

  private:
    std::uint64_t counts_ = 0, begun_ = 0;
};

} // namespace

template <class T>
void VoxelSample<T>::pick_voxel(const Tile<T>& tile, std::int64_t voxel, std::size_t of_class) {
    for (int i = 0; i < raters_; ++i)
        classes_[of_class].votes.push_back(tile.columns.vote[i][voxel]);
    ++taken_[of_class];
}

template <class T> void VoxelSample<T>::pick(const Tile<T>& tile, const T* doubts, T most, T threshold) {
    // Where counting starts changes from part to part of the volume: else the voxels taken would lie in
    // planes.
    const std::int64_t start = tile.first / 8191 * 37;
    constexpr std::size_t last = sample_classes - 1;
    if (most < threshold / 4 && tile.inside == static_cast<double>(tile.voxels)) { // all in the last class
        Class& all = classes_[last];
        for (std::int64_t voxel = -(all.seen + start) & (stride(last) - 1); voxel < tile.voxels;
             voxel += stride(last))
            pick_voxel(tile, voxel, last);
        all.seen += tile.voxels;
        return;
    }
    std::array<std::uint8_t, kernels::tile_voxels<T>> class_of;
    classify(doubts, threshold, class_of.data());
    Counts counts;
    for (std::size_t k = 0; k < sample_classes; ++k)
        counts.begin(k, classes_[k].seen + start);
    const T* weight = tile.inside == static_cast<double>(tile.voxels) ? nullptr : tile.columns.weight;
    for (std::int64_t voxel = 0; voxel < tile.voxels; ++voxel) {
        if (weight && weight[voxel] == 0) continue;
        const unsigned k = class_of[static_cast<std::size_t>(voxel)];
        if (counts.next(k)) pick_voxel(tile, voxel, k);
    }
    for (std::size_t k = 0; k < sample_classes; ++k)
        classes_[k].seen += counts.counted(k);
}

template <class T> void VoxelSample<T>::add(const VoxelSample& other) {
    for (std::size_t k = 0; k < sample_classes; ++k) {
        classes_[k].seen += other.classes_[k].seen;
        taken_[k] += other.taken_[k];
        classes_[k].votes.insert(classes_[k].votes.end(), other.classes_[k].votes.begin(),
                                 other.classes_[k].votes.end());
    }
}

template <class T> std::int64_t VoxelSample<T>::size() const {
    std::int64_t sum = 0;
    for (const std::int64_t taken : taken_)
        sum += taken;
    return sum;
}

template <class T> void VoxelSample<T>::pack() {
    constexpr std::int64_t n = kernels::tile_voxels<T>;
    for (std::size_t k = 0; k < sample_classes; ++k) {
        const std::int64_t tiles = (taken_[k] + n - 1) / n;
        std::vector<T> packed(static_cast<std::size_t>(tiles * raters_ * n));
        for (std::int64_t voxel = 0; voxel < taken_[k]; ++voxel)
            for (std::int64_t i = 0; i < raters_; ++i)
                packed[static_cast<std::size_t>((voxel / n * raters_ + i) * n + voxel % n)] =
                    classes_[k].votes[static_cast<std::size_t>(voxel * raters_ + i)];
        classes_[k].votes = std::move(packed);
    }
}

template <class T>
Sums VoxelSample<T>::expectation(kernels::Step step, const Performance& performance, const Team& team) const {
    constexpr std::int64_t n = kernels::tile_voxels<T>, tiles_of_job = 16;
    const kernels::Rates<T> rates = rates_of<T>(performance);
    const auto length = static_cast<std::size_t>(n);
    Sums total(raters_);
    for (std::size_t k = 0; k < sample_classes; ++k) {
        if (taken_[k] == 0) continue;
        const std::int64_t tiles = (taken_[k] + n - 1) / n;
        const double times = static_cast<double>(classes_[k].seen) / static_cast<double>(taken_[k]);
        const auto make = [&] {
            return [&, columns = std::vector<const T*>(static_cast<std::size_t>(raters_)),
                    next = std::vector<const std::byte*>(static_cast<std::size_t>(raters_)),
                    weight = std::vector<T>(length)](std::int64_t job, const Worker& worker) mutable {
                Sums part(raters_);
                const std::int64_t end = std::min((job + 1) * tiles_of_job, tiles);
                for (std::int64_t t = job * tiles_of_job; t < end && !worker.stopped(); ++t) {
                    const std::int64_t voxels = std::min(n, taken_[k] - t * n);
                    std::fill(weight.begin(), weight.begin() + voxels, T(1));
                    std::fill(weight.begin() + voxels, weight.end(), T(0));
                    const T* votes = classes_[k].votes.data() + t * raters_ * n;
                    for (std::size_t i = 0; i < columns.size(); ++i, votes += n) {
                        columns[i] = votes;
                        next[i] = reinterpret_cast<const std::byte*>(votes + raters_ * n);
                    }
                    kernels::ProductSums sums;
                    kernels::best<T>().expect({raters_, columns.data(), next.data(), weight.data(), nullptr},
                                              rates, step, sums);
                    fastfuse::add(sums, part, times);
                    part.count += times * static_cast<double>(voxels);
                }
                return part;
            };
        };
        total.add(sum_over_jobs((tiles + tiles_of_job - 1) / tiles_of_job, team, Sums(raters_), make));
    }
    return total;
}

template <class T> T threshold_for(TileWalk<T>& walk, double share) {
    constexpr std::int64_t one_in = 61; // tiles
    constexpr int octaves = 12;
    std::array<double, 4 * octaves + 1> seen{}; // by four steps an octave below the largest doubt, 1/4
    double inside = 0;
    TileReader<T> reader(walk.votes());
    std::vector<T> doubts(static_cast<std::size_t>(kernels::tile_voxels<T>));
    for (std::int64_t t = one_in / 2; t < walk.tiles(); t += one_in) {
        const Tile<T>& tile = reader.read(t);
        inside += tile.inside;
        if (tile.empty) continue;
        kernels::best<T>().doubts(tile.columns, doubts.data());
        for (const T doubt : doubts) {
            if (!(doubt > 0)) continue;
            const double below = -4 * std::log2(4 * static_cast<double>(doubt));
            ++seen[static_cast<std::size_t>(std::clamp(below, 0.0, 4.0 * octaves))];
        }
    }
    int at = -12; // from t = 2, for which no class but the last has voxels
    for (; at < 4 * octaves; ++at) {
        double taken = 0;
        for (int k = 0; k <= 4 * octaves; ++k)
            taken += seen[static_cast<std::size_t>(k)] * std::clamp(std::exp2((at - k) / 2.0), 1.0 / 64, 1.0);
        if (taken > share * inside) break;
    }
    return static_cast<T>(std::exp2(-2 - at / 4.0));
}

template class VoxelSample<float>;
template class VoxelSample<double>;
template float threshold_for(TileWalk<float>&, double);
template double threshold_for(TileWalk<double>&, double);

} // namespace fastfuse
