package server

import (
	"strings"
	"sync"
	"testing"
)

// exceptions are the members in which Naru and the SDK differ, each with the
// reason: service, operation, "in" or "out", and path. An operation of "*"
// stands for all of a service, and "*" at the beginning of a path for any path
// to the member, or none. What is below an exception is one, too. An exception
// that is none any more must go.
var exceptions = map[string]string{}

// An exempter knows which exceptions were needed.
type exempter struct {
	mu   sync.Mutex
	used map[string]bool
}

// exempt reports whether there is an exception for a member.
func (e *exempter) exempt(service, operation, direction, path string) bool {
	for ; path != ""; path = parent(path) {
		for _, of := range []string{operation, "*"} {
			for _, member := range suffixes(path) {
				key := strings.Join([]string{service, of, direction, member}, ".")
				if _, ok := exceptions[key]; ok {
					e.mu.Lock()
					e.used[key] = true
					e.mu.Unlock()
					return true
				}
			}
		}
	}
	return false
}

func parent(path string) string {
	return path[:max(0, strings.LastIndexByte(path, '.'))]
}

// suffixes returns a path and the patterns with "*" that it matches.
func suffixes(path string) []string {
	all := []string{path, "*." + path}
	for {
		_, rest, ok := strings.Cut(path, ".")
		if !ok {
			return all
		}
		path = rest
		all = append(all, "*."+path)
	}
}

// skipping returns what a grower skips of an operation's input or output.
func skipping(service, operation, direction string) func(string) bool {
	e := &exempter{used: map[string]bool{}}
	return func(path string) bool { return e.exempt(service, operation, direction, path) }
}

// check finds exceptions that were not needed.
func (e *exempter) check(t *testing.T) {
	t.Helper()
	for key, reason := range exceptions {
		if !e.used[key] {
			t.Errorf("%s is no exception: the SDK and Naru agree", key)
		}
		if reason == "" {
			t.Errorf("%s has no reason", key)
		}
	}
}
