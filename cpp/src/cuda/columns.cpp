#include "cuda/columns.hpp"

#include <algorithm>
#include <cmath>

namespace fastfuse::cuda {
namespace {

// Four float32 or sixteen bytes can be read at a time where they lie on 16 bytes.
bool all_are(const Votes& votes, std::initializer_list<Scalar> types) {
    constexpr std::uintptr_t alignment = 16;
    return std::all_of(votes.raters.begin(), votes.raters.end(), [&](const View& view) {
        return std::find(types.begin(), types.end(), view.type) != types.end() &&
               reinterpret_cast<std::uintptr_t>(view.data) % alignment == 0;
    });
}

} // namespace

Columns columns_of(const Votes& votes) {
    Columns columns{};
    columns.raters = votes.size();
    columns.voxels = votes.voxels();
    columns.mask = votes.mask ? reinterpret_cast<const std::uint8_t*>(votes.mask->data) : nullptr;
    for (std::size_t i = 0; i < votes.raters.size(); ++i) {
        columns.vote[i] = votes.raters[i].data;
        columns.type[i] = votes.raters[i].type;
    }
    columns.floats = all_are(votes, {Scalar::f32});
    columns.bytes = all_are(votes, {Scalar::boolean, Scalar::u8});
    return columns;
}

double vote_at(const Columns& columns, Count number, const Place& place) {
    const auto raters = static_cast<Count>(columns.raters);
    const auto rater = static_cast<std::size_t>(number % raters);
    const std::int64_t size = size_of(columns.type[rater]);
    std::byte bytes[sizeof(double)]{};
    copy_to_host(place,
                 static_cast<const std::byte*>(columns.vote[rater]) +
                     static_cast<std::int64_t>(number / raters) * size,
                 static_cast<std::size_t>(size), bytes);
    double vote = 0;
    widen_all(columns.type[rater], bytes, 1, &vote);
    return vote;
}

namespace {

void refuse_mask(const Columns& columns, Count voxel, const Place& place) {
    std::uint8_t found = 0;
    copy_to_host(place, reinterpret_cast<const std::byte*>(columns.mask) + voxel, 1, &found);
    throw BadInput(BadInput::Kind::mask, -1, static_cast<std::int64_t>(voxel), found);
}

void refuse_vote(const Columns& columns, Count number, Check check, const Place& place) {
    const double vote = vote_at(columns, number, place);
    const auto raters = static_cast<Count>(columns.raters);
    const auto throw_it = [&](BadInput::Kind kind) {
        throw BadInput(kind, static_cast<int>(number % raters), static_cast<std::int64_t>(number / raters),
                       vote);
    };
    if (!std::isfinite(vote)) throw_it(BadInput::Kind::not_finite);
    if (check == Check::binary && vote != 0 && vote != 1) throw_it(BadInput::Kind::not_binary);
    if (vote < 0 || vote > 1) throw_it(BadInput::Kind::out_of_range);
}

} // namespace

void refuse(const Columns& columns, const Strays& strays, Check check, const Place& place) {
    if (strays.mask.found()) refuse_mask(columns, strays.mask.place(), place);
    if (strays.vote.found()) refuse_vote(columns, strays.vote.place(), check, place);
}

} // namespace fastfuse::cuda
