//! A map of bounded size that drops the least recently used entry. Every operation takes constant time.

use std::collections::HashMap;
use std::hash::Hash;

/// The index for "no neighbour".
const NONE: usize = usize::MAX;

/// See the module.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    capacity: usize,
    places: HashMap<K, usize>,
    /// A doubly linked list by indices, from the most to the least recently used entry.
    entries: Vec<Entry<K, V>>,
    newest: usize,
    oldest: usize,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    newer: usize,
    older: usize,
}

impl<K: Copy + Eq + Hash, V> Lru<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), places: HashMap::new(), entries: Vec::new(), newest: NONE, oldest: NONE }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// An entry, without marking it as used.
    pub(crate) fn peek(&self, key: K) -> Option<&V> {
        self.entries.get(*self.places.get(&key)?).map(|entry| &entry.value)
    }

    /// An entry, which becomes the most recently used.
    pub(crate) fn get(&mut self, key: K) -> Option<&mut V> {
        let place = *self.places.get(&key)?;
        if place != self.newest {
            self.unlink(place);
            self.link(place);
        }
        self.entries.get_mut(place).map(|entry| &mut entry.value)
    }

    /// Every value, in no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|entry| &entry.value)
    }

    /// The least recently used entry.
    pub(crate) fn oldest(&self) -> Option<(K, &V)> {
        self.entries.get(self.oldest).map(|entry| (entry.key, &entry.value))
    }

    /// Adds an entry as the most recently used. Returns the one that was dropped for it.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = self.remove(key);
        let evicted = if self.entries.len() >= self.capacity {
            self.oldest().map(|(key, _)| key).and_then(|key| self.remove(key))
        } else {
            None
        };
        let place = self.entries.len();
        self.entries.push(Entry { key, value, newer: NONE, older: NONE });
        self.places.insert(key, place);
        self.link(place);
        before.or(evicted)
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let place = self.places.remove(&key)?;
        self.unlink(place);
        let removed = self.entries.swap_remove(place);
        // `swap_remove` moved the last entry into the gap.
        if let Some(moved) = self.entries.get(place) {
            let (key, newer, older) = (moved.key, moved.newer, moved.older);
            self.places.insert(key, place);
            self.set_older(newer, place);
            self.set_newer(older, place);
        }
        Some(removed.value)
    }

    /// Makes an entry that is not in the list the newest.
    fn link(&mut self, place: usize) {
        let before = self.newest;
        if let Some(entry) = self.entries.get_mut(place) {
            (entry.newer, entry.older) = (NONE, before);
        }
        self.set_newer(before, place);
        self.newest = place;
    }

    fn unlink(&mut self, place: usize) {
        let Some(entry) = self.entries.get(place) else { return };
        let (newer, older) = (entry.newer, entry.older);
        self.set_older(newer, older);
        self.set_newer(older, newer);
    }

    /// Sets the older neighbour of an entry; of none, the newest entry of all.
    fn set_older(&mut self, place: usize, older: usize) {
        match self.entries.get_mut(place) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
    }

    /// Sets the newer neighbour of an entry; of none, the oldest entry of all.
    fn set_newer(&mut self, place: usize, newer: usize) {
        match self.entries.get_mut(place) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys from the one used last to the one used longest ago, read in both directions.
    fn order(lru: &Lru<u32, u32>) -> Vec<u32> {
        let mut down = Vec::new();
        let mut place = lru.newest;
        while let Some(entry) = lru.entries.get(place) {
            down.push(entry.key);
            place = entry.older;
        }
        let mut up = Vec::new();
        let mut place = lru.oldest;
        while let Some(entry) = lru.entries.get(place) {
            up.push(entry.key);
            place = entry.newer;
        }
        up.reverse();
        assert_eq!(down, up);
        down
    }

    #[test]
    fn the_least_recently_used_entry_is_dropped_first() {
        let mut lru = Lru::new(3);
        for key in [1, 2, 3] {
            assert_eq!(lru.insert(key, key * 10), None);
        }
        assert_eq!(lru.get(1), Some(&mut 10));
        assert_eq!(lru.insert(4, 40), Some(20));
        assert_eq!(order(&lru), [4, 1, 3]);
        assert_eq!(lru.peek(3), Some(&30));
        assert_eq!(lru.oldest(), Some((3, &30)));
    }

    #[test]
    fn it_behaves_like_a_simple_list() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut lru, mut list) = (Lru::new(8), Vec::<u32>::new());
        for _ in 0..20_000 {
            let key = random.u32(0..16);
            match random.u32(0..3) {
                0 => {
                    list.retain(|other| *other != key);
                    list.insert(0, key);
                    list.truncate(8);
                    lru.insert(key, key);
                }
                1 => {
                    let known = list.contains(&key);
                    list.retain(|other| *other != key);
                    if known {
                        list.insert(0, key);
                    }
                    assert_eq!(lru.get(key).is_some(), known);
                }
                _ => {
                    assert_eq!(lru.remove(key).is_some(), list.contains(&key));
                    list.retain(|other| *other != key);
                }
            }
            assert_eq!(order(&lru), list);
            assert_eq!(lru.len(), list.len());
        }
    }
}
