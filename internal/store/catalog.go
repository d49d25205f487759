package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/tidwall/btree"
)

// A Catalog holds the small records that everybody reads: queues, functions,
// rules, roles, settings. All of it is in memory as well as on disk.
//
// Changes are made by Update, one at a time, so that what a change reads does
// not change under it; readers see a change as soon as it is made and before
// it is durable, and wait for that with Settle before they tell anybody.
type Catalog struct {
	store *Store

	update sync.Mutex // held by Update
	mu     sync.Mutex
	last   Position
	ids    *Table[uint64]
}

func newCatalog(s *Store) *Catalog { return &Catalog{store: s} }

func (c *Catalog) position() Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// A Tx is one change to the catalog, over any of its tables. It takes effect
// whole when the func given to Update returns nil, and not at all otherwise.
type Tx struct {
	catalog *Catalog
	ops     []Op
	apply   []func()
}

// Update makes a change. change may read tables and must otherwise only act
// on tx. Update returns once the change is durable, or with change's error.
func (c *Catalog) Update(change func(tx *Tx) error) error {
	position, err := c.begin(change)
	if err != nil {
		return err
	}
	return position.Wait()
}

func (c *Catalog) begin(change func(tx *Tx) error) (Position, error) {
	c.update.Lock()
	defer c.update.Unlock()
	tx := &Tx{catalog: c}
	if err := change(tx); err != nil {
		return Position{}, err
	}
	for _, apply := range tx.apply {
		apply()
	}
	position := c.store.log.append([]byte{spaceCatalog}, tx.ops)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = position
	return position, nil
}

const idsTable, idsKey = "ids", "last"

// NextID returns a number that no Tx of this store was given before: a content
// id, for instance. It is used up even when the change is refused.
func (tx *Tx) NextID() (uint64, error) {
	c := tx.catalog
	if c.ids == nil {
		ids, err := OpenTable[uint64](c.store, idsTable)
		if err != nil {
			return 0, err
		}
		c.ids = ids
	}
	id, _ := c.ids.Get(idsKey)
	c.ids.put(idsKey, id+1)
	return id + 1, c.ids.Put(tx, idsKey, id+1)
}

// A Table is one kind of catalog record, by key. Rows are stored as JSON; a
// field that must not be readable without the master key is sealed by the
// table's owner (see Store.Seal). Rows are shared: whoever gets one does not
// change what it points to.
type Table[T any] struct {
	catalog *Catalog
	name    string

	mu   sync.RWMutex
	rows btree.Map[string, T]
}

// OpenTable reads the table called name, which is part of the format. A table
// is opened once, before it is used.
func OpenTable[T any](s *Store, name string) (*Table[T], error) {
	if name == "" || strings.ContainsRune(name, 0) {
		return nil, fmt.Errorf("store: bad table name %q", name)
	}
	t := &Table[T]{catalog: s.catalog, name: name}
	lower := append([]byte{spaceCatalog}, t.key("")...)
	upper := append(lower[:len(lower)-1:len(lower)-1], 1)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("store: table %s: %w", name, err)
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		text, err := openRecord(s.sealer, it.Key(), it.Value())
		if err != nil {
			return nil, err
		}
		var row T
		if err := json.Unmarshal(text, &row); err != nil {
			return nil, &CorruptError{clone(it.Key()), err.Error()}
		}
		t.rows.Set(string(it.Key()[len(lower):]), row)
	}
	return t, it.Error()
}

// key is relative to the catalog's space: the table's name, a zero byte, and
// the row's key.
func (t *Table[T]) key(row string) []byte { return []byte(t.name + "\x00" + row) }

// Get returns the row at key.
func (t *Table[T]) Get(key string) (T, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rows.Get(key)
}

// Len returns how many rows the table has.
func (t *Table[T]) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rows.Len()
}

// From returns the rows whose keys begin with prefix and are not less than
// from, in key order, as they are at the call.
func (t *Table[T]) From(prefix, from string) iter.Seq2[string, T] {
	t.mu.Lock()
	rows := t.rows.Copy()
	t.mu.Unlock()
	return func(yield func(string, T) bool) {
		rows.Ascend(max(prefix, from), func(key string, row T) bool {
			return strings.HasPrefix(key, prefix) && yield(key, row)
		})
	}
}

// All returns the rows whose keys begin with prefix, in key order.
func (t *Table[T]) All(prefix string) iter.Seq2[string, T] { return t.From(prefix, "") }

// Put sets the row at key when tx takes effect.
func (t *Table[T]) Put(tx *Tx, key string, row T) error {
	text, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("store: table %s: %w", t.name, err)
	}
	tx.ops = append(tx.ops, Set(t.key(key), text))
	tx.apply = append(tx.apply, func() { t.put(key, row) })
	return nil
}

func (t *Table[T]) put(key string, row T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows.Set(key, row)
}

// Delete removes the row at key, if there is one, when tx takes effect.
func (t *Table[T]) Delete(tx *Tx, key string) {
	tx.ops = append(tx.ops, Delete(t.key(key)))
	tx.apply = append(tx.apply, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.rows.Delete(key)
	})
}

// Check reads every record of the store and returns what does not open, joined.
func (s *Store) Check() error {
	var errs []error
	for _, db := range []*pebble.DB{s.db, s.bulkDB} {
		it, err := db.NewIter(nil)
		if err != nil {
			return err
		}
		for it.First(); it.Valid(); it.Next() {
			if _, err := openRecord(s.sealer, it.Key(), it.Value()); err != nil {
				errs = append(errs, err)
			}
		}
		errs = append(errs, it.Error(), it.Close())
	}
	return errors.Join(errs...)
}
