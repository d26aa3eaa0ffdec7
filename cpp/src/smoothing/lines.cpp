// Convolution of lines with a symmetric kernel. A job smooths a strip of neighbouring lines, whose voxels are
// vectors.
#include <algorithm>
#include <cstddef>

#include "fastfuse/smoothing.hpp"
#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

using kernels::broadcast;
using kernels::Lanes;
using kernels::lanes_in;
using kernels::load;
using kernels::store;

constexpr std::int64_t strip = 64; // neighbouring lines of one job

using Doubles = Lanes<double, 64>;
constexpr int lanes = lanes_in<double, 64>;
constexpr int vectors = 4;                      // sums that stay in registers
constexpr std::int64_t block = vectors * lanes; // voxels of one turn: of 32, or of 4 without vectors
static_assert(strip % block == 0);

// to[k] = Σ_d weight[|d|] at[k + d step], k = 0, …, n − 1; reads whole blocks.
FASTFUSE_CLONES void weigh(const double* at, std::int64_t step, const double* weight, std::int64_t reach,
                           std::int64_t n, float* to) {
    for (std::int64_t first = 0; first < n; first += block) {
        const double* here = at + first;
        Doubles sum[vectors];
        for (int v = 0; v < vectors; ++v)
            sum[v] = load<Doubles>(here + v * lanes) * broadcast<Doubles>(weight[0]);
        for (std::int64_t d = reach; d > 0; --d) {
            const double *before = here - d * step, *behind = here + d * step;
            for (int v = 0; v < vectors; ++v)
                sum[v] += (load<Doubles>(before + v * lanes) + load<Doubles>(behind + v * lanes)) *
                          broadcast<Doubles>(weight[d]);
        }
        double sums[block];
        for (int v = 0; v < vectors; ++v)
            store(sums + v * lanes, sum[v]);
        const std::int64_t end = std::min(block, n - first);
        for (std::int64_t k = 0; k < end; ++k)
            to[first + k] = static_cast<float>(sums[k]);
    }
}

// Whether a row holds a vote.
FASTFUSE_CLONES bool any(const float* row, std::int64_t n) {
    bool found = false;
    for (std::int64_t k = 0; k < n; ++k)
        found |= row[k] != 0;
    return found;
}

// Rows first, …, end − 1 of a strip's lines, or voxels of one line.
struct Part {
    std::int64_t first, end;
};

// A strip of lines in double precision, with zeros beyond the ends; lines[i * strip + k]. Both read all that
// they smooth before they write, so that a volume may be smoothed where it lies; what is 0 as far as the
// kernel reaches stays 0.
class Strip {
  public:
    Strip(std::int64_t length, std::int64_t reach)
        : length_(length), reach_(reach),
          padded_(static_cast<std::size_t>((length + 2 * reach) * strip + block)) {}

    // Lines side by side in memory: one row of the strip is `n` neighbouring floats.
    void smooth_rows(const float* from, std::int64_t row_step, std::int64_t n,
                     const std::vector<double>& weight, float* to, Pace& pace) {
        Part marked{length_, 0};
        for (std::int64_t i = 0; i < length_; ++i) {
            std::copy_n(from + i * row_step, n, row(i));
            if (any(from + i * row_step, n)) marked = {std::min(marked.first, i), i + 1};
        }
        const Part near = reached(marked);
        for (std::int64_t i = 0; i < length_; ++i) {
            if (i < near.first || i >= near.end) {
                std::fill_n(to + i * row_step, n, 0.0f);
                continue;
            }
            weigh(row(i), strip, weight.data(), reach_, n, to + i * row_step);
            if (pace.stopped_after(n * (reach_ + 1))) return;
        }
    }

    // One line whose voxels are neighbours in memory.
    void smooth_line(const float* from, const std::vector<double>& weight, float* to, Pace& pace) {
        double* line = padded_.data() + reach_;
        std::copy_n(from, length_, line);
        Part marked{0, length_};
        while (marked.first < marked.end && from[marked.first] == 0)
            ++marked.first;
        while (marked.first < marked.end && from[marked.end - 1] == 0)
            --marked.end;
        const Part near = reached(marked);
        std::fill_n(to, near.first, 0.0f);
        std::fill_n(to + near.end, length_ - near.end, 0.0f);
        for (std::int64_t i = near.first; i < near.end; i += strip) {
            const std::int64_t n = std::min(strip, near.end - i);
            weigh(line + i, 1, weight.data(), reach_, n, to + i);
            if (pace.stopped_after(n * (reach_ + 1))) return;
        }
    }

  private:
    double* row(std::int64_t i) { return padded_.data() + (reach_ + i) * strip; }

    // Where the kernel brings something.
    Part reached(Part marked) const {
        if (marked.first >= marked.end) return {length_, length_};
        return {std::max<std::int64_t>(0, marked.first - reach_), std::min(length_, marked.end + reach_)};
    }

    std::int64_t length_, reach_;
    std::vector<double> padded_;
};

} // namespace

void smooth_lines(const float* from, const Lines& lines, const std::vector<double>& weight, float* to,
                  const Team& team) {
    const std::int64_t outer = lines.outer, length = lines.length, inner = lines.inner;
    const std::int64_t reach = static_cast<std::int64_t>(weight.size()) - 1;
    const bool along_memory = inner == 1;
    const std::int64_t strips = along_memory ? 1 : (inner + strip - 1) / strip;
    const std::int64_t together = along_memory ? strip : 1; // slabs of one job
    const std::int64_t groups = (outer + together - 1) / together;
    PerThread<Strip> scratch(team);
    team.run(groups * strips, [&](std::int64_t job, const Worker& worker) {
        Strip& own = scratch.of(worker, [&] { return Strip(length, reach); });
        Pace pace(worker);
        const std::int64_t first = job / strips * together, end = std::min(first + together, outer);
        for (std::int64_t slab = first; slab < end && !worker.stopped(); ++slab) {
            const std::int64_t k = job % strips * strip, at = slab * length * inner + k;
            if (along_memory)
                own.smooth_line(from + at, weight, to + at, pace);
            else
                own.smooth_rows(from + at, inner, std::min(strip, inner - k), weight, to + at, pace);
        }
    });
}

} // namespace fastfuse
