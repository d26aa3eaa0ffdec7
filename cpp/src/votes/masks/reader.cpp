#include "votes/masks/reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace fastfuse::masks {
namespace {

constexpr std::int64_t groups_of_block = block_voxels / group_voxels;

const GroupList& all_groups() {
    static const GroupList all = [] {
        GroupList list;
        for (; list.size < groups_of_block; ++list.size)
            list.group[static_cast<std::size_t>(list.size)] = static_cast<std::uint8_t>(list.size);
        return list;
    }();
    return all;
}

// `bytes`: 0 or 1 each.
std::int64_t sum_of_group(const Bytes& bytes, std::int64_t group) {
    std::array<std::uint64_t, static_cast<std::size_t>(group_voxels) / 8> words;
    std::memcpy(words.data(), bytes.data() + group * group_voxels, sizeof words);
    std::uint64_t sums = 0; // of every eighth byte
    for (const std::uint64_t word : words)
        sums += word;
    return static_cast<std::int64_t>(sums * 0x0101010101010101u >>
                                     56); // the highest byte of the product is their sum
}

bool is_float(Scalar type) { return type == Scalar::f16 || type == Scalar::f32 || type == Scalar::f64; }

// Of labels, fractions may stand for one.
bool may_be_masks(const Votes& votes) {
    if (votes.place || votes.prior || !votes.present.empty() || bits_of(votes) > most_bits) return false;
    return std::all_of(votes.raters.begin(), votes.raters.end(), [&](const View& view) {
        return can_mark(view.type, votes.select_label.value_or(1)) &&
               !(votes.select_label && is_float(view.type));
    });
}

} // namespace

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
    : votes_(votes), copies_(votes.raters.size() + 1), from_(votes.raters.size()),
      planes_(static_cast<std::size_t>((bits_of(votes) + 7) / 8)) {
    for (const View& view : votes.raters) {
        marking_.push_back({view.type, votes.select_label.value_or(1), !votes.select_label});
        in_place_.push_back(!view.swapped && contiguous(view, votes.shape));
    }
    in_place_.push_back(votes.mask && !votes.mask->swapped && contiguous(*votes.mask, votes.shape));
    inside_.fill(1);
}

// The block's values in native layout, as many as a whole block has: beyond the volume they are 0.
const std::byte* Reader::run(const View& view, std::size_t copy) {
    const std::int64_t item = size_of(view.type);
    const std::byte* from = view.data + first_ * item;
    if (in_place_[copy] && voxels_ == block_voxels) return from;
    std::vector<std::byte>& own = copies_[copy];
    own.resize(static_cast<std::size_t>(block_voxels * item));
    const auto end = own.begin() + static_cast<std::ptrdiff_t>(voxels_ * item);
    std::fill(end, own.end(), std::byte{0});
    if (in_place_[copy])
        std::copy_n(from, voxels_ * item, own.begin());
    else
        gather(view, votes_.shape, first_, voxels_, own.data());
    return own.data();
}

bool Reader::read_mask() {
    static const Bytes everywhere = [] {
        Bytes ones;
        ones.fill(1);
        return ones;
    }();
    const std::byte* from = run(*votes_.mask, votes_.raters.size());
    inside_.fill(0);
    if (!append({votes_.mask->type, 1, true}, from, all_groups(), everywhere, inside_.data())) return false;
    inside_voxels_ = 0;
    for (std::int64_t g = 0; g < groups_of_block; ++g) {
        const std::int64_t sum = sum_of_group(inside_, g);
        inside_voxels_ += sum;
        uniform_.outside |= std::uint64_t{sum == 0} << g;
        uniform_.zero |= std::uint64_t{sum == group_voxels} << g;
    }
    return true;
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

// Busy groups: where a rater may vote, or which the mask divides.
void Reader::list_groups(std::uint64_t voted) {
    uniform_.zero &= ~voted;
    const std::uint64_t busy = ~(uniform_.zero | uniform_.outside);
    busy_.size = 0;
    if (busy == 0) return;
    for (std::int64_t g = 0; g < groups_of_block; ++g) {
        busy_.group[static_cast<std::size_t>(busy_.size)] = static_cast<std::uint8_t>(g);
        busy_.size += static_cast<std::int64_t>(busy >> g & 1);
    }
}

// The leading bit of each pattern.
void Reader::mark_outside() {
    Bytes& plane = planes_[static_cast<std::size_t>((8 * planes() - bits_of(votes_)) / 8)];
    for (std::int64_t j = 0; j < busy_.size; ++j) {
        const std::int64_t first = group_voxels * busy_.group[static_cast<std::size_t>(j)];
        for (std::int64_t k = 0; k < group_voxels; ++k)
            plane[static_cast<std::size_t>(j * group_voxels + k)] =
                inside_[static_cast<std::size_t>(first + k)] == 0;
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
    for (std::size_t i = 0; i < from_.size(); ++i)
        from_[i] = run(votes_.raters[i], i);
    list_groups(voted_groups());
    if (busy_.size == 0) return true;
    for (Bytes& plane : planes_)
        std::memset(plane.data(), 0, static_cast<std::size_t>(busy_.size * group_voxels));
    if (votes_.mask) mark_outside();
    const int unused = 8 * planes() - votes_.size();
    bool good = true;
    for (int i = 0; i < votes_.size(); ++i) {
        Bytes& plane = planes_[static_cast<std::size_t>((unused + i) / 8)];
        const auto k = static_cast<std::size_t>(i);
        good &= append(marking_[k], from_[k], busy_, inside_, plane.data());
    }
    return good;
}

} // namespace fastfuse::masks
