package server

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// operatorFile, in the data directory, tells the program's own commands where
// the running Naru takes orders of its operator, and by what token it knows
// them. Whoever may read it may read all else there, too; functions may not, and
// a browser cannot.
const operatorFile = "operator.json"

// An operator is what the file holds.
type operator struct {
	Data  string `json:"data"` // the data directory: a copy of it is none of the running Naru's
	URL   string `json:"url"`  // of the operators' listener
	Token string `json:"token"`
}

// writeOperator makes the file anew; remove takes it away again.
func writeOperator(c Config, url string) (o operator, remove func() error, err error) {
	o = operator{c.Data, url, rand.Text()}
	if c.Data == InMemory {
		return o, func() error { return nil }, nil
	}
	text, err := json.Marshal(o)
	if err != nil {
		return o, nil, err
	}
	path := filepath.Join(c.Data, operatorFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return o, nil, err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return o, nil, fmt.Errorf("the file for the operator's commands: %w", err)
	}
	return o, func() error { return os.Remove(path) }, nil
}

// readOperator returns what the Naru running on a data directory has written;
// it reports false if none is known of.
func readOperator(data string) (o operator, ok bool) {
	text, err := os.ReadFile(filepath.Join(data, operatorFile))
	if err != nil || json.Unmarshal(text, &o) != nil {
		return o, false
	}
	its, err := os.Stat(o.Data)
	this, err2 := os.Stat(data)
	return o, err == nil && err2 == nil && os.SameFile(its, this)
}

// only lets requests with the operator's token pass.
func (o operator) only(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(o.Token)) != 1 {
			http.Error(w, "This is for Naru's own commands, which know the token in the data directory.", http.StatusForbidden)
			return
		}
		next(w, r)
	}
}

// A backupOrder is the body of POST /backup.
type backupOrder struct {
	Dir  string `json:"dir"` // absolute
	Keys bool   `json:"keys"`
}

// backup takes a backup, and replies with its manifest.
func (s *server) backup(w http.ResponseWriter, r *http.Request) {
	var order backupOrder
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&order); err != nil || !filepath.IsAbs(order.Dir) {
		http.Error(w, `The body must be {"dir": "<absolute path>", "keys": true or false}.`, http.StatusBadRequest)
		return
	}
	s.resetting.Lock() // the store is not to be replaced meanwhile
	defer s.resetting.Unlock()
	m, err := s.house.Load().store.Backup(order.Dir, order.Keys)
	if err != nil {
		s.config.Log.Warn("a backup failed", "dir", order.Dir, "err", err)
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	s.config.Log.Info("a backup was taken", "dir", order.Dir, "bytes", m.Size())
	writeJSON(w, m)
}

// rotateKey replaces the master key, and replies with where the old one is.
func (s *server) rotateKey(w http.ResponseWriter, _ *http.Request) {
	s.resetting.Lock()
	defer s.resetting.Unlock()
	old, err := s.house.Load().store.RotateMaster()
	if err != nil {
		s.config.Log.Error("the master key could not be replaced", "err", err)
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	s.config.Log.Info("the master key was replaced", "old", old)
	writeJSON(w, rotation{old})
}

// A rotation is the reply to POST /rotate-key.
type rotation struct {
	Old string `json:"old"` // file of the key that was replaced
}
