// Hash table of distinct keys, filled by many threads at once; how often each occurs, and their order.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>
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
// insertions, which are rare, take one. The slots grow with the keys, so that those of few keys stay in the
// cache; a thread that still looks at smaller slots finds what is missing there once it has the lock.
template <class Element> class KeyTable {
  public:
    static constexpr std::uint32_t full = UINT32_MAX; // returned in place of a number

    KeyTable(int width, std::int64_t capacity) : width_(width), capacity_(capacity) {
        keys_.resize(static_cast<std::size_t>(capacity * width)); // memory that nobody touches costs nothing
        grow(least_slots);
    }

    // Number of the key; `full` if the key is new and the table has no place for it.
    std::uint32_t find_or_add(const Element* key) {
        const std::size_t place = hash(key, width_);
        const std::uint32_t found = probe(*slots_.load(std::memory_order_acquire), key, place).entry;
        if (found != 0) return found - 1;
        if (size() == capacity_) return full;
        const std::lock_guard<std::mutex> hold(adding_);
        const Place now = probe(*kept_.back(), key, place);
        if (now.entry != 0) return now.entry - 1;
        const std::int64_t number = size();
        if (number == capacity_) return full;
        std::copy_n(key, width_, keys_.begin() + number * width_);
        (*kept_.back())[now.slot].store(static_cast<std::uint32_t>(number) + 1, std::memory_order_release);
        size_.store(number + 1, std::memory_order_release);
        if (2 * static_cast<std::size_t>(number + 1) > kept_.back()->size()) grow(4 * kept_.back()->size());
        return static_cast<std::uint32_t>(number);
    }

    // Forgets the keys from this number on. While no other thread looks.
    void truncate(std::int64_t size) {
        const std::size_t slots = kept_.back()->size();
        size_.store(size);
        kept_.clear();
        grow(slots);
    }

    int width() const { return width_; }
    std::int64_t capacity() const { return capacity_; }
    std::int64_t size() const { return size_.load(std::memory_order_acquire); }
    const Element* key(std::int64_t id) const { return keys_.data() + id * width_; }

  private:
    using Slots = std::vector<std::atomic<std::uint32_t>>; // id + 1; 0 where empty
    static constexpr std::size_t least_slots = 8192;       // fit the cache

    struct Place {
        std::size_t slot;
        std::uint32_t entry; // 0: the key is not there, and may come into this slot
    };

    // Follows the key's chain of slots.
    Place probe(const Slots& slots, const Element* key, std::size_t place) const {
        for (std::size_t slot = place & (slots.size() - 1);; slot = (slot + 1) & (slots.size() - 1)) {
            const std::uint32_t entry = slots[slot].load(std::memory_order_acquire);
            if (entry == 0 || std::equal(key, key + width_, this->key(entry - 1))) return {slot, entry};
        }
    }

    void grow(std::size_t slots) {
        auto larger = std::make_unique<Slots>(slots);
        for (std::int64_t id = 0; id < size(); ++id) {
            const Place free = probe(*larger, key(id), hash(key(id), width_));
            (*larger)[free.slot].store(static_cast<std::uint32_t>(id) + 1, std::memory_order_relaxed);
        }
        kept_.push_back(std::move(larger));
        slots_.store(kept_.back().get(), std::memory_order_release);
    }

    int width_;
    std::int64_t capacity_;
    std::atomic<std::int64_t> size_{0};
    std::atomic<const Slots*> slots_{nullptr};
    std::vector<std::unique_ptr<Slots>> kept_; // the last are in use, the others may still be looked at
    RawVector<Element> keys_;
    std::mutex adding_;
};

struct Full {}; // the table has no place for another key

// Number of voxels of each id. Each thread has its own counts of low ids, which are the frequent ones; those
// of high ids have memory from when the first of some occurs.
class IdCounts {
  public:
    IdCounts(std::int64_t ids, int threads)
        : shared_(static_cast<std::size_t>((ids + some - 1) / some)),
          own_(static_cast<std::size_t>(threads),
               std::vector<std::int64_t>(static_cast<std::size_t>(std::min<std::int64_t>(ids, some)))) {}

    void add(std::uint32_t id, std::int64_t voxels, int thread) {
        if (id < some)
            own_[static_cast<std::size_t>(thread)][id] += voxels;
        else
            shared(id).fetch_add(voxels, std::memory_order_relaxed);
    }

    std::int64_t total(std::size_t id) const {
        std::int64_t sum = 0;
        if (const auto& counts = shared_[id / some].counts) sum = counts[id % some].load();
        for (const auto& counts : own_)
            sum += id < some ? counts[id] : 0;
        return sum;
    }

    // Those of the first ids, to go back to: all others become 0.
    std::vector<std::int64_t> totals(std::size_t ids) const {
        std::vector<std::int64_t> found(ids);
        for (std::size_t id = 0; id < ids; ++id)
            found[id] = total(id);
        return found;
    }
    void go_back_to(const std::vector<std::int64_t>& totals) {
        for (auto& counts : own_)
            std::fill(counts.begin(), counts.end(), 0);
        for (Some& counts : shared_)
            for (std::size_t k = 0; counts.counts && k < some; ++k)
                counts.counts[k] = 0;
        for (std::size_t id = 0; id < totals.size(); ++id)
            add(static_cast<std::uint32_t>(id), totals[id], 0);
    }

  private:
    static constexpr std::uint32_t some = 4096;
    struct Some {
        std::once_flag once;
        std::unique_ptr<std::atomic<std::int64_t>[]> counts;
    };

    std::atomic<std::int64_t>& shared(std::uint32_t id) {
        Some& counts = shared_[id / some];
        std::call_once(counts.once,
                       [&] { counts.counts = std::make_unique<std::atomic<std::int64_t>[]>(some); });
        return counts.counts[id % some];
    }

    std::vector<Some> shared_;
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
