// Voxels on which not all raters vote, by those who do: columns of these raters' votes, for the same kernels
// as all others.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "engines/lanes/missing/voters.hpp"
#include "engines/lanes/tile.hpp"

namespace fastfuse {

// Voxels from anywhere in the volume on which the same raters vote, at most a tile of them.
template <class T> struct Group {
    static constexpr std::int64_t room = kernels::tile_voxels<T>;

    Group(Voters who, bool with_prior)
        : voters(who), raters(raters_of(who)), votes(static_cast<std::int64_t>(raters.size()) * room),
          weight(room), prior(with_prior ? room : 0), vote_of(raters.size()), next_of(raters.size()) {
        for (std::size_t k = 0; k < raters.size(); ++k) {
            vote_of[k] = column(k);
            next_of[k] = reinterpret_cast<const std::byte*>(column(k)); // a group knows no next one
        }
        columns = {static_cast<int>(raters.size()), vote_of.data(), next_of.data(), weight.data(),
                   with_prior ? prior.data() : nullptr};
    }
    Group(const Group&) = delete;

    T* column(std::size_t k) { return votes.data() + static_cast<std::int64_t>(k) * room; }

    // Where voxels do not count, votes are 0.
    void pad() {
        std::fill_n(weight.data(), voxels, T(1));
        std::fill(weight.data() + voxels, weight.data() + room, T(0));
        for (std::size_t k = 0; k < raters.size(); ++k)
            std::fill(column(k) + voxels, column(k) + room, T(0));
        if (!prior.empty()) std::fill(prior.data() + voxels, prior.data() + room, T(0.5));
    }

    Voters voters;
    std::vector<std::size_t> raters;
    std::int64_t voxels = 0;
    std::array<std::int64_t, static_cast<std::size_t>(room)> voxel; // index of each in the volume
    kernels::Columns<T> columns;

    kernels::Aligned<T> votes, weight, prior;
    std::vector<const T*> vote_of;
    std::vector<const std::byte*> next_of;
};

// So many sets of voters are served: 2^m of few raters.
constexpr std::size_t most_sets(int raters) { return raters <= 12 ? 4096 : 256; }

struct TooManySets {}; // thrown where there are more, or where their masses take too much memory

// Fills groups from tiles. Scratch of one thread.
template <class T> class Groups {
  public:
    Groups(int raters, bool with_prior)
        : raters_(raters), with_prior_(with_prior), direct_(raters <= 10 ? std::size_t{1} << raters : 0) {}

    // Calls `look(group)` for every group that is full.
    template <class Look>
    void add(std::int64_t first, std::int64_t n, const kernels::Columns<T>& columns, const Voters* voters,
             const Look& look) {
        for (std::int64_t k = 0, end; k < n; k = end) {
            for (end = k + 1; end < n && voters[end] == voters[k];)
                ++end;
            if (voters[k] != all_of(raters_)) append(first, k, end, columns, voters[k], look);
        }
    }

    // Calls it for the others, in the order of their voters: all groups are empty then.
    template <class Look> void finish(const Look& look) {
        for (const auto& [voters, group] : groups_)
            if (group->voxels > 0) flush(*group, look);
    }

  private:
    template <class Look>
    void append(std::int64_t first, std::int64_t begin, std::int64_t end, const kernels::Columns<T>& columns,
                Voters voters, const Look& look) {
        Group<T>& group = group_of(voters, look);
        while (begin < end) {
            const std::int64_t at = group.voxels, n = std::min(end - begin, Group<T>::room - at);
            for (std::size_t k = 0; k < group.raters.size(); ++k)
                copy(columns.vote[group.raters[k]] + begin, n, group.column(k) + at);
            if (with_prior_) copy(columns.prior + begin, n, group.prior.data() + at);
            for (std::int64_t k = 0; k < n; ++k)
                group.voxel[static_cast<std::size_t>(at + k)] = first + begin + k;
            group.voxels += n;
            begin += n;
            if (group.voxels == Group<T>::room) flush(group, look);
        }
    }

    template <class Look> Group<T>& group_of(Voters voters, const Look& look) {
        if (!direct_.empty() && direct_[voters]) return *direct_[voters];
        constexpr std::size_t most_open = 1024; // each takes some 2 m KiB
        if (groups_.size() == most_open && groups_.count(voters) == 0) {
            finish(look);
            groups_.clear();
            std::fill(direct_.begin(), direct_.end(), nullptr);
        }
        auto& place = groups_[voters];
        if (!place) place = std::make_unique<Group<T>>(voters, with_prior_);
        if (!direct_.empty()) direct_[voters] = place.get();
        return *place;
    }

    // Runs are short where votes are missing here and there.
    static void copy(const T* from, std::int64_t n, T* to) {
        if (n > 4) {
            std::copy_n(from, n, to);
            return;
        }
        for (std::int64_t k = 0; k < n; ++k)
            to[k] = from[k];
    }

    template <class Look> static void flush(Group<T>& group, const Look& look) {
        group.pad();
        look(static_cast<const Group<T>&>(group));
        group.voxels = 0;
    }

    int raters_;
    bool with_prior_;
    std::map<Voters, std::unique_ptr<Group<T>>> groups_;
    std::vector<Group<T>*> direct_; // the same where raters are few
};

} // namespace fastfuse
