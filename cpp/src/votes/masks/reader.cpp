#include "votes/masks/reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace fastfuse::masks {
namespace {

constexpr std::int64_t groups_of_block = block_voxels / group_voxels;

bool is_float(Scalar type) { return type == Scalar::f16 || type == Scalar::f32 || type == Scalar::f64; }

// Of labels, fractions may stand for one.
bool may_be_masks(const Votes& votes) {
    if (votes.place || votes.prior || bits_of(votes) > most_bits) return false;
    return std::all_of(votes.raters.begin(), votes.raters.end(), [&](const View& view) {
        return can_mark(view.type, votes.select_label.value_or(1)) &&
               !(votes.select_label && view.type == Scalar::f16);
    });
}

} // namespace

int bits_of(const Votes& votes) {
    const auto may_not_look = std::count_if(votes.present.begin(), votes.present.end(),
                                            [](const auto& present) { return present.has_value(); });
    return votes.size() + static_cast<int>(may_not_look) + (votes.mask ? 1 : 0);
}

bool look_like_masks(const Votes& votes) {
    if (!may_be_masks(votes)) return false;
    const bool may_be_soft =
        votes.check == Check::unit && std::any_of(votes.raters.begin(), votes.raters.end(),
                                                  [](const View& view) { return is_float(view.type); });
    if (!may_be_soft) return true;
    constexpr std::int64_t blocks_looked_at = 16;
    const std::int64_t blocks = block_count(votes),
                       step = std::max<std::int64_t>(1, blocks / blocks_looked_at);
    Reader reader(votes);
    int odd = 0; // a single vote may be
    for (std::int64_t block = step / 2; block < blocks && odd < 2; block += step)
        odd += !reader.read(block);
    return odd < 2;
}

Reader::Reader(const Votes& votes)
    : votes_(votes), seen_(votes.present.size()), saw_all_(votes.present.size()), from_(votes.raters.size()),
      planes_(static_cast<std::size_t>((bits_of(votes) + 7) / 8)) {
    for (const View& view : votes.raters) {
        marking_.push_back({view.type, votes.select_label.value_or(1), votes.select_label.has_value()});
        raters_.emplace_back(view, votes);
    }
    if (votes.mask) mask_.emplace(*votes.mask, votes);
    for (const std::optional<View>& view : votes.present)
        present_.push_back(view ? std::make_optional<Source>(*view, votes) : std::nullopt);
    inside_.fill(1);
}

// The block's values in native layout, as many as a whole block has: beyond the volume they are 0.
const std::byte* Reader::run(Source& source) const {
    const std::byte* from = source.runs.at(first_, voxels_);
    if (voxels_ == block_voxels) return from;
    const std::int64_t item = size_of(source.type);
    source.cut.assign(static_cast<std::size_t>(block_voxels * item), std::byte{0});
    std::copy_n(from, voxels_ * item, source.cut.begin());
    return source.cut.data();
}

bool Reader::read_ones(Source& source, Bytes& to, std::uint8_t beyond) const {
    std::fill(to.begin() + voxels_, to.end(), beyond);
    return masks::read_ones(source.type, source.runs.at(first_, voxels_), voxels_, to.data());
}

bool Reader::read_mask() {
    if (!read_ones(*mask_, inside_, 0)) return false;
    inside_voxels_ = 0;
    for (std::int64_t g = 0; g < groups_of_block; ++g) {
        const std::int64_t sum = sum_of_group(inside_.data() + g * group_voxels);
        inside_voxels_ += sum;
        uniform_.outside |= std::uint64_t{sum == 0} << g;
        uniform_.zero |= std::uint64_t{sum == group_voxels} << g;
    }
    return true;
}

bool Reader::read_present() {
    unseen_ = 0;
    for (std::size_t i = 0; i < present_.size(); ++i) {
        if (!present_[i]) continue;
        saw_all_[i] =
            voxels_ == block_voxels && are_all_one(present_[i]->type, present_[i]->runs.at(first_, voxels_));
        if (saw_all_[i]) continue;
        Bytes& seen = seen_[i];
        if (!read_ones(*present_[i], seen, 1)) return false;
        for (std::int64_t g = 0; g < groups_of_block; ++g)
            unseen_ |= std::uint64_t{sum_of_group(seen.data() + g * group_voxels) != group_voxels} << g;
        for (std::size_t k = 0; votes_.mask && k < seen.size(); ++k)
            seen[k] &= inside_[k];
    }
    unseen_ &= ~uniform_.outside;
    return true;
}

// Where a rater's votes count: 1, else 0.
const std::uint8_t* Reader::counted(int rater) const {
    const auto i = static_cast<std::size_t>(rater);
    return !present_.empty() && present_[i] && !saw_all_[i] ? seen_[i].data() : inside_.data();
}

std::uint64_t Reader::voted_groups() const {
    const std::int64_t first_size = size_of(marking_[0].type);
    if (std::all_of(marking_.begin(), marking_.end(),
                    [&](const Marking& marking) { return size_of(marking.type) == first_size; }))
        return nonzero_groups(from_.data(), votes_.size(), group_voxels * first_size);
    std::uint64_t voted = 0;
    for (std::size_t i = 0; i < from_.size(); ++i)
        voted |= nonzero_groups(&from_[i], 1, group_voxels * size_of(marking_[i].type));
    return voted;
}

// Busy groups: where a rater may vote, which not every rater saw, or which the mask divides.
void Reader::list_groups() {
    const std::uint64_t voted = voted_groups();
    uniform_.zero &= ~(voted | unseen_);
    const std::uint64_t busy = ~(uniform_.zero | uniform_.outside);
    divided_ = busy & ~(voted | unseen_);
    busy_.size = voted_.size = 0;
    if (busy == 0) return;
    for (std::int64_t g = 0; g < groups_of_block; ++g) {
        voted_.add(g, busy_.size, (busy & voted) >> g & 1);
        busy_.add(g, busy_.size, busy >> g & 1);
    }
}

// Sets a bit of the busy groups' patterns, counted from the lowest: `tell(voxel)`, of the block.
template <class Tell> void Reader::append_bit(int bit, const Tell& tell) {
    Bytes& plane = planes_[static_cast<std::size_t>(planes() - 1 - bit / 8)];
    for (std::int64_t j = 0; j < busy_.size; ++j) {
        const std::int64_t first = group_voxels * busy_.group[static_cast<std::size_t>(j)];
        std::uint8_t* patterns = plane.data() + j * group_voxels;
        for (std::int64_t k = 0; k < group_voxels; ++k)
            patterns[k] = static_cast<std::uint8_t>(patterns[k] + patterns[k] +
                                                    tell(static_cast<std::size_t>(first + k)));
    }
}

// The bits above those of the votes.
void Reader::mark_outside() {
    int bit = bits_of(votes_) - 1;
    if (votes_.mask) append_bit(bit--, [&](std::size_t k) { return inside_[k] == 0; });
    for (std::size_t i = 0; i < present_.size(); ++i)
        if (present_[i] && saw_all_[i])
            append_bit(bit--, [](std::size_t) { return false; });
        else if (present_[i])
            append_bit(bit--, [&, &seen = seen_[i]](std::size_t k) { return inside_[k] != seen[k]; });
}

// Makes room for the votes in the patterns of groups without any.
void Reader::shift_voteless() {
    const int last = planes() - 1, raters = votes_.size();
    for (int p = 0; p <= last; ++p) {
        const int bits = std::clamp(raters - 8 * (last - p), 0, 8); // of votes in this plane
        std::int64_t next = 0;
        for (std::int64_t j = 0; j < busy_.size; ++j) {
            if (next < voted_.size && voted_.place[static_cast<std::size_t>(next)] == j) {
                ++next;
                continue;
            }
            std::uint8_t* patterns = planes_[static_cast<std::size_t>(p)].data() + j * group_voxels;
            for (std::int64_t k = 0; k < group_voxels; ++k)
                patterns[k] = static_cast<std::uint8_t>(patterns[k] << bits);
        }
    }
}

bool Reader::read(std::int64_t index) {
    first_ = index * block_voxels;
    voxels_ = std::min(block_voxels, votes_.voxels() - first_);
    uniform_ = {~std::uint64_t{0}, 0};
    inside_voxels_ = voxels_;
    if (votes_.mask) {
        uniform_.zero = 0;
        if (!read_mask()) return false;
        busy_.size = 0;
        if (uniform_.outside == ~std::uint64_t{0}) return true;
    }
    if (!read_present()) return false;
    for (std::size_t i = 0; i < from_.size(); ++i)
        from_[i] = run(raters_[i]);
    list_groups();
    if (busy_.size == 0) return true;
    for (Bytes& plane : planes_)
        std::memset(plane.data(), 0, static_cast<std::size_t>(busy_.size * group_voxels));
    mark_outside();
    bool good = true;
    for (int i = 0; i < votes_.size(); ++i) {
        Bytes& plane = planes_[static_cast<std::size_t>(planes() - 1 - (votes_.size() - 1 - i) / 8)];
        const auto k = static_cast<std::size_t>(i);
        good &= append(marking_[k], from_[k], voted_, counted(i), plane.data());
    }
    if (voted_.size < busy_.size) shift_voteless();
    return good;
}

} // namespace fastfuse::masks
