package wire

import (
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"reflect"
)

// Events is the type of an output's member at the place "events": the output is
// a stream. Once its other members have left, wire calls it, and it emits its
// events one after the other, until there are no more or one cannot be sent
// since the client has gone.
type Events func(emit func(Event) error)

// An Event is one event of a stream, as application/vnd.amazon.eventstream has
// it.
type Event struct {
	Type        string // the name of the member of the stream's union
	ContentType string
	Payload     []byte
}

var eventsType = reflect.TypeFor[Events]()

// append appends the event as a message: its whole length, that of its headers,
// the CRC-32 of these two, headers, payload, and the CRC-32 of all of it.
// Numbers are big-endian, in 4 bytes.
func (e Event) append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, 12)...)
	for _, h := range [][2]string{{":message-type", "event"}, {":event-type", e.Type}, {":content-type", e.ContentType}} {
		b = append(append(b, byte(len(h[0]))), h[0]...)
		b = append(b, 7) // a string
		b = binary.BigEndian.AppendUint16(b, uint16(len(h[1])))
		b = append(b, h[1]...)
	}
	headers := len(b) - start - 12
	b = append(b, e.Payload...)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start+4))
	binary.BigEndian.PutUint32(b[start+4:], uint32(headers))
	binary.BigEndian.PutUint32(b[start+8:], crc32.ChecksumIEEE(b[start:start+8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}

// stream writes an output that is a stream: status and headers, then each event
// as it comes.
func (x *exchange) stream(status int, events Events) {
	if x.w.Header().Get("Content-Type") == "" {
		x.w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	}
	x.w.WriteHeader(status)
	c := http.NewResponseController(x.w)
	if err := c.Flush(); err != nil || events == nil {
		return // a client that has gone needs no reply
	}
	var buffer []byte
	events(func(e Event) error {
		buffer = e.append(buffer[:0])
		if _, err := x.w.Write(buffer); err != nil {
			return err
		}
		return c.Flush()
	})
}
