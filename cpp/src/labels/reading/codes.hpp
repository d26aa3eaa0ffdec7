// Codes of label values, and the labels that occur.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/array_view.hpp"
#include "fastfuse/errors.hpp"
#include "fastfuse/labels.hpp"

namespace fastfuse {

// A value as a label, or why it is none.
struct Reading {
    std::int64_t label = 0;
    bool missing = false;
    std::optional<BadInput::Kind> wrong;
};

// `value` is one of an array of floats, or fits a double.
Reading read_label(double value, bool nan_is_missing);

// From label values to codes and back.
class CodeBook {
  public:
    explicit CodeBook(const std::vector<std::int64_t>& labels);

    // no_code for what is no label.
    Code of(std::int64_t label) const;

    // Codes of n values in native layout; no_code for a missing vote, and for what is no label. Returns
    // whether there was one of the latter.
    bool read(Scalar type, const std::byte* from, std::int64_t n, bool nan_is_missing, Code* to) const;

  private:
    template <class T>
    bool read_narrow(const std::vector<Code>& of, const std::byte* from, std::int64_t n, Code* to) const;
    template <class T> bool read_wide(const std::byte* from, std::int64_t n, Code* to) const;
    bool read_floats(Scalar type, const std::byte* from, std::int64_t n, bool nan_is_missing, Code* to) const;

    std::vector<std::int64_t> labels_;
    std::vector<Code> of_unsigned_, of_signed_; // of each value of 16 bits
};

} // namespace fastfuse
