package sigv4

import (
	"bufio"
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The credentials and the time of the test suite that AWS publishes for
// signers of Signature Version 4.
const (
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	suiteScope  = "20150830/us-east-1/service/aws4_request"
	suiteDate   = "20150830T123600Z"
	suiteToken  = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
)

var suiteTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

// suiteRequests are requests of the suite that are signed in a header: its
// name there, the request line, the headers beside Host, X-Amz-Date and
// Authorization, the body, the signed headers and the signature.
var suiteRequests = []struct{ name, line, headers, body, signed, signature string }{
	{"get-vanilla", "GET /", "", "", "host;x-amz-date",
		"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"post-vanilla", "POST /", "", "", "host;x-amz-date",
		"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	{"get-unreserved", "GET /-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "", "host;x-amz-date",
		"07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
	{"get-utf8", "GET /ሴ", "", "", "host;x-amz-date",
		"8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},

	{"get-slashes-normalized", "GET //example//", "", "", "host;x-amz-date",
		"9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
	{"get-slashes-unnormalized", "GET //example//", "", "", "host;x-amz-date",
		"87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"},
	{"get-slash-pointless-dot-normalized", "GET /./example", "", "", "host;x-amz-date",
		"ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
	{"get-slash-pointless-dot-unnormalized", "GET /./example", "", "", "host;x-amz-date",
		"beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff"},
	{"get-relative-relative-normalized", "GET /example1/example2/../..", "", "", "host;x-amz-date",
		"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},

	{"get-vanilla-empty-query-key", "GET /?Param1=value1", "", "", "host;x-amz-date",
		"a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
	{"get-vanilla-query-order-key-case", "GET /?Param2=value2&Param1=value1", "", "", "host;x-amz-date",
		"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
	{"get-vanilla-query-order-encoded", "GET /?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "", "", "host;x-amz-date",
		"371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
	{"get-vanilla-query-unreserved", "GET /?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "", "host;x-amz-date",
		"9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
	{"get-vanilla-utf8-query", "GET /?ሴ=bar", "", "", "host;x-amz-date",
		"2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},

	{"get-header-key-duplicate", "GET /", "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\n", "", "host;my-header1;x-amz-date",
		"c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
	{"get-header-value-order", "GET /", "My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2\n", "", "host;my-header1;x-amz-date",
		"08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
	{"get-header-value-multiline", "GET /", "My-Header1:value1\n  value2\n     value3\n", "", "host;my-header1;x-amz-date",
		"cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd"},
	{"get-header-value-trim", "GET /", "My-Header1: value1\nMy-Header2: \"a   b   c\"\n", "", "host;my-header1;my-header2;x-amz-date",
		"acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},

	{"get-vanilla-with-session-token", "GET /", "X-Amz-Security-Token:" + suiteToken + "\n", "", "host;x-amz-date;x-amz-security-token",
		"07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
	{"post-sts-header-after", "POST /", "X-Amz-Security-Token:" + suiteToken + "\n", "", "host;x-amz-date",
		"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	{"post-x-www-form-urlencoded", "POST /", "Content-Type:application/x-www-form-urlencoded\nContent-Length:13\n" +
		"x-amz-content-sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e\n", "Param1=value1",
		"content-length;content-type;host;x-amz-content-sha256;x-amz-date",
		"d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
}

func TestPublishedRequestsVerify(t *testing.T) {
	for _, v := range suiteRequests {
		t.Run(v.name, func(t *testing.T) {
			verifySuite(t, v.line+" HTTP/1.1\nHost:example.amazonaws.com\n"+v.headers+
				"X-Amz-Date:"+suiteDate+"\n"+
				"Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"+suiteScope+
				", SignedHeaders="+v.signed+", Signature="+v.signature+"\n\n"+v.body)
		})
	}
}

// suitePresigned are requests of the suite that are signed in the query, for
// an hour.
var suitePresigned = []struct{ name, method, headers, signed, token, signature string }{
	{"get-vanilla-query", "GET", "", "host", "",
		"e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"},
	{"post-vanilla", "POST", "", "host", "",
		"2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b"},
	{"get-header-key-duplicate", "GET", "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\n", "host%3Bmy-header1", "",
		"3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97"},
	{"get-vanilla-with-session-token", "GET", "", "host", "&X-Amz-Security-Token=" + suiteToken,
		"7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c"},
	{"get-vanilla-query with a token added after signing", "GET", "", "host", "&X-Amz-Security-Token=" + suiteToken,
		"e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"},
}

func TestPublishedPresignedRequestsVerify(t *testing.T) {
	for _, v := range suitePresigned {
		t.Run(v.name, func(t *testing.T) {
			verifySuite(t, v.method+" /?X-Amz-Algorithm=AWS4-HMAC-SHA256"+
				"&X-Amz-Credential=AKIDEXAMPLE%2F"+strings.ReplaceAll(suiteScope, "/", "%2F")+
				"&X-Amz-Date="+suiteDate+"&X-Amz-SignedHeaders="+v.signed+"&X-Amz-Expires=3600"+
				v.token+"&X-Amz-Signature="+v.signature+
				" HTTP/1.1\nHost:example.amazonaws.com\n"+v.headers+"\n")
		})
	}
}

func TestPublishedKeyIsDerived(t *testing.T) {
	// From the documentation of key derivation, for IAM.
	got := DeriveKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Scope{"20150830", "us-east-1", "iam"})
	want := "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
	if hexString(got[:]) != want {
		t.Errorf("DeriveKey = %x, want %s", got, want)
	}
}

func verifySuite(t *testing.T, text string) {
	t.Helper()
	r, body := readRequest(t, text)
	if err := authenticate(r, body, suiteSecret, suiteTime); err != nil {
		t.Error(err)
	}
	if err := authenticate(r, body, suiteSecret+"x", suiteTime); err == nil {
		t.Error("verified with another secret")
	}
}

// readRequest reads what a client wrote, with LF for CRLF in the head, as a
// server does.
func readRequest(t testing.TB, text string) (*http.Request, []byte) {
	t.Helper()
	head, rest, _ := strings.Cut(text, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + rest)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, body
}

// authenticate is what a server does with a request.
func authenticate(r *http.Request, body []byte, secret string, now time.Time) error {
	s, err := Parse(r)
	if err != nil {
		return err
	}
	return s.Verify(r, Payload{Sum: sha256.Sum256(body)}, DeriveKey(secret, s.Scope), now)
}
