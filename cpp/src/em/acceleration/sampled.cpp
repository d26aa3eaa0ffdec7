#include "em/acceleration/sampled.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "em/acceleration/coordinates.hpp"
#include "posterior/product.hpp"

namespace fastfuse {
namespace {

using Vector = std::vector<double>;

constexpr double settled = 1e-3; // the sample's own error is of this order
constexpr int most_settling = 100;
constexpr int newton_steps = 2; // on the sample
constexpr int most_passes = 12; // over all voxels
constexpr double slowest = 0.5; // what is left of F(θ) − θ after a pass, or the sample misleads

// b − a. Of rates near 1 the complements have the digits.
double difference(const Coordinate& a, const Coordinate& b) {
    return a.rate < 0.5 ? b.rate - a.rate : a.complement - b.complement;
}

Vector difference(const std::vector<Coordinate>& a, const std::vector<Coordinate>& b) {
    Vector all(a.size());
    for (std::size_t k = 0; k < a.size(); ++k)
        all[k] = difference(a[k], b[k]);
    return all;
}

double largest(const Vector& values) {
    double most = 0;
    for (const double value : values)
        most = std::max(most, std::abs(value));
    return most;
}

// A square matrix, row by row.
class Matrix {
  public:
    explicit Matrix(std::size_t size) : size_(size), values_(size * size) {}
    double& at(std::size_t row, std::size_t column) { return values_[row * size_ + column]; }
    double at(std::size_t row, std::size_t column) const { return values_[row * size_ + column]; }

    Vector times(const Vector& v) const {
        Vector product(size_);
        for (std::size_t r = 0; r < size_; ++r)
            for (std::size_t c = 0; c < size_; ++c)
                product[r] += at(r, c) * v[c];
        return product;
    }

    Vector transposed_times(const Vector& v) const {
        Vector product(size_);
        for (std::size_t r = 0; r < size_; ++r)
            for (std::size_t c = 0; c < size_; ++c)
                product[c] += at(r, c) * v[r];
        return product;
    }

    // By Gauss and Jordan, with the largest pivot of each column; nothing where there is none.
    std::optional<Matrix> inverse() const {
        Matrix left = *this, right(size_);
        for (std::size_t k = 0; k < size_; ++k)
            right.at(k, k) = 1;
        for (std::size_t k = 0; k < size_; ++k) {
            std::size_t pivot = k;
            for (std::size_t r = k; r < size_; ++r)
                if (std::abs(left.at(r, k)) > std::abs(left.at(pivot, k))) pivot = r;
            const double by = left.at(pivot, k);
            if (!(std::abs(by) > 1e-9)) return std::nullopt;
            for (std::size_t c = 0; c < size_; ++c) {
                std::swap(left.at(k, c), left.at(pivot, c));
                std::swap(right.at(k, c), right.at(pivot, c));
                left.at(k, c) /= by;
                right.at(k, c) /= by;
            }
            for (std::size_t r = 0; r < size_; ++r) {
                const double times = left.at(r, k);
                for (std::size_t c = 0; r != k && c < size_; ++c) {
                    left.at(r, c) -= times * left.at(k, c);
                    right.at(r, c) -= times * right.at(k, c);
                }
            }
        }
        return right;
    }

    // The inverse of the matrix that also maps `step` to `change`.
    void correct(const Vector& step, const Vector& change) {
        const Vector mapped = times(change), along = transposed_times(step);
        double scale = 0;
        for (std::size_t k = 0; k < size_; ++k)
            scale += step[k] * mapped[k];
        if (!(std::abs(scale) > 0)) return;
        for (std::size_t r = 0; r < size_; ++r)
            for (std::size_t c = 0; c < size_; ++c)
                at(r, c) += (step[r] - mapped[r]) * along[c] / scale;
    }

  private:
    std::size_t size_;
    Vector values_;
};

class SampledStart {
  public:
    SampledStart(const EStep& expectation, const SampledEStep& of_sample, const Options& options)
        : expectation_(expectation), of_sample_(of_sample), options_(options), estimate_(begun(options)) {}

    Estimate run(const Performance& performance, const Sums& first) {
        theta_ = next(first, performance, options_);
        const auto inverse = near_the_end();
        if (!inverse || !gets_there(*inverse)) return em(expectation_, options_, performance, first);
        estimate_.performance = std::move(theta_);
        return std::move(estimate_);
    }

  private:
    std::vector<Coordinate> coordinates(const Performance& theta) const {
        return coordinates_of(theta, options_.estimates_prior());
    }

    // f(θ)
    std::optional<Performance> sampled(const Performance& theta) const {
        const auto sums = of_sample_(theta);
        if (!sums) return std::nullopt;
        return next(*sums, theta, options_);
    }

    // θ + step. A step beyond 0 or 1 ends there.
    Performance moved(const Vector& step) const {
        std::vector<Coordinate> to = coordinates(theta_);
        for (std::size_t k = 0; k < to.size(); ++k)
            to[k] = {std::clamp(to[k].rate + step[k], epsilon, 1.0),
                     std::clamp(to[k].complement - step[k], epsilon, 1.0)};
        return with_coordinates(theta_, to);
    }

    // Leads θ to where f stands still. Returns (I − J)^−1.
    std::optional<Matrix> near_the_end() {
        for (int step = 0; step < most_settling; ++step) {
            const auto to = sampled(theta_);
            if (!to) return std::nullopt;
            const double by = move(theta_, *to);
            theta_ = *to;
            if (by <= std::max(settled, options_.tol)) break;
        }
        const auto inverse = newton_matrix();
        for (int step = 0; inverse && step < newton_steps; ++step) {
            const auto to = sampled(theta_);
            if (!to) return std::nullopt;
            theta_ = moved(inverse->times(difference(coordinates(theta_), coordinates(*to))));
        }
        return inverse;
    }

    // (I − J)^−1, each parameter moved in its turn by a part of its distance to the nearer of 0 and 1.
    std::optional<Matrix> newton_matrix() const {
        constexpr double part = 1e-2, least = 1e-6;
        const auto here = sampled(theta_);
        if (!here) return std::nullopt;
        const auto start = coordinates(theta_);
        Matrix matrix(start.size());
        for (std::size_t k = 0; k < start.size(); ++k) {
            const bool up = start[k].rate < 0.5;
            const double by =
                (up ? 1 : -1) * std::max(part * std::min(start[k].rate, start[k].complement), least);
            auto to = start;
            to[k] = {to[k].rate + by, to[k].complement - by};
            const auto there = sampled(with_coordinates(theta_, to));
            if (!there) return std::nullopt;
            const Vector change = difference(coordinates(*here), coordinates(*there));
            for (std::size_t r = 0; r < start.size(); ++r)
                matrix.at(r, k) = (r == k ? 1 : 0) - change[r] / by;
        }
        return matrix.inverse();
    }

    // Passes over all voxels. Returns whether the sample did not mislead.
    bool gets_there(Matrix inverse) {
        Vector step, before;
        double left_before = 0;
        for (int pass = 0;; ++pass) {
            const Sums sums = expectation_(theta_);
            estimate_.log_likelihood.push_back(sums.log_likelihood);
            ++estimate_.iterations;
            const Performance to = next(sums, theta_, options_);
            const Vector left = difference(coordinates(theta_), coordinates(to));
            if (estimate_.iterations == options_.max_iter) return true;
            const bool misleads = pass > 0 && largest(left) > std::max(slowest * left_before, options_.tol);
            if (misleads || pass == most_passes || leaves_border(left)) return false;
            if (pass > 0) inverse.correct(step, difference_of(before, left));
            step = inverse.times(left);
            estimate_.converged = move(theta_, to) <= options_.tol && largest(step) <= options_.tol;
            if (estimate_.converged) return true;
            const Performance there = moved(step);
            step = difference(coordinates(theta_), coordinates(there)); // as far as 0 and 1 allow
            before = left;
            left_before = largest(left);
            theta_ = there;
        }
    }

    static Vector difference_of(const Vector& a, const Vector& b) {
        Vector all(a.size());
        for (std::size_t k = 0; k < a.size(); ++k)
            all[k] = a[k] - b[k];
        return all;
    }

    // Whether EM would lead a rate away from 0 or 1, where it stands so near that the move looks small.
    bool leaves_border(const Vector& left) const {
        const auto here = coordinates(theta_);
        for (std::size_t k = 0; k < here.size(); ++k) {
            const double nearest = std::min(here[k].rate, here[k].complement);
            const double inwards = here[k].rate < 0.5 ? left[k] : -left[k];
            if (nearest < options_.tol && inwards > 0.01 * nearest) return true;
        }
        return false;
    }

    const EStep& expectation_;
    const SampledEStep& of_sample_;
    const Options& options_;
    Performance theta_;
    Estimate estimate_;
};

} // namespace

Estimate sampled_em(const EStep& expectation, const SampledEStep& of_sample, const Options& options,
                    const Performance& performance, const Sums& first) {
    return SampledStart(expectation, of_sample, options).run(performance, first);
}

} // namespace fastfuse
