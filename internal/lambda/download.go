package lambda

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"naru/internal/store"
)

// CodePath begins the paths at which code is downloaded.
const CodePath = "/_naru/code/"

// downloadTime is how long such a path is good for.
const downloadTime = 10 * time.Minute

// codePath returns a path at which whoever has it can download the code.
func (s *Service) codePath(sum store.Sum) string {
	expires := strconv.FormatInt(s.clock.Real().Add(downloadTime).Unix(), 10)
	return CodePath + string(sum) + "?expires=" + expires + "&signature=" + s.signCode(string(sum), expires)
}

func (s *Service) signCode(sum, expires string) string {
	h := hmac.New(sha256.New, s.store.Derive("code downloads"))
	h.Write([]byte(sum + " " + expires))
	return hex.EncodeToString(h.Sum(nil))
}

// ServeCode answers requests for paths that codePath returned.
func (s *Service) ServeCode(w http.ResponseWriter, r *http.Request) {
	sum, q := strings.TrimPrefix(r.URL.Path, CodePath), r.URL.Query()
	expires, err := strconv.ParseInt(q.Get("expires"), 10, 64)
	if err != nil || s.clock.Real().Unix() > expires || !hmac.Equal([]byte(q.Get("signature")), []byte(s.signCode(sum, q.Get("expires")))) {
		http.Error(w, "This link is not, or no longer, good.", http.StatusForbidden)
		return
	}
	code, err := s.store.Blobs().Get(store.Sum(sum))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Write(code) // a client that has gone needs no reply
}
