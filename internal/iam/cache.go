package iam

import "sync"

// A cache remembers values of which there may be more than is good. It is safe
// for concurrent use.
type cache[K comparable, V any] struct {
	mu     sync.RWMutex
	values map[K]V
}

// maxCached is how many values a cache holds at the most.
const maxCached = 4096

func (c *cache[K, V]) get(key K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.values[key]
	return v, ok
}

// put remembers a value, and forgets another, whichever, when there are too
// many.
func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil {
		c.values = map[K]V{}
	}
	if len(c.values) >= maxCached {
		for other := range c.values {
			delete(c.values, other)
			break
		}
	}
	c.values[key] = value
}
