package queue

import (
	"encoding/binary"
	"errors"
	"time"

	"naru/internal/store"
)

// state says why a message is not visible before its slot's time. Once the
// time has come it is visible whatever its state: expiry writes nothing.
type state byte

const (
	ready   state = iota // it was visible when it was put there
	delayed              // it was sent, or given back, with a delay
	leased               // somebody received it
)

// A message is a message in memory: what its header says, and its body while
// there is room for it.
type message struct {
	slot
	group     groupID // noGroup for none
	sent      int64
	state     state
	handed    bool   // a receipt handle was given out
	forwarded bool   // there is a forward record
	receives  uint32 // how often it was received
	first     int64  // when it was first received, 0 if never; ms
	leasedAt  int64  // when it was last received, 0 if never; ms
	nonce     uint32 // of its newest lease
	note      []byte // its owner's own words about it

	body     *body          // nil when it must be read from disk
	position store.Position // of its newest change
}

func (m *message) id() MessageID { return MessageID{m.sent, m.seq} }

const (
	flagState     = 0x03
	flagHanded    = 0x04
	flagForwarded = 0x08
	flagGrouped   = 0x10
)

// header encodes what the index, or the line of its group, holds of m:
//
//	flags | group 16, if it has one | sent | receives | first | leased at | nonce u32 | note
//
// sent, first and leased at are signed varints, receives is an unsigned one.
func (m *message) header() []byte {
	flags := byte(m.state)
	if m.handed {
		flags |= flagHanded
	}
	if m.forwarded {
		flags |= flagForwarded
	}
	b := make([]byte, 1, 1+len(m.group)+4*binary.MaxVarintLen64+4+len(m.note))
	if m.group != noGroup {
		flags |= flagGrouped
		b = append(b, m.group[:]...)
	}
	b[0] = flags
	b = binary.AppendVarint(b, m.sent)
	b = binary.AppendUvarint(b, uint64(m.receives))
	b = binary.AppendVarint(b, m.first)
	b = binary.AppendVarint(b, m.leasedAt)
	b = binary.BigEndian.AppendUint32(b, m.nonce)
	return append(b, m.note...)
}

func parseHeader(s slot, text []byte) (*message, error) {
	r := reader{rest: text}
	flags := r.byte()
	var group groupID
	if flags&flagGrouped != 0 {
		copy(group[:], r.take(len(group)))
	}
	m := &message{
		slot:      s,
		group:     group,
		state:     state(flags & flagState),
		handed:    flags&flagHanded != 0,
		forwarded: flags&flagForwarded != 0,
		sent:      r.varint(),
		receives:  uint32(r.uvarint()),
		first:     r.varint(),
		leasedAt:  r.varint(),
		nonce:     r.uint32(),
	}
	m.note = r.remainder()
	return m, r.err
}

// A body is what a message carries. It is immutable.
type body struct {
	payload []byte
	origin  string // where it was dead-lettered from, as the owner calls it
}

// size is what the body counts against the budget for bodies in memory.
func (b *body) size() int64 { return int64(len(b.payload)+len(b.origin)) + 64 }

// head gives what the body's record has before the payload: length of origin |
// origin.
func (b *body) head() []byte { return appendString(nil, b.origin) }

func parseBody(text []byte) (*body, error) {
	r := reader{rest: text}
	b := &body{origin: r.string()}
	b.payload = r.remainder()
	return b, r.err
}

// meta is what a content knows about itself without reading its index.
type meta struct {
	total   int64 // messages
	delayed int64 // of them in state delayed with a slot after through
	leased  int64 // likewise in state leased
	through int64 // up to when passed deadlines are taken into account; ms
	next    uint64
	// low is a slot's time that no header's is below, lowBody likewise for
	// bodies. They keep first reads clear of what was deleted.
	low     int64
	lowBody MessageID
	// reaped says how far retention has removed bodies. A header of a message
	// before it is a leftover.
	reaped MessageID
}

func (m *meta) encode() []byte {
	b := make([]byte, 0, 10*8)
	for _, v := range []int64{m.total, m.delayed, m.leased, m.through, int64(m.next), m.low,
		m.lowBody.Sent, int64(m.lowBody.Sequence), m.reaped.Sent, int64(m.reaped.Sequence)} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func parseMeta(text []byte) (m meta, err error) {
	r := reader{rest: text}
	for _, v := range []*int64{&m.total, &m.delayed, &m.leased, &m.through} {
		*v = int64(r.uint64())
	}
	m.next = r.uint64()
	m.low = int64(r.uint64())
	m.lowBody = MessageID{int64(r.uint64()), r.uint64()}
	m.reaped = MessageID{int64(r.uint64()), r.uint64()}
	return m, r.err
}

// A parcel is a message in an outbox. One that came from a content lies there
// until it has arrived, and goes back there if its target is gone; it brings
// along a body of its own if that is to be another.
type parcel struct {
	address string
	group   groupID
	origin  string // where it was dead-lettered from
	note    []byte
	sent    int64 // 0: it is sent when it arrives
	first   int64
	count   uint32 // receives so far
	delay   time.Duration
	once    what // as in a Put; zero for none
	tag     []byte
	track   string // as in Outgoing
	body    *body
	content uint64 // 0 if it came from none
	home    MessageID
}

func (p *parcel) encode() []byte {
	var b []byte
	b = appendString(b, p.address)
	b = append(b, p.group[:]...)
	b = appendString(b, p.origin)
	b = appendString(b, string(p.note))
	b = binary.AppendVarint(b, p.sent)
	b = binary.AppendVarint(b, p.first)
	b = binary.AppendUvarint(b, uint64(p.count))
	b = binary.AppendVarint(b, p.delay.Milliseconds())
	b = append(b, p.once[:]...)
	b = appendString(b, string(p.tag))
	b = appendString(b, p.track)
	b = binary.AppendUvarint(b, p.content)
	b = binary.AppendVarint(b, p.home.Sent)
	b = binary.AppendUvarint(b, p.home.Sequence)
	if p.body == nil {
		return append(b, 0)
	}
	return append(append(append(b, 1), p.body.head()...), p.body.payload...)
}

func parseParcel(text []byte) (*parcel, error) {
	r := reader{rest: text}
	p := &parcel{
		address: r.string(),
		group:   groupID(r.take(len(noGroup))),
		origin:  r.string(),
		note:    []byte(r.string()),
		sent:    r.varint(),
		first:   r.varint(),
		count:   uint32(r.uvarint()),
		delay:   time.Duration(r.varint()) * time.Millisecond,
		once:    what(r.take(len(what{}))),
		tag:     []byte(r.string()),
		track:   r.string(),
		content: r.uvarint(),
		home:    MessageID{r.varint(), r.uvarint()},
	}
	if r.byte() == 1 && r.err == nil {
		p.body, r.err = parseBody(r.remainder())
	}
	return p, r.err
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errShort = errors.New("queue: a record ends too early")

// reader takes a record apart. After an error it gives zeros.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.rest) {
		r.err = errShort
		return make([]byte, 16)
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.take(max(n, 1))
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.take(max(n, 1))
	return v
}

func (r *reader) string() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.err = errShort
		return ""
	}
	return string(r.take(int(n)))
}

// remainder returns what is left, nil if that is nothing.
func (r *reader) remainder() []byte {
	if r.err != nil || len(r.rest) == 0 {
		return nil
	}
	return r.take(len(r.rest))
}
