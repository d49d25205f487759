package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
)

// A Handle is what the receiver of a message proves it with. It stays good for
// as long as the message exists, also after it was received again.
type Handle struct {
	Content uint64
	MessageID
	VisibleAt int64  // of the lease, when it was given out; ms
	Nonce     uint32 // of the lease
	group     groupID
}

// ErrBadHandle is returned for a text that is not a handle of this store.
var ErrBadHandle = errors.New("queue: not a receipt handle")

// A handle's text begins with its version, which says too whether a group's id
// is at its end.
const (
	handleLone    = 1
	handleGrouped = 2
	handleSize    = 1 + 4*8 + 4
	handleMAC     = 16
)

// handleKey authenticates handles: whoever holds one was given it. It keeps
// HMACs that have seen the key.
type handleKey struct{ hashes sync.Pool }

func newHandleKey(key []byte) *handleKey {
	return &handleKey{sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (k *handleKey) mac(body []byte) []byte {
	h := k.hashes.Get().(hash.Hash)
	defer k.hashes.Put(h)
	h.Reset()
	h.Write(body)
	return h.Sum(nil)[:handleMAC]
}

// append appends the handle as it is kept: all its parts, the group's id also
// if there is none.
func (h Handle) append(b []byte) []byte {
	for _, v := range []uint64{h.Content, uint64(h.Sent), h.Sequence, uint64(h.VisibleAt)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return append(binary.BigEndian.AppendUint32(b, h.Nonce), h.group[:]...)
}

func (r *reader) handle() Handle {
	return Handle{
		Content:   r.uint64(),
		MessageID: MessageID{int64(r.uint64()), r.uint64()},
		VisibleAt: int64(r.uint64()),
		Nonce:     r.uint32(),
		group:     groupID(r.take(len(noGroup))),
	}
}

// FormatHandle returns the handle as text, of letters, digits, - and _.
func (e *Engine) FormatHandle(h Handle) string {
	b := h.append(append(make([]byte, 0, handleSize+len(h.group)+handleMAC), handleGrouped))
	if h.group == noGroup {
		b[0] = handleLone
		b = b[:handleSize]
	}
	return base64.RawURLEncoding.EncodeToString(append(b, e.handles.mac(b)...))
}

// ParseHandle returns the handle that text stands for, or ErrBadHandle.
func (e *Engine) ParseHandle(text string) (Handle, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	size := len(b) - handleMAC
	if err != nil || size < handleSize || !hmac.Equal(b[size:], e.handles.mac(b[:size])) {
		return Handle{}, ErrBadHandle
	}
	parts := b[1:size:size]
	switch {
	case b[0] == handleLone && size == handleSize:
		parts = append(parts, noGroup[:]...)
	case b[0] != handleGrouped || size != handleSize+len(noGroup):
		return Handle{}, ErrBadHandle
	}
	r := reader{rest: parts}
	return r.handle(), r.err
}
