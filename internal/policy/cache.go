package policy

import (
	"strings"
	"sync"
)

// maxCached bounds the memory of a Cache.
const maxCached = 4096

// A Cache parses documents and remembers some thousands of them by their texts,
// for whoever asks the same policy again and again. The zero value is ready for
// use, by many goroutines at once.
type Cache struct {
	mu        sync.RWMutex
	documents map[string]*Document
}

// Parse is Parse with a memory.
func (c *Cache) Parse(text string) (*Document, error) {
	c.mu.RLock()
	d, ok := c.documents[text]
	c.mu.RUnlock()
	if ok {
		return d, nil
	}
	d, err := Parse(text)
	if err == nil {
		c.add(strings.Clone(text), d)
	}
	return d, err
}

// add remembers a document and forgets another, whichever, when there are too
// many.
func (c *Cache) add(text string, d *Document) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.documents == nil {
		c.documents = map[string]*Document{}
	}
	if len(c.documents) >= maxCached {
		for other := range c.documents {
			delete(c.documents, other)
			break
		}
	}
	c.documents[text] = d
}
