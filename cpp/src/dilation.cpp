#include "fastfuse/dilation.hpp"

#include <cmath>

#include "candidates.hpp"
#include "fastfuse/bad_input.hpp"
#include "fastfuse/marked.hpp"
#include "field.hpp"
#include "lesions.hpp"
#include "ring.hpp"

namespace fastfuse {
namespace {

// One call of dilate, step by step.
class Dilating {
  public:
    Dilating(const View& image, const std::optional<View>& roi, const Grid& grid,
             const DilationOptions& options, const Output& values)
        : image_(image), roi_(roi), grid_(grid), options_(options), values_(values), field_(grid, values) {}

    Dilation run(std::vector<std::int64_t>& marked, const Worker& worker) {
        const std::vector<std::int64_t> sizes = note_lesions(marked, field_, options_.per_lesion, worker);
        if (worker.stopped()) return {};
        const std::vector<std::int64_t> candidates =
            options_.ball ? dilate_by_ball(marked, *options_.ball, grid_, field_, worker)
                          : dilate_by_cross(marked, options_.iterations, field_, worker);
        if (worker.stopped()) return {};
        std::vector<Lesion> lesions = share_out(candidates, sizes);
        Dilation dilation;
        for (Lesion& lesion : lesions) {
            const Ring ring = find_ring(lesion, options_, field_, worker);
            if (worker.stopped()) return {};
            dilation.cut.push_back(ring.cut);
            dilation.mask_voxels += lesion.mask_voxels;
            dilation.ring_voxels += ring.voxels;
        }
        write(marked, lesions);
        return dilation;
    }

  private:
    // Gives every candidate inside the roi to its lesion.
    std::vector<Lesion> share_out(const std::vector<std::int64_t>& candidates,
                                  const std::vector<std::int64_t>& sizes) const {
        std::vector<Lesion> lesions;
        for (const std::int64_t size : sizes)
            lesions.push_back({static_cast<std::uint32_t>(lesions.size() + 1), size, {}});
        for (const std::int64_t voxel : candidates) {
            if (is_inside(voxel))
                lesions[field_.lesion(voxel) - 1].candidates.push_back({voxel, intensity(voxel)});
            else
                field_.note(voxel, State::untouched, 0);
        }
        return lesions;
    }

    bool is_inside(std::int64_t voxel) const {
        if (!roi_) return true;
        const double value = field_.value(*roi_, voxel);
        if (value != 0 && value != 1) throw BadInput(BadInput::Kind::mask, -1, voxel, value);
        return value == 1;
    }

    double intensity(std::int64_t voxel) const {
        const double value = field_.value(image_, voxel);
        if (!std::isfinite(value)) throw BadInput(BadInput::Kind::image_not_finite, -1, voxel, value);
        return options_.cut == Cut::adaptive && options_.scaling ? options_.scaling->apply(value) : value;
    }

    void write(const std::vector<std::int64_t>& marked, const std::vector<Lesion>& lesions) const {
        for (const Lesion& lesion : lesions)
            for (const Candidate& candidate : lesion.candidates)
                values_.put(candidate.voxel,
                            field_.state(candidate.voxel) == State::ring ? options_.label : 0);
        for (const std::int64_t voxel : marked)
            values_.put(voxel, 1);
    }

    const View& image_;
    const std::optional<View>& roi_;
    const Grid& grid_;
    const DilationOptions& options_;
    const Output& values_;
    Field field_;
};

} // namespace

Dilation dilate(const View& mask, const View& image, const std::optional<View>& roi, const Grid& grid,
                const DilationOptions& options, const Output& values, const Team& team) {
    const std::vector<std::int64_t> shape(grid.extent.begin(), grid.extent.end());
    std::vector<std::int64_t> marked = marked_voxels(mask, shape, options.binarize, team);
    Dilation dilation;
    team.run(1, [&](std::int64_t, const Worker& worker) {
        dilation = Dilating(image, roi, grid, options, values).run(marked, worker);
    });
    return dilation;
}

} // namespace fastfuse
