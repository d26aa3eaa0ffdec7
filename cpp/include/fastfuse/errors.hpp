// Input that cannot be used: thrown where it is met, made a sentence of where the caller can be named.
#pragma once

#include <cstdint>
#include <exception>

namespace fastfuse {

// What was wrong, where (index in C order of the shape; -1: no single place) and the value found there.
struct BadInput : std::exception {
    enum class Kind {
        not_finite,
        out_of_range,
        not_binary,
        not_label,
        mask,
        present,
        prior,
        empty_mask,
        too_many_fractional,
        image_not_finite,
        unknown_label,
        too_many_labels,
        not_probabilities,   // the votes for all labels do not sum to 1; `value` is their sum
        too_few_for_classes, // raters who vote anywhere; `value` is their number
        too_few_raters,      // who vote anywhere; `value` is their number
        prior_sum,           // the priors of all labels do not sum to 1; `value` is their sum
    };
    explicit BadInput(Kind k, int r = -1, std::int64_t v = -1, double x = 0)
        : kind(k), rater(r), voxel(v), value(x) {}
    const char* what() const noexcept override { return "input that cannot be used"; }
    Kind kind;
    int rater;
    std::int64_t voxel;
    double value;
};

} // namespace fastfuse
