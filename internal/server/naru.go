package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// isVisit reports whether somebody opened Naru's address in a browser.
func isVisit(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.RawQuery == "" &&
		r.Header.Get("Authorization") == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // a client that has gone needs no reply
}

// health answers /_naru/health, and /_localstack/health in the form that test
// harnesses wait for.
func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	services := map[string]string{}
	for _, name := range s.house.Load().front.Services() {
		services[name] = "running"
	}
	writeJSON(w, map[string]any{"status": "ok", "version": s.config.Version, "services": services})
}

// reset wipes everything and starts anew.
func (s *server) reset(w http.ResponseWriter, r *http.Request) {
	s.resetting.Lock()
	defer s.resetting.Unlock()
	now, cancel := context.WithCancel(context.Background())
	cancel() // nothing that is under way is waited for
	err := s.house.Load().close(now)
	if err == nil {
		err = wipe(s.config)
	}
	if err == nil {
		var h *house
		if h, err = s.open(); err == nil {
			s.house.Store(h)
		}
	}
	if err != nil {
		s.config.Log.Error("the reset failed", "err", err)
		http.Error(w, "The reset failed; the log says why.", http.StatusInternalServerError)
		return
	}
	writeJSON(w, map[string]string{"status": "ok"})
}

// setClock moves the clock forward, by {"advance": "90s"} or {"advance": 90},
// and tells the time.
func (s *server) setClock(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		d, err := advance(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.clock.Advance(d)
	}
	now := s.clock.Now()
	writeJSON(w, map[string]any{"now": now.Format(time.RFC3339Nano), "ahead": now.Sub(s.clock.Real()).Round(time.Millisecond).String()})
}

func advance(r *http.Request) (time.Duration, error) {
	var in struct {
		Advance json.RawMessage `json:"advance"`
	}
	usage := fmt.Errorf(`the body must be {"advance": <seconds>} or {"advance": "<duration>"}, such as "1h30m"; time does not go back`)
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1024)).Decode(&in); err != nil {
		return 0, usage
	}
	var text string
	var seconds float64
	d, err := time.Duration(0), json.Unmarshal(in.Advance, &seconds)
	if err == nil {
		d = time.Duration(seconds * float64(time.Second))
	} else if err = json.Unmarshal(in.Advance, &text); err == nil {
		d, err = time.ParseDuration(text)
	}
	if err != nil || d < 0 || d > 20*366*24*time.Hour {
		return 0, usage
	}
	return d, nil
}
