#include "fastfuse/dilation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "dilation/candidates.hpp"
#include "dilation/field.hpp"
#include "dilation/lesions.hpp"
#include "dilation/marked.hpp"
#include "dilation/ring.hpp"
#include "dilation/widening.hpp"
#include "fastfuse/errors.hpp"

namespace fastfuse {
namespace {

constexpr std::size_t candidates_at_a_time = 4096;
constexpr std::int64_t group_voxels = 64; // skipped together where none is reached

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
        if (options_.per_lesion) {
            alone([&](const Worker& worker) { find_by_lesion(worker); });
            read_intensities();
        } else {
            find_pooled();
        }
        Dilation dilation;
        alone([&](const Worker& worker) { dilation = find_rings(worker); });
        return dilation;
    }

  private:
    // Runs work on one thread, which can be interrupted.
    template <class Work> void alone(const Work& work) const {
        team_.run(1, [&](std::int64_t, const Worker& worker) { work(worker); });
    }

    // Candidates of all lesions together, in memory order, a plane at a time. Which mask's voxel reaches one
    // does not matter, so nothing is noted unless the ring's choice asks for neighbours.
    void find_pooled() {
        if (marked_.empty()) return;
        lesions_.push_back({1, static_cast<std::int64_t>(marked_.size()), {}});
        const Widening widening(marked_, grid_.extent,
                                options_.ball ? Reach::of_ball(*options_.ball, grid_.extent)
                                              : Reach::of_cross(options_.iterations, grid_.extent));
        std::vector<std::vector<Candidate>> planes(static_cast<std::size_t>(grid_.extent[0]));
        team_.run(grid_.extent[0], [&](std::int64_t slow, const Worker& worker) {
            if (widening.reaches(slow))
                planes[static_cast<std::size_t>(slow)] = in_plane(slow, widening, worker);
        });
        std::size_t size = 0;
        for (const auto& plane : planes)
            size += plane.size();
        candidates_.reserve(size);
        for (const auto& plane : planes) {
            team_.look();
            candidates_.insert(candidates_.end(), plane.begin(), plane.end());
        }
        if (needs_notes(options_)) note_pooled();
    }

    std::vector<Candidate> in_plane(std::int64_t slow, const Widening& widening, const Worker& worker) const {
        const std::int64_t size = grid_.extent[1] * grid_.extent[2], first = slow * size;
        const auto plane = std::make_unique<bool[]>(static_cast<std::size_t>(size));
        std::vector<Candidate> found;
        std::array<double, group_voxels> image, roi;
        roi.fill(1);
        if (!widening.widen_into(slow, plane.get(), worker)) return found;
        widening.clear_marked(slow, plane.get());
        for (std::int64_t k = 0; k < size; k += group_voxels) {
            const std::int64_t n = std::min(group_voxels, size - k);
            if (all_zero(reinterpret_cast<const std::byte*>(plane.get() + k), n)) continue;
            image_.read(first + k, n, image.data());
            if (roi_) roi_->read(first + k, n, roi.data());
            for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
                const std::int64_t in_plane = k + static_cast<std::int64_t>(i);
                if (plane[static_cast<std::size_t>(in_plane)])
                    found.push_back({first + in_plane, intensity(first + in_plane, image[i], roi[i])});
            }
        }
        return found;
    }

    void note_pooled() {
        Patience patience(team_.watch());
        for (const std::int64_t voxel : marked_) {
            patience.after(1);
            field_.note(voxel, State::mask, 1);
        }
        for (const Candidate& candidate : candidates_) {
            patience.after(1);
            field_.note(candidate.voxel, State::waiting, 1);
        }
    }

    void find_by_lesion(const Worker& worker) {
        const std::vector<std::int64_t> sizes = note_lesions(marked_, field_, worker);
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
                candidates_[c] = {found_[c],
                                  intensity(found_[c], image_(found_[c]), roi_ ? (*roi_)(found_[c]) : 1)};
        });
    }

    double intensity(std::int64_t voxel, double image, double roi) const {
        if (roi == 0) return std::numeric_limits<double>::quiet_NaN();
        if (!std::isfinite(image)) throw BadInput(BadInput::Kind::image_not_finite, -1, voxel, image);
        return options_.cut == Cut::adaptive && options_.scaling ? options_.scaling->apply(image) : image;
    }

    Dilation find_rings(const Worker& worker) {
        share_out();
        Dilation dilation;
        std::vector<Ring> rings;
        for (Lesion& lesion : lesions_) {
            const Ring ring = find_ring(lesion, options_, field_, worker);
            if (worker.stopped()) return {};
            dilation.cut.push_back(ring.cut);
            dilation.mask_voxels += lesion.mask_voxels;
            dilation.ring_voxels += ring.voxels;
            rings.push_back(ring);
        }
        for (std::size_t k = 0; k < rings.size(); ++k)
            write_ring(lesions_[k], rings[k]);
        write_mask();
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

    // Over what was noted of the lesion's candidates.
    void write_ring(const Lesion& lesion, const Ring& ring) const {
        Patience patience(team_.watch());
        const bool noted = needs_notes(options_);
        for (const Candidate& candidate : lesion.candidates) {
            patience.after(1);
            const bool in_ring =
                noted ? field_.state(candidate.voxel) == State::ring : candidate.intensity > ring.cut;
            values_.put(candidate.voxel, in_ring ? options_.label : 0);
        }
    }

    void write_mask() const {
        Patience patience(team_.watch());
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
