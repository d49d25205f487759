package sqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"unsafe"

	"github.com/google/uuid"
)

// A message is what a queue's content holds of a message, as a payload of the
// engine:
//
//	1 | id 16 | MD5 of body 16 | sender | trace header | group | deduplication id | body | attributes
//
// The texts are a length and that many bytes; an attribute is its name, its
// type and its value. Lengths are varints.
type message struct {
	id      uuid.UUID
	md5     [md5.Size]byte // of the body
	sender  string         // unique id of who sent it
	trace   string         // AWSTraceHeader
	group   string         // MessageGroupId
	once    string         // MessageDeduplicationId, of FIFO queues
	body    string
	attribs map[string]attributeValue
}

// An attributeValue is the value of a message attribute: Data is text or, if
// Type begins with Binary, bytes.
type attributeValue struct {
	Type string
	Data string
}

func (v attributeValue) binary() bool { return strings.HasPrefix(v.Type, "Binary") }

const messageVersion = 1

func (m *message) encode() []byte {
	b := make([]byte, 0, 64+len(m.sender)+len(m.body))
	b = append(b, messageVersion)
	b = append(b, m.id[:]...)
	b = append(b, m.md5[:]...)
	for _, s := range []string{m.sender, m.trace, m.group, m.once, m.body} {
		b = appendText(b, s)
	}
	if len(m.attribs) == 0 {
		return b
	}
	for _, name := range slices.Sorted(maps.Keys(m.attribs)) {
		b = appendText(appendText(appendText(b, name), m.attribs[name].Type), m.attribs[name].Data)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errMessage = errors.New("sqs: a message's record is malformed")

// parseMessage takes b, which must not change any more, apart.
func parseMessage(b []byte) (*message, error) {
	const head = 1 + 16 + md5.Size
	if len(b) < head || b[0] != messageVersion {
		return nil, errMessage
	}
	m := &message{}
	copy(m.id[:], b[1:])
	copy(m.md5[:], b[17:])
	texts, err := parseTexts(b[head:])
	const fixed = 5
	if err != nil || len(texts) < fixed || (len(texts)-fixed)%3 != 0 {
		return nil, errMessage
	}
	m.sender, m.trace, m.group, m.once, m.body = texts[0], texts[1], texts[2], texts[3], texts[4]
	for rest := texts[fixed:]; len(rest) > 0; rest = rest[3:] {
		if m.attribs == nil {
			m.attribs = map[string]attributeValue{}
		}
		m.attribs[rest[0]] = attributeValue{rest[1], rest[2]}
	}
	return m, nil
}

func parseTexts(b []byte) (texts []string, err error) {
	texts = make([]string, 0, 8)
	for len(b) > 0 {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return nil, errMessage
		}
		texts = append(texts, viewAsText(b[used:used+int(n)]))
		b = b[used+int(n):]
	}
	return texts, nil
}

// size is what counts against MaximumMessageSize: the body, and the names,
// types and values of the attributes.
func (m *message) size() int64 {
	n := len(m.body)
	for name, v := range m.attribs {
		n += len(name) + len(v.Type) + len(v.Data)
	}
	return int64(n)
}

// viewAsText returns bytes that do not change any more, as a payload's, as text,
// without the copy that a conversion makes.
func viewAsText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// viewAsBytes returns the bytes of text for a digest, which does not change them,
// without the copy that a conversion makes.
func viewAsBytes(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

func (m *message) bodyMD5() string { return hex.EncodeToString(m.md5[:]) }

// attributesMD5 returns the digest of message attributes that SDKs check; nil
// if there are none. Each adds its name, type, the kind of its value (1 text,
// 2 bytes) and its value, all but the kind with their lengths before them.
func attributesMD5(attribs map[string]attributeValue) *string {
	if len(attribs) == 0 {
		return nil
	}
	h := md5.New()
	write := func(s string) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	for _, name := range slices.Sorted(maps.Keys(attribs)) {
		v := attribs[name]
		write(name)
		write(v.Type)
		if v.binary() {
			h.Write([]byte{2})
		} else {
			h.Write([]byte{1})
		}
		write(v.Data)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	return &sum
}
