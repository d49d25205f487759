package queue

// The headers of a large content, and its bodies, each have tables of their own
// in the database. Bodies, and headers that do not wait in groups, come in the
// order of time, so that such tables are hardly ever compacted, whereas one that
// holds headers and bodies spans all that there is. Small contents share tables,
// since a table for each would cost more. After a restart nothing is large until
// it is used.

const (
	// largeFrom is how many messages make a content large; with an eighth of
	// them it no longer is.
	largeFrom = 16_384
	// mostLarge bounds how many contents are large, of all.
	mostLarge = 16
)

// weigh has q be large or not, by the messages it has. It needs q.mu.
func (q *Queue) weigh() {
	switch {
	case !q.large && q.meta.total >= largeFrom:
		q.becomeLarge()
	case q.large && q.meta.total < largeFrom/8:
		q.becomeSmall()
	}
}

func (q *Queue) becomeLarge() {
	if q.engine.large.Add(1) > mostLarge {
		q.engine.large.Add(-1)
		return
	}
	q.large = true
	q.shard.divide(q.ref.Content, true)
}

func (q *Queue) becomeSmall() {
	q.large = false
	q.engine.large.Add(-1)
	q.shard.divide(q.ref.Content, false)
}

// divide has a content have tables of its own, or no longer.
func (s *shard) divide(content uint64, large bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if large {
		s.large[content] = struct{}{}
	} else {
		delete(s.large, content)
	}
	var keys [][]byte
	for content := range s.large {
		keys = append(keys, contentKey(content, kindIndex), contentKey(content, kindBody), contentEnd(content, kindBody))
	}
	s.data.Divide(keys...)
}
