package sigv4_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"naru/internal/sigv4"
)

// A server reads the claim, finds the secret, reads the body and verifies.
func Example() {
	const request = "GET / HTTP/1.1\r\n" +
		"Host: example.amazonaws.com\r\n" +
		"X-Amz-Date: 20150830T123600Z\r\n" +
		"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " +
		"SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n\r\n"
	secrets := map[string]string{"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	now := time.Date(2015, 8, 30, 12, 40, 0, 0, time.UTC)
	var keys sigv4.Keys

	r, _ := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	signature, err := sigv4.Parse(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(r.Body)
	key := keys.Derive(secrets[signature.KeyID], signature.Scope)
	err = signature.Verify(r, sigv4.Payload{Sum: sha256.Sum256(body)}, key, now)
	fmt.Println(signature.KeyID, signature.Scope, err)
	// Output: AKIDEXAMPLE 20150830/us-east-1/service/aws4_request <nil>
}
