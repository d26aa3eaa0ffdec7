#include "fastfuse/dilation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "dilation/candidates.hpp"
#include "dilation/field.hpp"
#include "dilation/lesions.hpp"
#include "dilation/marked.hpp"
#include "dilation/ring.hpp"
#include "fastfuse/errors.hpp"

namespace fastfuse {
namespace {

constexpr std::size_t candidates_at_a_time = 4096;

// The steps of one call of dilate.
class Dilating {
  public:
    Dilating(const View& image, const std::optional<View>& roi, const Grid& grid,
             const DilationOptions& options, const Output& values, const Team& team)
        : grid_(grid), options_(options), values_(values), team_(team), field_(grid, values),
          image_(image, grid, field_) {
        if (roi) roi_.emplace(*roi, grid, field_);
    }

    Dilation run(std::vector<std::int64_t> marked) {
        marked_ = std::move(marked);
        alone([&](const Worker& worker) { find_candidates(worker); });
        read_intensities();
        Dilation dilation;
        alone([&](const Worker& worker) { dilation = find_rings(worker); });
        return dilation;
    }

  private:
    // Runs work on one thread, which can be interrupted.
    template <class Work> void alone(const Work& work) const {
        team_.run(1, [&](std::int64_t, const Worker& worker) { work(worker); });
    }

    void find_candidates(const Worker& worker) {
        const std::vector<std::int64_t> sizes = note_lesions(marked_, field_, options_.per_lesion, worker);
        if (worker.stopped()) return;
        for (const std::int64_t size : sizes)
            lesions_.push_back({static_cast<std::uint32_t>(lesions_.size() + 1), size, {}});
        found_ = options_.ball ? dilate_by_ball(marked_, *options_.ball, grid_, field_, worker)
                               : dilate_by_cross(marked_, options_.iterations, field_, worker);
    }

    // The intensity of candidates outside the roi is NaN.
    void read_intensities() {
        candidates_.resize(found_.size());
        const std::size_t jobs = (found_.size() + candidates_at_a_time - 1) / candidates_at_a_time;
        team_.run(static_cast<std::int64_t>(jobs), [&](std::int64_t job, const Worker&) {
            const auto first = static_cast<std::size_t>(job) * candidates_at_a_time;
            const std::size_t end = std::min(first + candidates_at_a_time, found_.size());
            for (std::size_t c = first; c < end; ++c)
                candidates_[c] = {found_[c], intensity(found_[c])};
        });
    }

    double intensity(std::int64_t voxel) const {
        if (roi_ && (*roi_)(voxel) == 0) return std::numeric_limits<double>::quiet_NaN();
        const double value = image_(voxel);
        if (!std::isfinite(value)) throw BadInput(BadInput::Kind::image_not_finite, -1, voxel, value);
        return options_.cut == Cut::adaptive && options_.scaling ? options_.scaling->apply(value) : value;
    }

    Dilation find_rings(const Worker& worker) {
        share_out();
        Dilation dilation;
        for (Lesion& lesion : lesions_) {
            const Ring ring = find_ring(lesion, options_, field_, worker);
            if (worker.stopped()) return {};
            dilation.cut.push_back(ring.cut);
            dilation.mask_voxels += lesion.mask_voxels;
            dilation.ring_voxels += ring.voxels;
        }
        write();
        return dilation;
    }

    // Sorts the candidates inside the roi by lesion.
    void share_out() {
        Patience patience(team_.watch());
        const auto outside = std::partition(candidates_.begin(), candidates_.end(), [&](const Candidate& c) {
            patience.after(1);
            return !std::isnan(c.intensity);
        });
        for (auto candidate = outside; candidate != candidates_.end(); ++candidate)
            field_.note(candidate->voxel, State::untouched, 0);
        candidates_.erase(outside, candidates_.end());
        if (lesions_.size() == 1) {
            lesions_[0].candidates = std::move(candidates_);
            return;
        }
        for (const Candidate& candidate : candidates_) {
            patience.after(1);
            lesions_[field_.lesion(candidate.voxel) - 1].candidates.push_back(candidate);
        }
    }

    void write() const {
        Patience patience(team_.watch());
        for (const Lesion& lesion : lesions_)
            for (const Candidate& candidate : lesion.candidates) {
                patience.after(1);
                values_.put(candidate.voxel,
                            field_.state(candidate.voxel) == State::ring ? options_.label : 0);
            }
        for (const std::int64_t voxel : marked_) {
            patience.after(1);
            values_.put(voxel, 1);
        }
    }

    const Grid& grid_;
    const DilationOptions& options_;
    const Output& values_;
    const Team& team_;
    Field field_;
    Sampler image_;
    std::optional<Sampler> roi_;
    std::vector<std::int64_t> marked_, found_; // voxels of the mask and of the candidates
    std::vector<Candidate> candidates_;
    std::vector<Lesion> lesions_;
};

} // namespace

Dilation dilate(const View& mask, const View& image, const std::optional<View>& roi, const Grid& grid,
                const DilationOptions& options, const Output& values, const Team& team) {
    const std::vector<std::int64_t> shape(grid.extent.begin(), grid.extent.end());
    return Dilating(image, roi, grid, options, values, team)
        .run(marked_voxels(mask, shape, options.binarize, team));
}

} // namespace fastfuse
