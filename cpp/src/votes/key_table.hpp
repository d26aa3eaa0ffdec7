// Hash table of distinct keys, filled by many threads at once; how often each occurs, and their order.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <numeric>
#include <optional>
#include <vector>

#include "fastfuse/threads.hpp"
#include "support/raw_vector.hpp"

namespace fastfuse {

template <class Element> std::uint64_t hash(const Element* key, int width) {
    static_assert(sizeof(Element) == sizeof(std::uint64_t));
    std::uint64_t h = 0;
    for (int i = 0; i < width; ++i) {
        std::uint64_t bits;
        std::memcpy(&bits, key + i, sizeof bits);
        h = (h ^ bits) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    return h * 0x9E3779B97F4A7C15u >> 32; // the upper bits depend on the whole key
}

// Distinct keys of `width` elements, numbered from 0 in the order of insertion. Look-ups take no lock;
// insertions, which are rare, take one.
template <class Element> class KeyTable {
  public:
    static constexpr std::uint32_t full = UINT32_MAX; // returned in place of a number

    KeyTable(int width, std::int64_t capacity) : width_(width), capacity_(capacity) {
        std::size_t slots = 16;
        while (slots < 2 * static_cast<std::size_t>(capacity))
            slots *= 2;
        slots_ = std::vector<std::atomic<std::uint32_t>>(slots);
        keys_.resize(static_cast<std::size_t>(capacity * width));
    }

    // Number of the key; `full` if the key is new and the table has no place for it.
    std::uint32_t find_or_add(const Element* key) {
        std::size_t slot = hash(key, width_) & (slots_.size() - 1);
        const std::uint32_t found = probe(key, slot);
        if (found != full) return found;
        const std::lock_guard<std::mutex> hold(adding_);
        const std::uint32_t added_meanwhile = probe(key, slot);
        if (added_meanwhile != full) return added_meanwhile;
        if (size_ == capacity_) return full;
        std::copy_n(key, width_, keys_.begin() + size_ * width_);
        const auto id = static_cast<std::uint32_t>(size_++);
        slots_[slot].store(id + 1, std::memory_order_release);
        return id;
    }

    int width() const { return width_; }
    std::int64_t size() const { return size_; }
    const Element* key(std::int64_t id) const { return keys_.data() + id * width_; }

  private:
    // Follows the key's chain of slots; if the key is not there, `slot` is the empty one at its end.
    std::uint32_t probe(const Element* key, std::size_t& slot) const {
        for (;; slot = (slot + 1) & (slots_.size() - 1)) {
            const std::uint32_t entry = slots_[slot].load(std::memory_order_acquire);
            if (entry == 0) return full;
            if (std::equal(key, key + width_, this->key(entry - 1))) return entry - 1;
        }
    }

    int width_;
    std::int64_t capacity_;
    std::int64_t size_ = 0;
    std::vector<std::atomic<std::uint32_t>> slots_; // id + 1; 0 where empty
    RawVector<Element> keys_;
    std::mutex adding_;
};

struct Full {}; // the table has no place for another key

// What `attempt(room)` returns with room for so many keys; nullopt where even `capacity` is too little. Most
// volumes have few keys: the first table fits the cache.
template <class Attempt> auto with_room(std::int64_t capacity, const Attempt& attempt) {
    std::optional<decltype(attempt(capacity))> found;
    for (std::int64_t room = std::min<std::int64_t>(4096, capacity); !found;
         room = std::min(16 * room, capacity)) {
        try {
            found = attempt(room);
        } catch (const Full&) { // the next reader overwrites all notes
            if (room == capacity) break;
        }
    }
    return found;
}

// Number of voxels of each id. Each thread has its own counts of low ids, which are the frequent ones.
class IdCounts {
  public:
    IdCounts(std::int64_t ids, int threads)
        : shared_(static_cast<std::size_t>(ids)),
          own_(static_cast<std::size_t>(threads),
               std::vector<std::int64_t>(static_cast<std::size_t>(std::min<std::int64_t>(ids, low)))) {}

    void add(std::uint32_t id, std::int64_t voxels, int thread) {
        if (id < low)
            own_[static_cast<std::size_t>(thread)][id] += voxels;
        else
            shared_[id].fetch_add(voxels, std::memory_order_relaxed);
    }

    double total(std::size_t id) const {
        std::int64_t sum = shared_[id].load();
        for (const auto& counts : own_)
            sum += id < low ? counts[id] : 0;
        return static_cast<double>(sum);
    }

  private:
    static constexpr std::uint32_t low = 4096;
    std::vector<std::atomic<std::int64_t>> shared_;
    std::vector<std::vector<std::int64_t>> own_;
};

// Numbers of the keys in lexicographic order, which does not depend on the order of the threads.
template <class Element> std::vector<std::int64_t> sorted(const KeyTable<Element>& table, Watch& watch) {
    Patience patience(watch);
    std::vector<std::int64_t> order(static_cast<std::size_t>(table.size()));
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        patience.after(8);
        return std::lexicographical_compare(table.key(a), table.key(a) + table.width(), table.key(b),
                                            table.key(b) + table.width());
    });
    return order;
}

} // namespace fastfuse
