package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// A Handle is what the receiver of a message proves it with. It stays good for
// as long as the message exists, also after it was received again.
type Handle struct {
	Content uint64
	MessageID
	VisibleAt int64  // of the lease, when it was given out; ms
	Nonce     uint32 // of the lease
}

// ErrBadHandle is returned for a text that is not a handle of this store.
var ErrBadHandle = errors.New("queue: not a receipt handle")

const (
	handleVersion = 1
	handleBody    = 1 + 4*8 + 4
	handleMAC     = 16
)

// handleKey authenticates handles: whoever holds one was given it.
type handleKey []byte

func (k handleKey) mac(body []byte) []byte {
	h := hmac.New(sha256.New, k)
	h.Write(body)
	return h.Sum(nil)[:handleMAC]
}

// FormatHandle returns the handle as text, of letters, digits, - and _.
func (e *Engine) FormatHandle(h Handle) string {
	b := make([]byte, 0, handleBody+handleMAC)
	b = append(b, handleVersion)
	for _, v := range []uint64{h.Content, uint64(h.Sent), h.Sequence, uint64(h.VisibleAt)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	b = binary.BigEndian.AppendUint32(b, h.Nonce)
	return base64.RawURLEncoding.EncodeToString(append(b, e.handles.mac(b)...))
}

// ParseHandle returns the handle that text stands for, or ErrBadHandle.
func (e *Engine) ParseHandle(text string) (Handle, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != handleBody+handleMAC || b[0] != handleVersion ||
		!hmac.Equal(b[handleBody:], e.handles.mac(b[:handleBody])) {
		return Handle{}, ErrBadHandle
	}
	r := reader{rest: b[1:handleBody]}
	return Handle{
		Content:   r.uint64(),
		MessageID: MessageID{int64(r.uint64()), r.uint64()},
		VisibleAt: int64(r.uint64()),
		Nonce:     r.uint32(),
	}, nil
}
