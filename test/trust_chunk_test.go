package test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/http"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// TestBodiesInChunksArePutTogether in both protocols of SQS, and are refused if
// their checksum is another.
func TestBodiesInChunksArePutTogether(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	for name, make := range map[string]func(string) request{
		"json": func(queue string) request { return json10("CreateQueue", `{"QueueName":"`+queue+`"}`) },
		"form": func(queue string) request {
			return form("/", "Action", "CreateQueue", "Version", sqsVersion, "QueueName", queue)
		},
	} {
		for what, checksum := range map[string]func([]byte) uint32{
			"good": crc32.ChecksumIEEE, "bad": func(b []byte) uint32 { return crc32.ChecksumIEEE(b) + 1 },
		} {
			queue := name + "-" + what
			r := s.owner.chunked(t, make(queue), checksum)
			_, err := s.owner.sqs().GetQueueUrl(background, &sqs.GetQueueUrlInput{QueueName: &queue})
			if good := what == "good"; (r.status == 200) != good || (err == nil) != good {
				t.Errorf("%s: %v; the queue: %v", queue, r, err)
			}
			if what == "bad" {
				equal(t, queue, refusalIn(t, r).Code, "SignatureDoesNotMatch")
			}
		}
	}
}

// chunked sends a request whose body comes in chunks, with a checksum behind.
func (c caller) chunked(t *testing.T, q request, checksum func([]byte) uint32) reply {
	t.Helper()
	half := len(q.body) / 2
	sum := binary.BigEndian.AppendUint32(nil, checksum(q.body))
	body := fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", half, q.body[:half], len(q.body)-half, q.body[half:], base64.StdEncoding.EncodeToString(sum))
	r, err := http.NewRequest(q.method, c.naru.endpoint+q.path, bytes.NewReader([]byte(body)))
	must(t, r, err)
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	const payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	for name, value := range map[string]string{
		"X-Amz-Content-Sha256": payload, "X-Amz-Decoded-Content-Length": fmt.Sprint(len(q.body)), "X-Amz-Trailer": "x-amz-checksum-crc32", "Content-Encoding": "aws-chunked",
	} {
		r.Header.Set(name, value)
	}
	must(t, r, v4.NewSigner().SignHTTP(background, c.creds, r, payload, "sqs", c.region, time.Now()))
	answer, err := c.naru.exchange(r)
	return must(t, answer, err)
}
