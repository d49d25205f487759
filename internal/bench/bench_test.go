package bench

import (
	"bufio"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"naru/internal/meter"
	"naru/internal/sigv4"
)

// answering returns a connection to a server that sends each of replies, in
// pieces of so many bytes, once it has read a request.
func answering(t *testing.T, piece int, replies ...string) *connection {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	go func() {
		defer theirs.Close()
		request := make([]byte, 1024)
		for _, reply := range replies {
			if _, err := theirs.Read(request); err != nil {
				return
			}
			for part := range slices.Chunk([]byte(reply), piece) {
				if _, err := theirs.Write(part); err != nil {
					return
				}
			}
		}
	}()
	return &connection{Conn: ours, buffer: make([]byte, 16)}
}

func TestRepliesAreReadHoweverTheyCome(t *testing.T) {
	long := strings.Repeat("long ", 1000)
	for name, c := range map[string]struct {
		reply, body string
		status      int
	}{
		"WithALength": {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello", "hello", 200},
		"Empty":       {"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", "", 200},
		"AnError":     {"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}", "{}", 400},
		"InChunks":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", "hello world", 200},
		"Long":        {"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + long, long, 200},
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			// The next exchange must find the connection where this one left it.
			conn := answering(t, piece, c.reply, c.reply)
			for range 2 {
				status, body, err := conn.exchange([]byte("POST"))
				if status != c.status || string(body) != c.body || err != nil {
					t.Errorf("%s, %d bytes at a time: %d %q, %v", name, piece, status, body, err)
				}
			}
		}
	}
	for name, reply := range map[string]string{
		"NoHTTP": "SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n", "ABadLength": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"CutShort": "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "NoReply": "",
		"ABadChunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
	} {
		if _, body, err := answering(t, 100, reply).exchange([]byte("POST")); err == nil {
			t.Errorf("%s was read as %q", name, body)
		}
	}
}

func TestSignaturesVerify(t *testing.T) {
	for _, token := range []string{"", "a token"} {
		s := &signer{keyID: "AKID", secret: "secret", token: token, region: "eu-west-1"}
		a := address{host: "localhost:4566", path: "/"}
		for range 2 { // with what the first left behind
			body := []byte(bodyOf(300))
			text := string(s.append([]byte("POST / HTTP/1.1\r\nHost: "+a.host+"\r\nContent-Type: "+contentType+"\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n"), a, "AmazonSQS.SendMessage", body)) + "\r\n"
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
			if err != nil {
				t.Fatal(err)
			}
			claim, err := sigv4.Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := claim.Verify(r, sigv4.Payload{Sum: sha256.Sum256(body)}, sigv4.DeriveKey("secret", claim.Scope), time.Now()); err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
		}
	}
}

func TestReceiptHandlesAreTakenAsTheyStand(t *testing.T) {
	reply := []byte(`{"Messages":[{"Body":"a","ReceiptHandle":"one\/+="},{"ReceiptHandle":"two","MessageId":"x"}]}`)
	handles, ends := handlesIn(reply, nil, nil)
	if string(handles) != `one\/+=two` || !slices.Equal(ends, []int{7, 10}) {
		t.Errorf("got %q %v", handles, ends)
	}
}

func TestRatesAreReadAsTheyAreMeant(t *testing.T) {
	for text, want := range map[string]struct {
		rate  float64
		share bool
		bad   bool
	}{"": {}, "500": {rate: 500}, "50%": {rate: 50, share: true}, "0": {bad: true}, "-1": {bad: true}, "fast": {bad: true}, "%": {bad: true}, "NaN": {bad: true}} {
		rate, share, err := parseRate(text)
		if (err != nil) != want.bad || err == nil && (rate != want.rate || share != want.share) {
			t.Errorf("%q is %v %v %v", text, rate, share, err)
		}
	}
}

func TestRatiosAreMediansOverTheRounds(t *testing.T) {
	r := &run{rows: []*row{
		{name: "baseline", connections: 64, rounds: []sample{{100, 0}, {200, 0}, {400, 0}}, latency: &meter.Sketch{}},
		{name: "send", connections: 64, rounds: []sample{{50, 50}, {50, 50}, {300, 300}}, latency: &meter.Sketch{}},
		{name: "send", connections: 256, rounds: []sample{{50, 50}}, latency: &meter.Sketch{}},
		{name: "send-queues", connections: 256, rounds: []sample{{40, 40}}, latency: &meter.Sketch{}},
	}}
	all := r.results()
	if all[0].Ratio != 1 || all[1].Ratio != .5 || all[1].Requests != 50 || all[2].Ratio != 0 || all[3].ToPlain != .8 {
		t.Errorf("got %+v", all)
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"AnUnknownScenario":  {Scenarios: []string{"fly"}},
		"ABadRate":           {Rate: "x"},
		"AShareOfNothing":    {Rate: "50%", Scenarios: []string{"mixed"}},
		"ANegativeSize":      {Size: -1},
		"NoConnections":      {Connections: []int{0}},
		"NoKeys":             {Endpoint: "http://localhost", Sign: true},
		"AForeignRestart":    {Endpoint: "http://localhost", Restart: true},
		"ABadEndpoint":       {Endpoint: "localhost:4566"},
		"AnEndpointThatIsNo": {Endpoint: "http://127.0.0.1:1"},
	} {
		o.Out, o.Progress = io.Discard, io.Discard
		if err := Run(t.Context(), o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
